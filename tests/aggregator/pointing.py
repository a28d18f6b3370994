"""What tests of the metrics' way to their destinations start from: pods that count, a real journal, a forwarder with fake clocks."""

import asyncio
from dataclasses import dataclass, replace

import msgspec

from aggregator.core.opening import OpenLimits, open_snapshot
from aggregator.core.records import Debt
from aggregator.forwarder import Forwarder, Metrics
from aggregator.forwarder.desk import Desk
from aggregator.forwarder.health import Health
from aggregator.forwarder.opener import Opener
from aggregator.forwarder.points_work import PointsWork
from aggregator.forwarder.room import Room
from aggregator.forwarder.state import LaneState
from aggregator.journal import Custody, Journal, Share
from tests.aggregator.forwarding import Waits, pod_of, timing_of
from towline.wire.codec import compress, encode_request
from towline.wire.snapshot import Family, Sample, SnapshotRequest

NAME = "dd.metrics"
START_UNIX = 1_000_000.0


def opening(pod, request):
    return open_snapshot(pod, request, OpenLimits())


def desk_of(scene):
    timing = replace(timing_of(scene.waits), now_unix=lambda: scene.now_unix)
    return Desk(
        name=NAME,
        sink=scene.sink,
        journal=scene.journal,
        opener=Opener(0),
        room=Room(1 << 20),
        health=Health(scene.sink, 5.0, timing.clock),
        timing=timing,
        stop=asyncio.Event(),
    )


@dataclass
class PodTeller:
    """A pod that says what it is told to, in snapshots numbered as a collector numbers them."""

    name: str = "web-1"
    run: str = "r1"
    sequence: int = 0
    unix: float = START_UNIX

    @property
    def pod(self):
        return pod_of(self.name)

    def snapshot(self, values, *, gauges=(), goodbye=False, from_zero=False):
        """The next one. `values` and `gauges`: by series name."""
        self.sequence += 1
        self.unix += 15.0
        families = [
            Family(name=name, type="counter", help="", from_zero=from_zero, samples=(Sample({}, value),))
            for name, value in dict(values).items()
        ]
        families += [
            Family(name=name, type="gauge", help="", samples=(Sample({}, value),))
            for name, value in dict(gauges).items()
        ]
        return SnapshotRequest(
            journal="j",
            pod=msgspec.Raw(msgspec.msgpack.encode(self.pod)),
            run=self.run,
            sequence=self.sequence,
            taken_unix_ns=int(self.unix * 1e9),
            interval_seconds=15.0,
            families=tuple(families),
            goodbye=goodbye,
        )


class Scene:
    """One journal, one sink of metrics and its forwarder."""

    def __init__(self, folder, sink, share_bytes=1 << 24):
        self.folder, self.sink = folder, sink
        self.waits = Waits()
        self.now_unix = START_UNIX
        self._share_bytes = share_bytes
        self.journal = self._opened()
        self.work = self.desk = None
        self.lanes = {}

    def _opened(self):
        return Journal.open(self.folder / "journal.db", 1 << 26, {NAME: Share(NAME, self._share_bytes, "shed")})

    async def say(self, pod, request):
        raw = encode_request(request)
        owed = (Debt(NAME, self.sink.lane(pod)),)
        custody = Custody(
            codec="zstd",
            body=compress(raw),
            length=len(raw),
            owed=owed,
            taken_unix_ns=request.taken_unix_ns,
            goodbye=request.goodbye,
        )
        return await self.journal.snapshot(pod, request.run, request.sequence, custody)

    async def tell(self, teller, values, **more):
        return await self.say(teller.pod, teller.snapshot(values, **more))

    def forwarder(self, **timing):
        clocks = {"now_unix": lambda: self.now_unix, **timing}
        return Forwarder(
            self.journal, {}, replace(timing_of(self.waits), **clocks), Metrics({NAME: self.sink}, opening)
        )

    async def deliver_all(self, **timing):
        """Run as in a drain: until nothing is owed. The sink's state."""
        stop = asyncio.Event()
        stop.set()
        forwarder = self.forwarder(**timing)
        async with asyncio.timeout(20):
            await forwarder.run(stop)
        return forwarder.states[NAME]

    async def run_lanes(self):
        """Run every lane that has something to do, once, in a process that goes on: the lanes' names."""
        if self.work is None:
            self.desk = desk_of(self)
            self.work = PointsWork(self.desk, opening)
            await self.work.recall(await self.memo())
        lanes = list(self.work.lanes())
        for lane in lanes:
            assert await self.work.lane(self.lanes.setdefault(lane, LaneState(lane))).run()
        return lanes

    async def restart(self):
        await self.journal.close()
        self.journal, self.work = self._opened(), None

    async def memo(self):
        return await self.journal.memo(NAME)
