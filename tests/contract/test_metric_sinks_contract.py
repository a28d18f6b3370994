"""What holds for every sink of metrics, against its counterpart."""

import time
from itertools import groupby

import pytest

from aggregator.core.joining import Join
from aggregator.metric_sink import MetricSinkOptions, Moment
from aggregator.registry import SINKS
from tests.aggregator.pointing import PodTeller
from tests.contract.metric_harness import KNOWN, METRIC_HARNESSES, opened_of, settled
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, UnauthorizedError


@pytest.fixture(params=sorted(METRIC_HARNESSES))
async def one(request, tmp_path):
    async with METRIC_HARNESSES[request.param](tmp_path) as harness:
        yield harness


async def send_all(sink, fragments):
    refused = 0
    for route, group in groupby(fragments, key=lambda fragment: fragment.route):
        bodies = [fragment.body for fragment in group]
        refused += (await sink.send(route, sink.pack(route, bodies))).total()
    return refused


def made_of(sink, values=None, **more):
    teller = PodTeller()
    state = settled(sink, teller)
    return sink.make(opened_of(teller, {"hits_total": 6} if values is None else values, **more), state, KNOWN)


def test_every_sink_that_takes_metrics_is_under_contract():
    take_metrics = {
        kind
        for kind, spec in SINKS.items()
        if "metrics" in spec.config.__struct_fields__ or issubclass(spec.options, MetricSinkOptions)
    }
    assert take_metrics <= set(METRIC_HARNESSES)


async def test_delivers_every_point(one):
    made = made_of(one.sink, gauges={"temp": 21.5})
    assert await send_all(one.sink, made.fragments) == 0
    received = one.received()
    assert {value for name, value in received if "temp" in name} == {21.5}
    assert any("hits" in name for name, _ in received)


def test_its_terms_are_those_of_metrics(one):
    terms = one.sink.terms
    assert terms.when_full in {"shed", "hold"}
    assert (one.sink.max_age_seconds > 0, one.sink.silent_seconds > 0) == (True, True)


def test_makes_the_same_of_the_same(one):
    teller = PodTeller()
    state = settled(one.sink, teller)
    opened = opened_of(teller, {"hits_total": 6}, gauges={"temp": 1.0})
    first, second = (one.sink.make(opened, state, KNOWN) for _ in range(2))
    assert (list(first.fragments), first.state) == (list(second.fragments), second.state)


def test_packs_the_same_to_the_same(one):
    fragments = made_of(one.sink, gauges={"temp": 1.0, "load": 2.0}).fragments
    for route in {fragment.route for fragment in fragments}:
        bodies = [fragment.body for fragment in fragments if fragment.route == route]
        assert one.sink.pack(route, bodies) == one.sink.pack(route, bodies)


def test_no_route_makes_more_of_a_fragment_than_its_limits_take(one):
    for fragment in made_of(one.sink, gauges={f"g{number}": 1 for number in range(300)}).fragments:
        limits = one.sink.limits(fragment.route)
        assert fragment.points <= limits.max_points
        assert len(fragment.body) + limits.overhead_bytes <= limits.max_bytes


@pytest.mark.parametrize("state", [None, "", "rubbish \udcff", "AAAA"])
def test_a_state_that_says_nothing_is_a_pod_that_nothing_is_known_of(one, state):
    made = one.sink.make(opened_of(PodTeller(), {"hits_total": 5}), state, Moment(Join.UNKNOWN))
    assert isinstance(made.state, str)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e308"])
async def test_values_that_no_destination_knows_harm_no_other(one, value):
    made = made_of(one.sink, {"hits_total": 6}, gauges={"odd": float(value), "temp": 21.5})
    await send_all(one.sink, made.fragments)
    assert 21.5 in [got for name, got in one.received() if "temp" in name]


def test_what_is_too_old_is_counted_and_the_state_moves(one):
    teller = PodTeller()
    state = settled(one.sink, teller)
    made = one.sink.make(
        opened_of(teller, {"hits_total": 6}, gauges={"g": 1}), state, Moment(Join.SAME_RUN, too_old=True)
    )
    if one.sink.max_age_seconds < float("inf"):
        assert (len(made.fragments), made.dropped["too_old"] > 0) == (0, True)
    assert made.state != state


def test_a_lane_is_the_pods_own_and_of_safe_characters(one):
    pod = PodTeller().pod
    lane = one.sink.lane(pod)
    assert (lane, lane.isascii() and lane.isprintable()) == (one.sink.lane(pod), True)


async def test_an_end_can_be_sent(one):
    made = made_of(one.sink)
    await send_all(one.sink, made.fragments)
    end = one.sink.end(PodTeller().pod.uid, made.state, time.time_ns())
    assert await send_all(one.sink, end.fragments) == 0


@pytest.mark.parametrize(
    ("situation", "error"),
    [
        ("busy", RetryableError),
        ("too_large", TooLargeError),
        ("poisoned", RejectedError),
        ("unauthorized", UnauthorizedError),
    ],
)
async def test_says_what_is_to_be_done(one, situation, error):
    fragments = made_of(one.sink, gauges={"temp": 1.0}).fragments
    if not hasattr(one, situation):
        pytest.skip(f"this destination is never {situation}")
    getattr(one, situation)()
    with pytest.raises(error) as raised:
        await send_all(one.sink, fragments)
    if situation == "busy":
        assert raised.value.retry_after_seconds == getattr(one, "asks_to_wait_seconds", 7)


async def test_its_health_check_passes_where_all_is_well(one):
    await one.sink.healthcheck()
