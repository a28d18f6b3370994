"""Metrics are put as log events: into the right stream, with their header, in order; what CloudWatch refuses is counted in metrics."""

import time
from collections import Counter

import pytest

from aggregator.core.joining import Join
from aggregator.core.opening import OpenLimits, open_snapshot
from aggregator.metric_sink import Moment
from aggregator.sinks.cloudwatch.metric_config import CloudWatchMetricsConfig
from aggregator.sinks.cloudwatch.metric_making import Making
from tests.aggregator.exposing import opened
from tests.aggregator.forwarding import pod_of
from tests.aggregator.pointing import PodTeller, Scene
from tests.aggregator.sinks.batches import POD
from tests.aggregator.sinks.emf import UNKNOWN, gauge
from tests.aggregator.sinks.to_cloudwatch import operations, sink_to
from tests.fakes.script import Answer, Recorded
from towline.plumbing.errors import RetryableError

pytestmark = pytest.mark.usefixtures("aws_environment")

DAY_NS = 86_400 * 10**9


def metrics_to(front, session, **options):
    return sink_to(front, session, metrics=CloudWatchMetricsConfig(**{"include": ("*",), **options})).metrics


def fragments(sink, *families, pod=POD, age_ns=0):
    taken = time.time_ns() - age_ns
    return list(sink.make(opened(*families, pod=pod, taken_unix_ns=taken), None, UNKNOWN).fragments)


async def send(sink, *made):
    (route,) = {fragment.route for fragment in made}
    return await sink.send(route, sink.pack(route, [fragment.body for fragment in made]))


async def test_they_go_into_container_insights_group_with_the_formats_header(front, session):
    sink = metrics_to(front, session)
    assert await send(sink, *fragments(sink, gauge("a", 1))) == {}
    assert set(front.accepted) == {("/aws/containerinsights/main/performance", "web/agg-0")}
    assert operations(front) == ["PutLogEvents", "CreateLogStream", "CreateLogGroup", "CreateLogStream", "PutLogEvents"]
    assert front.requests[-1].headers["x-amzn-logs-format"] == "json/emf"
    assert "x-amzn-logs-format" in front.requests[-1].headers["authorization"]
    assert [datum.name for datum in front.metrics] == ["a"]


async def test_the_group_and_the_stream_follow_their_templates(front, session):
    sink = metrics_to(front, session, log_group="/m/{namespace}", log_stream="{pod}")
    await send(sink, *fragments(sink, gauge("a", 1)))
    assert set(front.accepted) == {("/m/shop", POD.name)}


async def test_events_of_several_snapshots_are_put_in_the_order_of_time(front, session):
    sink = metrics_to(front, session)
    late, early = fragments(sink, gauge("late", 1)), fragments(sink, gauge("early", 1), age_ns=10**10)
    await send(sink, *late, *early)
    assert [datum.name for datum in front.metrics] == ["early", "late"]


async def test_what_cloudwatch_throws_away_is_counted_in_metrics(front, session):
    sink = metrics_to(front, session)
    made = [
        *fragments(sink, gauge("a", 1), gauge("b", 1), age_ns=15 * DAY_NS),
        *fragments(sink, gauge("c", 1)),
        *fragments(sink, gauge("d", 1), gauge("e", 1), gauge("f", 1), age_ns=-DAY_NS // 8),
    ]
    assert await send(sink, *made) == {"too_old": 2, "too_new": 3}
    assert [datum.name for datum in front.metrics] == ["c"]


async def test_more_than_a_day_is_several_calls_and_a_retry_goes_on_where_it_stopped(front, session):
    sink = metrics_to(front, session)
    await send(sink, *fragments(sink, gauge("first", 1)))
    made = [*fragments(sink, gauge("now", 1)), *fragments(sink, gauge("then", 1), age_ns=2 * DAY_NS)]
    payload = sink.pack(made[0].route, [fragment.body for fragment in made])
    front.play(None, Answer(500))
    with pytest.raises(RetryableError):
        await sink.send(made[0].route, payload)
    await sink.send(made[0].route, payload)
    assert [datum.name for datum in front.metrics] == ["first", "then", "now"]


async def test_pods_of_a_stream_share_a_lane_and_streams_are_spread(front, session):
    sink = metrics_to(front, session)
    pods = [pod_of(f"web-{number}") for number in range(40)]
    assert {sink.lane(pod).rpartition(":")[0] for pod in pods} == {"/aws/containerinsights/unknown/performance"}
    assert {sink.lane(pod)[-1] for pod in pods} == {"0", "1", "2", "3"}
    streams = {sink.lane(pod): [] for pod in pods}
    for pod in pods:
        one = fragments(sink, gauge("a", 1), pod=pod)[0].route
        streams[sink.lane(pod)].append(one)
    assert sum(len(set(routes)) for routes in streams.values()) == 40


class Shop:
    """Three pods that count, and what they counted since they were first heard."""

    def __init__(self, scene):
        self.scene = scene
        self.tellers = [PodTeller(f"web-{number}", unix=time.time() - 600) for number in range(3)]
        self.values = dict.fromkeys([teller.name for teller in self.tellers], 0)
        self.total = dict(self.values)

    async def go_on(self, step):
        for number, teller in enumerate(self.tellers):
            begins_again = step == 4 + number
            gained = (step * 7 + number) % 5 + (0 if begins_again else 10)
            self.values[teller.name] = gained + (0 if begins_again else self.values[teller.name])
            self.total[teller.name] += gained if step else 0  # what was before the first snapshot is unknown
            await self.scene.tell(teller, {"hits_total": self.values[teller.name]}, gauges={"temp": step})


def counted(front):
    """What arrived by pod. A delta that came twice must be the same."""
    deltas, total = {}, Counter()
    for datum in front.metrics:
        if datum.name == "hits_total":
            key = dict(datum.dimensions)["PodName"], datum.time_ms
            assert deltas.setdefault(key, datum.total) == datum.total
    for (pod, _), gained in deltas.items():
        total[pod] += gained
    return total


async def test_counters_sum_up_to_what_was_counted_whatever_happens(front, session, tmp_path):
    """An app that begins again at 0, lost answers, an aggregator that starts again."""
    scene = Scene(tmp_path, metrics_to(front, session, log_stream="all"))
    scene.now_unix = time.time()
    shop = Shop(scene)
    for step in range(12):
        await shop.go_on(step)
        if step == 6:
            front.play(Answer(500), Recorded("cut"), Answer(503))
        if step % 3 == 2:
            await scene.deliver_all()
        if step == 7:
            await scene.restart()
    await scene.restart()
    await scene.deliver_all()
    await scene.journal.close()
    assert front.emf_faults == []
    assert counted(front) == shop.total


async def test_a_pods_goodbye_makes_no_events_and_forgets_its_state(front, session, tmp_path):
    sink = metrics_to(front, session)
    scene, teller = Scene(tmp_path, sink), PodTeller(unix=time.time() - 60)
    scene.now_unix = time.time()
    await scene.tell(teller, {"hits_total": 1}, gauges={"temp": 1})
    await scene.deliver_all()
    assert set(await scene.memo()) == {teller.pod.uid}
    await scene.tell(teller, {"hits_total": 3}, gauges={"temp": 1}, goodbye=True)
    state = await scene.deliver_all()
    assert (await scene.memo(), state.refused) == ({}, {})
    await scene.journal.close()
    assert sum(datum.total for datum in front.metrics if datum.name == "hits_total") == 2


def test_a_snapshot_with_nothing_chosen_is_no_event_and_no_harm():
    teller = PodTeller()
    one = open_snapshot(teller.pod, teller.snapshot({"hits_total": 1}), OpenLimits())
    made = Making(CloudWatchMetricsConfig()).make("g\ns", one, None, Moment(Join.UNKNOWN))
    assert (made.fragments, made.dropped) == ([], {})
