"""Metrics on their way to a destination in trouble: what waits, what is halved, what is counted as refused."""

import asyncio
from collections import Counter

from aggregator.metric_sink import Limits
from tests.aggregator.pointing import NAME, PodTeller
from tests.fakes.memory_metric_sink import MemoryMetricSink
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, UnauthorizedError


def gauges(number):
    return {f"g{index}": index for index in range(number)}


def too_many(limit):
    def judge(points):
        if len(points) > limit:
            raise TooLargeError("413")

    return judge


def poison(*series):
    def judge(points):
        if any(point.series.startswith(series) for point in points):
            raise RejectedError("400")

    return judge


async def test_a_busy_destination_gets_the_same_points_again_after_its_retry_after(scene_of):
    sink = MemoryMetricSink(RetryableError("429", retry_after_seconds=7), None)
    scene = scene_of(sink)
    await scene.tell(PodTeller(), {"hits_total": 5}, gauges=gauges(3), from_zero=True)
    state = await scene.deliver_all()
    first, second = sink.attempts
    assert (first, scene.waits.seconds) == (second, [7])
    assert dict(state.failures) == {"retryable": 1}


async def test_what_is_too_large_is_halved_and_later_requests_are_smaller(scene_of):
    sink = MemoryMetricSink(judge=too_many(10))
    scene = scene_of(sink)
    for number in range(4):
        await scene.tell(PodTeller(f"web-{number}"), {}, gauges=gauges(32))
        await scene.run_lanes()
    assert len(sink.points) == 4 * 32
    assert len(sink.attempts) - len(sink.payloads) == 3  # 32, 16 and 16 of the first pod


async def test_a_poisoned_point_is_found_alone_counted_and_the_others_pass(scene_of):
    sink = MemoryMetricSink(judge=poison("g7", "g20"))
    scene = scene_of(sink)
    await scene.tell(PodTeller(), {}, gauges=gauges(32))
    state = await scene.deliver_all()
    assert len(sink.points) == 32 - 2
    assert (dict(state.refused), state.dead_letters, state.delivered_lines) == ({"rejected": 2}, 0, 30)


async def test_a_destination_that_refuses_everything_is_waited_for_and_nothing_is_dropped(scene_of):
    sink, is_broken = MemoryMetricSink(), True

    def judge(_points):
        if is_broken:
            raise RejectedError("400")

    sink.judge = judge
    scene = scene_of(sink)
    await scene.tell(PodTeller(), {"hits_total": 5}, gauges=gauges(20), from_zero=True)
    stop = asyncio.Event()
    forwarder = scene.forwarder()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(forwarder.run(stop))
        await sink.sending.wait()
        while not forwarder.states[NAME].failures["refuses_everything"]:
            sink.sending.clear()
            await sink.sending.wait()
        is_broken = False
        stop.set()
        await task
    assert len(sink.points) == 21
    assert dict(forwarder.states[NAME].refused) == {}


async def test_a_few_points_that_are_all_refused_are_counted_and_gone(scene_of):
    sink = MemoryMetricSink(judge=poison("g"))
    scene = scene_of(sink)
    await scene.tell(PodTeller(), {}, gauges=gauges(3))
    state = await scene.deliver_all()
    assert (sink.points, dict(state.refused)) == ([], {"rejected": 3})
    assert not scene.journal.owing(NAME)


async def test_what_the_destination_says_it_dropped_is_counted(scene_of):
    sink = MemoryMetricSink(Counter(too_new=2))
    scene = scene_of(sink)
    await scene.tell(PodTeller(), {}, gauges=gauges(5))
    state = await scene.deliver_all()
    assert (state.delivered_lines, dict(state.refused)) == (3, {"too_new": 2})


async def test_an_unauthorized_lane_is_held_until_the_health_check_passes(scene_of):
    sink = MemoryMetricSink(UnauthorizedError("403"), None)
    sink.healthchecks = [RetryableError("at start"), UnauthorizedError("403")]
    scene = scene_of(sink)
    await scene.tell(PodTeller(), {}, gauges=gauges(2))
    state = await scene.deliver_all()
    assert (len(sink.points), len(sink.attempts)) == (2, 2)
    assert state.failures["unauthorized"] >= 1


async def test_a_long_wait_lets_go_and_makes_the_same_points_again(scene_of):
    sink = MemoryMetricSink(RetryableError("503", retry_after_seconds=600), None)
    scene = scene_of(sink)
    await scene.tell(PodTeller(), {"hits_total": 5}, gauges=gauges(3), from_zero=True)
    await scene.deliver_all()
    first, second = sink.attempts
    assert first == second
    assert len(sink.made) == 2


async def test_a_batch_of_which_something_was_taken_is_never_made_again(scene_of):
    sink = MemoryMetricSink(None, RetryableError("503", retry_after_seconds=600), None, limits=Limits(4, 1 << 20))
    scene = scene_of(sink)
    await scene.tell(PodTeller(), {"hits_total": 5}, gauges=gauges(6), from_zero=True)
    await scene.deliver_all()
    assert (len(sink.points), len(sink.made)) == (7, 1)


async def test_the_rest_of_such_a_batch_is_dropped_once_it_is_too_old(scene_of):
    answers = (None, RetryableError("503", retry_after_seconds=600), None)
    sink = MemoryMetricSink(*answers, limits=Limits(4, 1 << 20), max_age_seconds=3600.0)
    scene, pod = scene_of(sink), PodTeller()
    await scene.tell(pod, {"hits_total": 5}, gauges=gauges(6), from_zero=True)

    async def later(stop, seconds):
        scene.now_unix += 7200.0

    state = await scene.deliver_all(pause=later)
    assert (len(sink.points), dict(state.refused)) == (4, {"too_old": 3})
    assert not scene.journal.owing(NAME)


async def test_one_sink_that_is_down_delays_no_other_lane(scene_of):
    down = MemoryMetricSink(lane=lambda pod: pod.name)
    down.judge = lambda points: (_ for _ in ()).throw(RetryableError("x")) if points[0].pod == "uid-bad" else None
    scene = scene_of(down)
    await scene.tell(PodTeller("bad"), {}, gauges=gauges(1))
    for number in range(3):
        await scene.tell(PodTeller(f"web-{number}"), {}, gauges=gauges(1))
    scene.waits.limit = 30
    forwarder = scene.forwarder()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(forwarder.run(asyncio.Event()))
        await scene.waits.exhausted.wait()
        task.cancel()
    assert {point.pod for point in down.points} == {"uid-web-0", "uid-web-1", "uid-web-2"}
    assert list(scene.journal.owing(NAME)) == ["bad"]


async def test_a_lane_that_is_held_in_the_middle_of_a_batch_keeps_it(scene_of):
    sink = MemoryMetricSink(None, UnauthorizedError("403"), None, limits=Limits(4, 1 << 20))
    sink.healthchecks = [RetryableError("at start"), UnauthorizedError("403"), UnauthorizedError("403")]
    scene = scene_of(sink)
    await scene.tell(PodTeller(), {"hits_total": 5}, gauges=gauges(6), from_zero=True)
    await scene.deliver_all()
    assert (len(sink.points), len(sink.made), sink.checked > 2) == (7, 1, True)
    await scene.tell(PodTeller("other"), {}, gauges=gauges(2))
    await scene.deliver_all()
    assert len(sink.points) == 9
