"""The way of a pod's metrics: gather on the interval, send, retry the same bytes, merge what comes meanwhile.

Room: collector shell. What is sent and when it is frozen is core/snapshot.py; who has something to say is passed in.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, NamedTuple

import structlog

from collector.core.gathered import Gathered
from collector.core.snapshot import Outcome, SnapshotQueue
from collector.link import Link, Wait
from towline.plumbing.lifecycle import wait_until

GOODBYE_SECONDS = 2.0  # a drain gives the last snapshot this long
LAST_GATHER_SECONDS = 0.5  # of which an app that answers no more may take this long
RETRY_SECONDS = 0.5  # while no journal is known, or another is there that is not yet believed in

Source = Callable[[int, bool], Coroutine[Any, Any, Gathered]]  # (now_unix_ns, whether what was gathered last is frozen)
Asking = Callable[
    [int, bool, float], Coroutine[Any, Any, Gathered]
]  # the same, and for how many seconds others are waited for


class Sources(NamedTuple):
    """Who has something to say. `handing_over`: what they say is gone from them, so they are always heard out; `asking` others are told how long these may take."""

    handing_over: Sequence[Source]
    asking: Sequence[Asking] = ()


_log = structlog.get_logger()


class Sampling:
    """One stage of the collector, with a connection of its own: a block that waits never delays a snapshot."""

    def __init__(
        self,
        sources: Sources,
        queue: SnapshotQueue,
        link: Link,
        journal: Callable[[], str],
        interval_seconds: float,
    ) -> None:
        self._sources, self.queue, self.link, self._journal = sources, queue, link, journal
        self._interval_seconds = interval_seconds
        self.sent_snapshots = 0
        self.failed_requests = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Gather and send until `stop`. What is on its way or waits then stays in the queue."""
        due = time.monotonic()
        while not await wait_until(stop, max(0.0, due - time.monotonic())):
            due = max(due + self._interval_seconds, time.monotonic())
            await self._gather(self._interval_seconds)
            delay = await self._send()
            while delay is not None and time.monotonic() + delay < due and not await wait_until(stop, delay):
                delay = await self._send()

    async def farewell(self) -> None:
        """Send the last snapshot, with what the incomplete interval holds, and a goodbye."""
        await self._gather(LAST_GATHER_SECONDS)
        self.queue.say_goodbye()
        try:
            async with asyncio.timeout(GOODBYE_SECONDS):
                delay = 0.0
                while not self.queue.is_empty and delay < GOODBYE_SECONDS:
                    await asyncio.sleep(delay)
                    delay = await self._send() or 0.0
        except TimeoutError:
            _log.info("last_snapshot_dropped")

    async def _gather(self, patience_seconds: float) -> None:
        """Ask every source at once. Whoever asks others gives up those that take longer than this, each by itself: it costs the rest nothing."""
        now_unix_ns, is_fresh = time.time_ns(), self.queue.is_fresh
        self.queue.make_room()
        async with asyncio.TaskGroup() as group:
            heard = [group.create_task(source(now_unix_ns, is_fresh)) for source in self._sources.handing_over]
            asked = [
                group.create_task(source(now_unix_ns, is_fresh, patience_seconds)) for source in self._sources.asking
            ]
        for answer in (*heard, *asked):
            self.queue.offer(answer.result(), now_unix_ns)

    async def _send(self) -> float | None:
        """Send what is frozen, or freeze what has gathered. Returns seconds to wait before the same again; None where it was answered."""
        journal = self._journal()
        if not journal:
            return RETRY_SECONDS  # nobody has answered yet: what is sampled meanwhile merges with this snapshot
        self.queue.join(journal)
        self.queue.use(self.link.identity())
        if not self.queue.freeze():
            return None
        answer = await self.link.snapshot(self.queue.body)
        if isinstance(answer, Wait):
            self.failed_requests += 1
            return answer.delay_seconds
        outcome = self.queue.answered(answer)
        self.sent_snapshots += outcome is Outcome.TAKEN
        return RETRY_SECONDS if outcome is Outcome.KEPT else None
