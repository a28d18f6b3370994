"""The way of a pod's own metrics: sample on the interval, send, retry the same bytes, merge what comes meanwhile.

Room: collector shell. What is sent and when it is frozen is core/snapshot.py.
"""

import asyncio
import time
from collections.abc import Callable

import structlog

from collector.core.snapshot import Outcome, SnapshotQueue
from collector.link import Link, Wait
from collector.sources.pod_metrics import PodMetrics
from towline.plumbing.lifecycle import wait_until

GOODBYE_SECONDS = 2.0  # a drain gives the last snapshot this long
RETRY_SECONDS = 0.5  # while no journal is known, or another is there that is not yet believed in

_log = structlog.get_logger()


class Sampling:
    """One stage of the collector, with a connection of its own: a block that waits never delays a snapshot."""

    def __init__(
        self, metrics: PodMetrics, queue: SnapshotQueue, link: Link, journal: Callable[[], str], interval_seconds: float
    ) -> None:
        self._metrics, self.queue, self.link, self._journal = metrics, queue, link, journal
        self._interval_seconds = interval_seconds
        self.sent_snapshots = 0
        self.failed_requests = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Sample and send until `stop`, then send the last one with a goodbye."""
        due = time.monotonic()
        while not await wait_until(stop, max(0.0, due - time.monotonic())):
            due = max(due + self._interval_seconds, time.monotonic())
            await self._sample()
            delay = await self._send()
            while delay is not None and time.monotonic() + delay < due and not await wait_until(stop, delay):
                delay = await self._send()
        await self._sample()
        self.queue.say_goodbye()
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                delay = 0.0
                while not self.queue.is_empty and delay < GOODBYE_SECONDS:
                    await asyncio.sleep(delay)
                    delay = await self._send() or 0.0
        except TimeoutError:
            _log.info("last_snapshot_dropped")

    async def _sample(self) -> None:
        # On a worker thread: statvfs of a hanging network volume must not stop the loop.
        now_unix_ns = time.time_ns()
        self.queue.offer(await asyncio.to_thread(self._metrics.sample, now_unix_ns), now_unix_ns)

    async def _send(self) -> float | None:
        """Send what is frozen, or freeze what has gathered. Returns seconds to wait before the same again; None where it was answered."""
        journal = self._journal()
        if not journal:
            return RETRY_SECONDS  # nobody has answered yet: what is sampled meanwhile merges with this snapshot
        self.queue.join(journal)
        self.queue.use(self.link.identity())
        if self.queue.take() is None:
            return None
        answer = await self.link.snapshot(self.queue.body)
        if isinstance(answer, Wait):
            self.failed_requests += 1
            return answer.delay_seconds
        outcome = self.queue.answered(answer)
        self.sent_snapshots += outcome is Outcome.TAKEN
        return RETRY_SECONDS if outcome is Outcome.KEPT else None
