"""What rules count of lines, through real sinks and a real journal: each of three destinations has every line once, whatever is killed between."""

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.contract.counting_lines import NAMES, LinesWorld
from tests.contract.three_backends import CLOUDWATCH, DATADOG, REMOTE_WRITE, Backends

_PHASES = [phase for phase in Phase if phase is not Phase.explain]  # that would take minutes
_ALIVE = (
    *("count", "count", "count_and_die_before_settling", "count_and_die_after_settling"),
    *("tell", "tell", "die_telling", "crash", "crash_before_settling"),
    *("deliver", "deliver_to_one", "deliver_to_a_faulty_one"),
)


def stories(*words):
    return st.lists(st.tuples(st.sampled_from(words), st.integers(0, 2), st.integers(1, 9)), min_size=10, max_size=30)


@pytest.fixture
async def backends(tmp_path):
    async with Backends(tmp_path, NAMES) as three:
        yield three


async def played(world, story):
    for word, number, amount in story:
        await world.step(word, world.pods[number], amount)
    await world.tell()
    await world.deliver(None, 0)


@settings(max_examples=25, deadline=None, phases=_PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories(*_ALIVE))
async def test_each_destination_has_every_line_once(backends, tmp_path, story):
    async with LinesWorld(tmp_path, backends) as world:
        await played(world, story)
        assert world.shown() == dict.fromkeys((DATADOG, CLOUDWATCH, REMOTE_WRITE), world.counted)


@settings(max_examples=15, deadline=None, phases=_PHASES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories(*_ALIVE, "fall_silent"))
async def test_totals_that_end_and_begin_again_are_counted_once_as_well(backends, tmp_path, story):
    async with LinesWorld(tmp_path, backends) as world:
        await played(world, story)
        shown = world.shown()
        assert shown[DATADOG] == shown[CLOUDWATCH] == world.counted
