"""How a pod's snapshots hang together at a destination: other aggregators, shares that are used up, lives of the collector."""

from aggregator.core.joining import Join
from tests.aggregator.pointing import NAME, PodTeller
from tests.fakes.memory_metric_sink import MemoryMetricSink


async def test_a_pod_that_another_aggregator_served_meanwhile_is_not_counted_twice(scene_of):
    sink, pod = MemoryMetricSink(), PodTeller()
    scene = scene_of(sink)
    await scene.tell(pod, {"hits_total": 5}, from_zero=True)
    pod.snapshot({"hits_total": 100})  # taken by the other one
    for value in (120, 121):
        await scene.tell(pod, {"hits_total": value}, from_zero=True)
    await scene.deliver_all()
    assert sink.totals() == {("uid-web-1", "hits_total{}"): 5 + 1}


async def test_shedding_loses_no_count(scene_of):
    sink, pod = MemoryMetricSink(), PodTeller()
    scene = scene_of(sink, share_bytes=8000)
    for value in range(1, 60):
        await scene.tell(pod, {"hits_total": value}, gauges={"g": value}, from_zero=True)
    assert scene.journal.counters.shed_snapshots > 20
    await scene.deliver_all()
    assert sink.totals() == {("uid-web-1", "hits_total{}"): 59}


async def shed_all_of_the_others(scene):
    """By a pod that says so much that nothing else is left: its own total."""
    loud = PodTeller("loud")
    for value in range(1, 30):
        await scene.tell(loud, {"hits_total": value}, from_zero=True)
    assert set(scene.journal.owing(NAME)["all"]) == {"uid-loud"}
    return {("uid-loud", "hits_total{}"): 29}


async def test_a_first_snapshot_that_is_shed_before_its_successor_comes_loses_no_count(scene_of):
    sink, pod = MemoryMetricSink(), PodTeller()
    scene = scene_of(sink, share_bytes=900)
    await scene.tell(pod, {"hits_total": 9}, from_zero=True)
    others = await shed_all_of_the_others(scene)
    await scene.tell(pod, {"hits_total": 10}, from_zero=True)
    await scene.deliver_all()
    assert sink.totals() == {("uid-web-1", "hits_total{}"): 10, **others}


async def test_a_snapshot_after_another_aggregator_that_is_shed_before_its_successor_comes_is_counted_once(scene_of):
    sink, pod = MemoryMetricSink(), PodTeller()
    scene = scene_of(sink, share_bytes=900)
    await scene.tell(pod, {"hits_total": 5}, from_zero=True)
    await scene.deliver_all()
    pod.snapshot({"hits_total": 100})  # taken by the other one
    await scene.tell(pod, {"hits_total": 120}, from_zero=True)
    others = await shed_all_of_the_others(scene)
    for value in (121, 124):
        await scene.tell(pod, {"hits_total": value}, from_zero=True)
    await scene.deliver_all()
    assert sink.totals() == {("uid-web-1", "hits_total{}"): 5 + 3, **others}


async def test_a_sink_that_is_new_begins_where_it_was_configured(scene_of):
    sink, pod = MemoryMetricSink(), PodTeller()
    scene = scene_of(sink)
    for value in (100, 200):
        await scene.journal.snapshot(pod.pod, "r1", pod.snapshot({"hits_total": value}).sequence)
    for value in (205, 208):
        await scene.tell(pod, {"hits_total": value}, from_zero=True)
    await scene.deliver_all()
    assert sink.totals() == {("uid-web-1", "hits_total{}"): 3}


async def test_a_late_first_snapshot_of_a_life_that_is_over_counts_nothing_twice(scene_of):
    sink, old, new = MemoryMetricSink(), PodTeller(run="r1"), PodTeller(run="r2", unix=1_000_100.0)
    scene = scene_of(sink)
    late = old.snapshot({"app_total": 95})
    await scene.tell(new, {"app_total": 100})
    await scene.say(old.pod, late)
    await scene.tell(new, {"app_total": 105})
    state = await scene.deliver_all()
    assert sink.totals() == {("uid-web-1", "app_total{}"): 5}
    assert dict(state.refused) == {"out_of_order": 1}


async def test_a_clock_that_was_set_back_between_two_lives_costs_no_count(scene_of):
    sink, old, new = MemoryMetricSink(), PodTeller(run="r1"), PodTeller(run="r2", unix=900_000.0)
    scene = scene_of(sink)
    await scene.tell(old, {"hits_total": 5}, from_zero=True)
    for value in (2, 3, 7):
        await scene.tell(new, {"hits_total": value}, from_zero=True)
    state = await scene.deliver_all()
    assert sink.totals() == {("uid-web-1", "hits_total{}"): 5 + 7}
    assert dict(state.refused) == {"out_of_order": 1}  # until the second one came, it could have been a late word


async def test_a_snapshot_that_is_not_newer_than_what_is_settled_is_passed_over(scene_of):
    sink, old, new = MemoryMetricSink(), PodTeller(run="r1"), PodTeller(run="r2", unix=2_000_000.0)
    scene = scene_of(sink)
    await scene.tell(old, {"hits_total": 5}, from_zero=True)
    late = old.snapshot({"hits_total": 6}, from_zero=True)
    await scene.tell(new, {"hits_total": 1}, from_zero=True)
    await scene.say(old.pod, late)
    await scene.tell(new, {"hits_total": 3}, from_zero=True)
    state = await scene.deliver_all()
    assert sink.totals() == {("uid-web-1", "hits_total{}"): 5 + 3}
    assert dict(state.refused) == {"out_of_order": 1}
    assert [join for _, join, _ in sink.made] == [Join.BEGINS, Join.NEW_RUN, Join.SAME_RUN]
