"""Counters of pods that restart, through real sinks and a real journal: at each of three destinations stands what can be known (knowable.py)."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.contract.counting_pods import FORKS, ORDERS, PAGES, REQUESTS
from tests.contract.counting_world import PODS, World
from tests.contract.three_backends import NAMES, Backends

_RESTARTS = ("restart_collector", "restart_app", "crash", "restart_collector", "restart_app_slowly", "say_old", "say")
_PHASES = [phase for phase in Phase if phase is not Phase.explain]  # that would take minutes
WORDS = (
    *("count", "count", "count", "say", "say", "say"),
    *("say_lost", "say_twice", "say_late", "say_first_too_late", "say_old", "shed", "shed"),
    *("restart_app", "restart_app_slowly", "restart_collector", "goodbye"),
    *("deliver", "deliver_to_one", "deliver_to_a_faulty_one", "crash", "crash_before_settling"),
)
steps = st.lists(
    st.tuples(st.sampled_from(WORDS), st.integers(0, PODS - 1), st.integers(1, 9)), min_size=10, max_size=30
)


@pytest.fixture
async def backends(tmp_path):
    async with Backends(tmp_path) as three:
        yield three


async def test_where_every_restart_can_be_seen_each_of_three_backends_shows_what_was_counted(backends, tmp_path):
    async with World(tmp_path, backends) as world:
        for number, pod in enumerate(world.pods, 1):
            await world.say(pod)
            for counted, word in enumerate(_RESTARTS):
                # Less each time, so that what began again is below what was there.
                pod.count(number * (100 - 10 * counted))
                await world.say_twice(pod, 0)
                await world.deliver_to_one(pod, counted)
                await world.step(word, pod, counted)
            await world.crash_before_settling(pod, number)
        await world.deliver(None, 0)
        for number, pod in enumerate(world.pods, 1):
            total = number * sum(100 - 10 * counted for counted in range(len(_RESTARTS)))
            shown = {ORDERS: total, PAGES: 4 * total, REQUESTS: total, FORKS: total}
            assert backends.totals(pod.name) == dict.fromkeys(NAMES, shown)


@settings(max_examples=30, deadline=None, phases=_PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=steps)
async def test_what_can_be_known_of_a_counter_stands_at_each_of_three_backends(backends, tmp_path, story):
    async with World(tmp_path, backends) as world:
        for word, number, amount in story:
            await world.step(word, world.pods[number], amount)
        await world.deliver(None, 0)
        for pod in world.pods:  # what waits for a next point gets one
            pod.count(1)
            await world.say(pod)
        await world.deliver(None, 0)
        for pod in world.pods:
            assert backends.totals(pod.name) == world.known(pod)
