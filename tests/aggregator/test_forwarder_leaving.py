"""A forwarder that makes way for one with another configuration: what is being sent is answered for, and nothing new is begun."""

import asyncio

from aggregator.forwarder import Forwarder
from aggregator.forwarder.state import SinkState
from aggregator.metric_sink import Limits
from tests.aggregator.forwarding import Stock, Waits, deliver_all, timing_of
from tests.aggregator.pointing import PodTeller, Scene
from tests.fakes.memory_metric_sink import MemoryMetricSink
from tests.fakes.memory_sink import MemorySink
from towline.plumbing.errors import ConfigError, RetryableError


class Leaving:
    """A forwarder at work, which can be told to leave."""

    def __init__(self, stock, waits=None):
        self.stop, self.leave = asyncio.Event(), asyncio.Event()
        self.forwarder = Forwarder(stock.journal, stock.sinks, timing_of(waits or Waits()))

    async def __aenter__(self):
        self._task = asyncio.get_running_loop().create_task(self.forwarder.run(self.stop, self.leave))
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.wait([self._task])

    @property
    def is_gone(self):
        return self._task.done()

    async def gone(self):
        async with asyncio.timeout(5):
            await self._task


async def turns():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_what_is_being_sent_is_answered_for_and_settled_before_it_leaves():
    sink = MemorySink()
    sink.gate = asyncio.Event()
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    async with Leaving(stock) as one:
        await sink.sending.wait()
        await stock.add(b"two\n")
        one.leave.set()
        await turns()
        assert not one.is_gone
        sink.gate.set()
        await one.gone()
    assert sink.accepted == [[b"one"]]
    await deliver_all(stock)
    assert sink.accepted == [[b"one"], [b"two"]]


async def test_a_lane_that_waits_for_its_destination_is_left_at_once():
    sink = MemorySink(RetryableError("down", retry_after_seconds=600.0))
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    async with Leaving(stock, Waits(limit=1)) as one:
        await sink.sending.wait()
        await turns()
        one.leave.set()
        await one.gone()
    assert sink.accepted == []
    assert stock.owes


async def test_what_is_refused_meanwhile_is_not_tried_again():
    sink = MemorySink(RetryableError("down"))
    sink.gate = asyncio.Event()
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    async with Leaving(stock) as one:
        await sink.sending.wait()
        one.leave.set()
        await turns()
        sink.gate.set()
        await one.gone()
    assert (len(sink.attempts), sink.accepted, stock.owes) == (1, [], True)


async def test_a_drain_is_cut_short_by_it():
    sink = MemorySink(*[RetryableError("down", retry_after_seconds=600.0)] * 3)
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    async with Leaving(stock, Waits(limit=1)) as one:
        one.stop.set()
        await sink.sending.wait()
        await turns()
        one.leave.set()
        await one.gone()
    assert stock.owes


async def test_a_batch_of_points_of_which_a_part_was_taken_is_settled_first(tmp_path):
    sink = MemoryMetricSink(limits=Limits(1, 1_000_000))
    scene = Scene(tmp_path, sink)
    await scene.tell(PodTeller(), {"hits_total": 9, "misses_total": 3}, from_zero=True)
    sink.gate = asyncio.Event()
    leave = asyncio.Event()
    forwarder = scene.forwarder()
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        gone = group.create_task(forwarder.run(asyncio.Event(), leave))
        await sink.sending.wait()
        sink.gate.set()
        while len(sink.payloads) < 1:  # noqa: ASYNC110 - the sink has no event for it
            await asyncio.sleep(0)
        leave.set()
        await gone
    assert sum(len(points) for _, points in sink.payloads) == 2
    await scene.deliver_all()
    assert sink.totals() == {("uid-web-1", "hits_total{}"): 9, ("uid-web-1", "misses_total{}"): 3}
    await scene.journal.close()


async def test_the_next_one_goes_on_counting_and_is_stopped_by_no_configuration():
    stock = Stock({"out": MemorySink(), "new": MemorySink()})
    stock.sinks["new"].healthchecks = [ConfigError("no such region")]
    forwarder = Forwarder(stock.journal, stock.sinks, timing_of(Waits()))
    before = SinkState(delivered_lines=7)
    before.refused["too_old"] = 2
    forwarder.succeed({"out": before, "gone": SinkState()})
    await stock.add(b"one\n")
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(5):
        await forwarder.run(stop)
    state = forwarder.states["out"]
    assert (state.delivered_lines, state.refused["too_old"]) == (8, 2)
    assert forwarder.states["new"].delivered_lines == 1
