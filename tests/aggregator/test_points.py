"""Metrics on their way to a destination that takes them: each pod in order, states and settlements as one."""

from aggregator.core.records import Debt
from aggregator.forwarder.points_work import ENDS as ENDS_LANE
from aggregator.journal import Custody
from aggregator.metric_sink import Limits
from tests.aggregator.pointing import NAME, PodTeller
from tests.fakes.memory_metric_sink import ENDS, MemoryMetricSink


async def test_what_a_pod_counted_arrives_as_deltas_and_its_gauges_as_they_are(scene_of):
    sink, pod = MemoryMetricSink(), PodTeller()
    scene = scene_of(sink)
    for value in (5, 8, 8, 20):
        await scene.tell(pod, {"hits_total": value}, gauges={"temp": value}, from_zero=True)
    state = await scene.deliver_all()
    counts = [point.value for point in sink.points if point.kind == "count"]
    gauges = [point.value for point in sink.points if point.kind == "gauge"]
    assert (counts, gauges) == ([5, 3, 0, 12], [5, 8, 8, 20])
    assert (state.delivered_lines, state.sent_batches, dict(state.refused)) == (8, 1, {})
    assert not scene.journal.owing(NAME)


async def test_the_book_survives_a_restart(scene_of):
    sink, pod = MemoryMetricSink(), PodTeller()
    scene = scene_of(sink)
    await scene.tell(pod, {"hits_total": 5}, from_zero=True)
    await scene.deliver_all()
    await scene.restart()
    await scene.tell(pod, {"hits_total": 9}, from_zero=True)
    await scene.deliver_all()
    assert sink.totals() == {("uid-web-1", "hits_total{}"): 9}


async def test_snapshots_of_many_pods_share_a_request_and_each_pod_keeps_its_order(scene_of):
    sink, pods = MemoryMetricSink(), [PodTeller(f"web-{number}") for number in range(20)]
    scene = scene_of(sink)
    for value in (1, 2, 3):
        for pod in pods:
            await scene.tell(pod, {}, gauges={"g": value})
    await scene.deliver_all()
    assert len(sink.payloads) == 1
    for pod in pods:
        assert [point.value for point in sink.points if point.pod == pod.pod.uid] == [1, 2, 3]


async def test_requests_hold_no_more_than_the_sink_says(scene_of):
    sink, pods = MemoryMetricSink(limits=Limits(7, 1_000_000)), [PodTeller(f"web-{number}") for number in range(9)]
    scene = scene_of(sink)
    for pod in pods:
        await scene.tell(pod, {}, gauges=dict.fromkeys("abc", 1))
    await scene.tell(PodTeller("large"), {}, gauges={f"g{number}": 1 for number in range(16)})
    state = await scene.deliver_all()
    assert dict(state.refused) == {}  # none was made twice
    sizes = [len(points) for _, points in sink.payloads]
    assert (sum(sizes), max(sizes)) == (9 * 3 + 16, 7)
    assert sizes.count(6) == 4  # no pod's snapshot is spread over two requests without need


async def test_bytes_bound_a_request_too(scene_of):
    sink = MemoryMetricSink(limits=Limits(1000, 400))
    scene = scene_of(sink)
    await scene.tell(PodTeller(), {}, gauges={f"g{number}": 1 for number in range(50)})
    await scene.deliver_all()
    assert max(sum(len(str(point)) for point in points) for _, points in sink.payloads) < 1200
    assert len(sink.points) == 50


async def test_a_goodbye_ends_the_pod_after_its_last_points_and_forgets_it(scene_of):
    sink, pod = MemoryMetricSink(), PodTeller()
    scene = scene_of(sink)
    await scene.tell(pod, {}, gauges={"g": 1})
    await scene.deliver_all()
    assert list(await scene.memo()) == [pod.pod.uid]
    await scene.tell(pod, {}, gauges={"g": 2}, goodbye=True)
    await scene.deliver_all()
    *_, last, end = sink.points
    assert (last.value, end.kind, end.unix_ns - last.unix_ns) == (2, "end", 1_000_000)
    assert await scene.memo() == {}


async def test_a_silent_pod_is_ended_once_and_what_is_known_of_it_stays(scene_of):
    sink, pod = MemoryMetricSink(silent_seconds=60.0), PodTeller()
    scene = scene_of(sink)
    await scene.tell(pod, {"hits_total": 4}, from_zero=True)
    assert await scene.run_lanes() == ["all"]
    scene.waits.now += 61.0
    assert [await scene.run_lanes() for _ in range(2)] == [[ENDS_LANE], []]
    assert [point.pod for route, points in sink.payloads if route == ENDS for point in points] == [pod.pod.uid]
    await scene.tell(pod, {"hits_total": 6}, from_zero=True)
    await scene.run_lanes()
    assert sink.totals()[pod.pod.uid, "hits_total{}"] == 6


async def test_a_pod_that_owes_something_is_not_silent(scene_of):
    pod = PodTeller()
    scene = scene_of(MemoryMetricSink(silent_seconds=60.0))
    await scene.tell(pod, {}, gauges={"g": 1})
    await scene.run_lanes()
    scene.waits.now += 61.0
    await scene.tell(pod, {}, gauges={"g": 1})
    assert list(scene.work.lanes()) == ["all"]


async def test_a_drain_ends_nobody(scene_of):
    scene = scene_of(MemoryMetricSink(silent_seconds=60.0))
    await scene.tell(PodTeller(), {}, gauges={"g": 1})
    await scene.run_lanes()
    scene.waits.now += 61.0
    scene.desk.stop.set()
    assert list(scene.work.lanes()) == []


async def test_a_pod_that_was_known_before_a_restart_is_ended_too(scene_of):
    sink, pod = MemoryMetricSink(silent_seconds=60.0), PodTeller()
    scene = scene_of(sink)
    await scene.tell(pod, {}, gauges={"g": 1})
    await scene.run_lanes()
    await scene.restart()
    assert await scene.run_lanes() == []
    scene.waits.now += 61.0
    assert await scene.run_lanes() == [ENDS_LANE]


async def test_a_pod_whose_interval_is_long_is_not_silent_before_it_missed_some(scene_of):
    scene = scene_of(MemoryMetricSink(silent_seconds=20.0))
    await scene.tell(PodTeller(), {}, gauges={"g": 1})
    await scene.run_lanes()
    scene.waits.now += 59.0  # four intervals of 15 s are 60
    assert await scene.run_lanes() == []
    scene.waits.now += 1.0
    assert await scene.run_lanes() == [ENDS_LANE]


async def test_a_pod_not_heard_for_a_day_is_forgotten(scene_of):
    sink = MemoryMetricSink()
    scene = scene_of(sink)
    await scene.tell(PodTeller(), {}, gauges={"g": 1})
    await scene.run_lanes()
    scene.waits.now += 86_400.0
    await scene.tell(PodTeller("other"), {}, gauges={"g": 1})
    assert set(await scene.run_lanes()) == {"all", ENDS_LANE}
    assert (list(await scene.memo()), ENDS in dict(sink.payloads)) == (["uid-other"], False)


async def test_what_is_too_old_drops_its_gauges_and_its_counts_go_into_the_next_point(scene_of):
    sink, pod = MemoryMetricSink(max_age_seconds=3600.0), PodTeller()
    scene = scene_of(sink)
    await scene.tell(pod, {"hits_total": 5}, gauges={"g": 1}, from_zero=True)
    await scene.tell(pod, {"hits_total": 9}, gauges={"g": 2}, from_zero=True)
    pod.unix += 7200.0
    await scene.tell(pod, {"hits_total": 10}, gauges={"g": 3}, from_zero=True)
    scene.now_unix = pod.unix
    state = await scene.deliver_all()
    assert [(point.kind, point.value) for point in sink.points] == [("count", 10), ("gauge", 3)]
    assert dict(state.refused) == {"too_old": 2}


async def test_a_snapshot_that_cannot_be_read_is_counted_and_its_neighbours_go_on(scene_of):
    sink, pod = MemoryMetricSink(), PodTeller()
    scene = scene_of(sink)
    await scene.tell(pod, {"hits_total": 5}, from_zero=True)
    await scene.journal.snapshot(pod.pod, "r1", 2, Custody(body=b"x", length=1, owed=(Debt(NAME, "all"),)))
    pod.sequence = 2
    await scene.tell(pod, {"hits_total": 7}, from_zero=True)
    state = await scene.deliver_all()
    assert sink.totals() == {("uid-web-1", "hits_total{}"): 7}
    assert dict(state.refused) == {"undecodable": 1}


async def test_a_sink_that_cannot_make_one_snapshot_makes_the_next(scene_of):
    sink, pod = MemoryMetricSink(), PodTeller()
    make = sink.make
    sink.make = lambda opened, state, moment: 1 / 0 if opened.sequence == 2 else make(opened, state, moment)
    scene = scene_of(sink)
    for value in (5, 6, 7):
        await scene.tell(pod, {"hits_total": value}, from_zero=True)
    state = await scene.deliver_all()
    assert sink.totals() == {("uid-web-1", "hits_total{}"): 7}
    assert dict(state.refused) == {"unmade": 1}
