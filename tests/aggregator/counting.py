"""What tests of totals that are told start from: an aggregator that counts lines on a real journal, and starts again on it."""

import asyncio

from aggregator.forwarder import Forwarder, Metrics
from aggregator.journal import Journal, Share
from aggregator.own_snapshots import Clocks, OwnSnapshots
from tests.aggregator.forwarding import Waits, timing_of
from tests.aggregator.pointing import opening
from tests.aggregator.sinks.to_log_metrics import REQUESTS, lines_batch, sink_of
from tests.fakes.memory_metric_sink import MemoryMetricSink
from towline.wire.codec import decode_request, open_body
from towline.wire.snapshot import SnapshotRequest


class Telling:
    """One aggregator after another on one journal. `now`: of all clocks, in seconds."""

    def __init__(self, folder, *rules, sinks=None, **options):
        self.folder, self.rules, self.options = folder, rules or (REQUESTS,), options
        self.sinks = {"dd.metrics": MemoryMetricSink()} if sinks is None else sinks
        self.now = 1_000_000.0
        self._open()

    def _open(self):
        shares = {name: Share(name, 1 << 24, "shed") for name in ("counts", "dd.metrics", "new.metrics")}
        self.journal = Journal.open(self.folder / "journal.db", 1 << 26, shares)
        self.sink = sink_of(*self.rules, clock=lambda: self.now, **self.options)
        clocks = Clocks(wall_unix_ns=lambda: int(self.now * 1e9), monotonic=lambda: self.now)
        self.own = OwnSnapshots(self.journal, {"counts": self.sink}, self.sinks, clocks)

    async def restart(self):
        await self.journal.close()
        self._open()
        await self.sink.recall(await self.journal.memo("counts"))

    async def count(self, *lines, **more):
        batch = lines_batch(*lines, **more)
        receipt = await self.sink.send(batch, self.sink.encode(batch))
        await self.journal.settle((), (), receipt.memo, "counts")
        receipt.settled()

    async def tell(self):
        self.now += 15
        await self.own.tell("counts")

    async def deliver(self, **sinks):
        stop = asyncio.Event()
        stop.set()
        forwarder = Forwarder(self.journal, {}, timing_of(Waits()), Metrics(sinks or self.sinks, opening))
        async with asyncio.timeout(20):
            await forwarder.run(stop)

    async def said(self, name="dd.metrics"):
        """Every snapshot that is owed, and as whom."""
        blocks = []
        for lane, uids in self.journal.owing(name).items():
            for uid in list(uids):
                blocks += await self.journal.take(name, lane, uid, 0, 1 << 24)
        blocks.sort(key=lambda block: block.block_id)
        raws = [open_body(block.codec, block.body, block.end - block.start) for block in blocks]
        return [(block.pod, decode_request(raw, SnapshotRequest)) for block, raw in zip(blocks, raws, strict=True)]

    def totals(self, name="dd.metrics"):
        """What a destination has of all."""
        found = {}
        for (_, series), value in self.sinks[name].totals().items():
            found[series] = found.get(series, 0) + value
        return found
