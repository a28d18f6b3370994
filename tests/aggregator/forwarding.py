"""What tests of the forwarder start from: a journal in memory with blocks in it, and a clock that only tests move."""

import asyncio
import contextlib
from itertools import count

from aggregator.core.records import Debt
from aggregator.forwarder import NO_PLANS, Forwarder, Timing
from aggregator.journal.words import Submission
from tests.fakes.memory_journal import MemoryJournal
from towline.wire.block import Frame
from towline.wire.codec import checksum_of, compress
from towline.wire.identity import Origin, Pod


class Waits:
    """Stands in for the pause between attempts: records how long, and lets the loop go on. `limit` waits, then it blocks."""

    def __init__(self, limit=200):
        self.seconds = []
        self.limit = limit
        self.exhausted = asyncio.Event()
        self.now = 100.0

    @property
    def clock(self):
        """A clock that is never the same twice, as real ones are."""
        self.now += 1e-6
        return self.now

    async def __call__(self, stop, seconds):
        self.seconds.append(seconds)
        self.now += seconds
        if len(self.seconds) >= self.limit:
            self.exhausted.set()
            await asyncio.Event().wait()
        await asyncio.sleep(0)


def timing_of(waits, **changes):
    clocks = {"clock": lambda: waits.clock, "now_unix": lambda: 1000.0, "reunion_seconds": 0.0}
    return Timing(pause=waits, jitter=lambda: 0.5, **(clocks | changes))


def pod_of(name="web-1"):
    return Pod(namespace="shop", name=name, uid=f"uid-{name}")


def frame_of(raw, start=0, stream="s", origin=None, **changes):
    body = compress(raw)
    return Frame(
        stream=stream,
        start=start,
        end=start + len(raw),
        body=body,
        checksum=checksum_of(body),
        read_unix_ns=5,
        origin=origin or Origin(path="/var/log/app/a.log"),
        **changes,
    )


class Stock:
    """Fills a journal, one stream per (pod, path)."""

    def __init__(self, sinks, journal=None):
        self.journal = journal or MemoryJournal()
        self.sinks = sinks
        self._ends = {}
        self._streams = {}
        self._numbers = count()

    async def add(self, raw, pod="web-1", path="/var/log/app/a.log", **changes):
        pod, origin = pod_of(pod), Origin(path=path)
        stream = self._streams.setdefault((pod.uid, path), f"s{next(self._numbers)}")
        start = self._ends.get(stream, 0)
        frame = frame_of(raw, start, stream, origin, **changes)
        self._ends[stream] = frame.end
        debts = [Debt(name, sink.lane(pod, origin)) for name, sink in self.sinks.items()]
        await self.journal.append(
            Submission(pod=pod, run="r", since=0, goodbye=False, frames=[(frame, debts)], journal="")
        )

    @property
    def owes(self):
        return any(self.journal.owing(name) for name in self.sinks)


@contextlib.asynccontextmanager
async def forwarding(stock, waits=None, plans=NO_PLANS, **timing):
    """A forwarder at work; what it still owes when the block is left stays owed."""
    waits = waits or Waits()
    forwarder = Forwarder(stock.journal, stock.sinks, timing_of(waits, **timing), plans=plans)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(forwarder.run(asyncio.Event()))
        try:
            yield forwarder
        finally:
            task.cancel()


async def deliver_all(stock, waits=None, plans=NO_PLANS, **timing):
    """Run a forwarder as in a drain: until nothing is owed. The forwarder, for its states."""
    stop = asyncio.Event()
    stop.set()
    forwarder = Forwarder(stock.journal, stock.sinks, timing_of(waits or Waits(), **timing), plans=plans)
    async with asyncio.timeout(20):
        await forwarder.run(stop)
    return forwarder
