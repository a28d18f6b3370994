"""The loop of the collector: look at the files, read what may be read, send it, follow the answer.

Room: collector shell. It holds no rule: files are judged by core/tail.py, streams by core/custody.py, moments by core/pace.py.
Files are read, compressed and fsynced on a worker thread, never on the event loop.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from collector.core.custody import Custody, Sent
from collector.core.pace import Pace
from collector.keeper import Keeper
from collector.link import Link, Wait
from collector.watcher import Watcher
from towline.plumbing.kill_points import kill_point
from towline.plumbing.lifecycle import wait_until
from towline.wire.block import BlocksAnswer, Code, FrameAnswer, MarksAnswer

MAX_BODY_BYTES = 8 << 20  # compressed bytes of one request
HELD_SECONDS = 60.0  # several journals behind one address: how long nothing is sent
HURRY_SECONDS = 3.0  # who leaves waits no longer than this for an answer: another peer may give one
TOO_LARGE = f"status_{int(Code.TOO_LARGE)}"
KEPT_OUT = "another collector of this pod to end"

_log = structlog.get_logger()
T = TypeVar("T")


@dataclass(slots=True)
class Progress:
    """What the loop has done, for health and metrics."""

    met: bool = False  # a journal's rows are known
    turned_at: float = 0.0  # the loop went round: liveness is this
    shipped_bytes: int = 0
    shipped_blocks: int = 0
    max_body_bytes: int = MAX_BODY_BYTES
    requests: Counter[str] = field(default_factory=Counter)
    waiting_for: str = "the first answer"  # "" while the aggregator takes what it is sent


class Shipper:
    """One per collector; drain.py ends what it began."""

    def __init__(self, custody: Custody, watcher: Watcher, link: Link, keeper: Keeper, pace: Pace) -> None:
        self.custody, self.watcher, self.link, self.keeper, self.pace = custody, watcher, link, keeper, pace
        self.clock = time.monotonic
        self.progress = Progress(turned_at=self.clock())
        self.hurried_at: float | None = None  # when we were told to leave
        self._long_asked = asyncio.Event()  # an answer is waited for, longer than a scan may wait
        self._patience: asyncio.Timeout | None = None
        self._kept_out_times = 0  # in a row; once is usual: another life of this pod spoke before we asked for the rows
        self._ends_backlog = False  # a backlog was read to its end, and what its large blocks needed is still held

    def hurry(self) -> None:
        """We are told to leave: a silent or leaving peer is left at once, copies before loss (rule 14)."""
        if self.hurried_at is None:
            self.hurried_at = self.clock()
        if self._patience is not None:
            self._patience.reschedule(asyncio.get_running_loop().time() + HURRY_SECONDS)
        self.link.draining = True
        self.watcher.nudge()

    async def run(self, stop: asyncio.Event) -> None:
        """Ship until `stop` is set."""
        while not stop.is_set() and not self.progress.met:
            await self.meet(stop)
        while not stop.is_set():
            await self._wait_for_something(stop)
            if not stop.is_set():
                await self.round()

    async def meet(self, stop: asyncio.Event) -> None:
        """Ask for the rows of this pod until they are known, and meanwhile keep hold of what may be rotated away."""
        delay = await self.meet_once()
        until = self.clock() + delay
        while not stop.is_set() and self.clock() < until:
            await wait_until(stop, min(self.pace.scan_seconds, until - self.clock()))
            self.progress.turned_at = self.clock()
            await self.watcher.hold()

    async def meet_once(self) -> float:
        """Ask for the rows once. Returns the seconds to wait before the next time; 0.0 where there was an answer."""
        self.progress.turned_at = self.clock()
        await self.watcher.hold()
        answer = await self._asked(self.link.marks())
        if isinstance(answer, MarksAnswer):
            await self._take_up(answer)
            return 0.0 if self.progress.met else HELD_SECONDS
        self._note_wait(answer)
        return answer.delay_seconds

    async def _wait_for_something(self, stop: asyncio.Event) -> None:
        """Return when it is time to look, or to ask. Between a change and the moment it may be sent, nothing wakes us again."""
        waiting = self.custody.waiting_bytes > 0
        while not stop.is_set():
            now = self.clock()
            wait = self.pace.next_look_at(changed=self.watcher.changed, waiting=waiting) - now
            pending = self.pace.may_send_at() - now
            if wait <= 0:
                return
            if self.watcher.changed or pending > 0:
                await self.watcher.wait(min(wait, pending) if pending > 0 else wait)
            else:
                await self.watcher.wait_for_change(wait)
                if self.watcher.changed:
                    return  # a look is due at once: there was time for a request before

    async def round(self, *, draining: bool = False) -> bool:
        """Look, read, send, follow. True if something was sent and answered."""
        now = self.progress.turned_at = self.clock()
        look = draining or self.watcher.changed or now >= self.pace.scanned_at + self.pace.scan_seconds
        send = draining or now >= self.pace.may_send_at()
        if look or send:
            more = await self.watcher.turn(self.custody, now, look=look, gather=send, hurry=draining)
            if send:
                if self.pace.more and not more:
                    self._ends_backlog = True
                self.pace.more = more
        if look:
            self.pace.scanned_at, self.pace.scan_seconds = now, self.watcher.scan_seconds
        if not send:
            return False
        sent = self.custody.request(self.progress.max_body_bytes)
        return await self.exchange(sent) if sent.frames or self._asks(draining=draining) else False

    def _asks(self, *, draining: bool) -> bool:
        """True if a request is due even though there is nothing to say."""
        waiting = self.custody.waiting_bytes > 0
        return (draining and waiting) or self.clock() >= self.pace.must_ask_at(waiting=waiting)

    async def exchange(self, sent: Sent, *, goodbye: bool = False) -> bool:
        """Send one request and follow its answer. True if it was answered as asked."""
        waited = self.custody.waiting_bytes
        answer = await self._asked(self.link.blocks(sent, goodbye=goodbye))
        if isinstance(answer, MarksAnswer):
            self.pace.answered(self.clock(), next_ms=answer.next_ms, moved=True)
            if answer.journal == sent.journal:
                # Another life of this collector spoke meanwhile: only who asks for the rows may write.
                self._note_kept_out()
                await self.meet_once()
            else:
                await self._take_up(answer)
            return False
        if isinstance(answer, Wait):
            self._note_wait(answer)
            if answer.reason == TOO_LARGE:
                self._send_less(sent)
            elif answer.answer is not None:
                self.custody.answered(sent, answer.answer)
            self.pace.failed(self.clock(), answer.delay_seconds)
            return False
        await self._follow(sent, answer, waited)
        return True

    async def _asked(self, asking: Coroutine[Any, Any, T]) -> T | Wait:
        """Wait for an answer. Who leaves does not wait for the silent."""
        asked_long = asyncio.get_running_loop().call_later(self.pace.scan_seconds, self._long_asked.set)
        patience = asyncio.timeout(None if self.hurried_at is None else HURRY_SECONDS)
        try:
            async with patience as self._patience:
                return await asking
        except TimeoutError:
            self.link.peers.silent(self.clock())
            return Wait(0.0, "no_answer", f"none within {HURRY_SECONDS:.0f} s, and we are leaving")
        finally:
            asked_long.cancel()
            self._long_asked.clear()
            self._patience = None

    async def keep_hold(self) -> None:
        """While an answer is waited for, open what might be unlinked before it comes. Runs beside `run`, until cancelled."""
        while True:
            await self._long_asked.wait()
            self.progress.turned_at = self.clock()
            await self.watcher.hold()
            await asyncio.sleep(self.pace.scan_seconds)

    def _send_less(self, sent: Sent) -> None:
        """413 for a whole request: fewer frames in the next one, and where there was one only, a smaller one."""
        if len(sent.frames) > 1:
            self.progress.max_body_bytes = max(1, min(self.progress.max_body_bytes, sent.weight_bytes) // 2)
            return
        words = tuple(FrameAnswer(stream=frame.stream, code=Code.TOO_LARGE) for frame in sent.frames)
        self.custody.answered(sent, BlocksAnswer(journal=sent.journal, frames=words))

    async def _follow(self, sent: Sent, answer: BlocksAnswer, waited: int) -> None:
        self.progress.requests["answered"] += 1
        self.progress.max_body_bytes = min(MAX_BODY_BYTES, self.progress.max_body_bytes * 2)
        for frame, word in zip(sent.frames, answer.frames, strict=False):
            if word.code == Code.STORED and frame.body:
                self.progress.shipped_bytes += frame.end - frame.start
                self.progress.shipped_blocks += 1
            elif word.code != Code.STORED:
                _log.info("frame_refused", code=word.code, file_id=word.stream, offset=frame.start, error=word.error)
        self.custody.answered(sent, answer)
        self._kept_out_times = 0
        if self.progress.waiting_for == KEPT_OUT:
            _log.warning("collector_let_in", peer=self.link.peers.current)
        elif self.progress.waiting_for:
            _log.info("aggregator_answered", peer=self.link.peers.current)
        self.progress.waiting_for = ""
        moved = bool(answer.delivered) or self.custody.waiting_bytes != waited
        self.pace.answered(self.clock(), next_ms=answer.next_ms, moved=moved)
        if self._ends_backlog and not self.custody.unsent_bytes:
            self._ends_backlog = False
            await self.watcher.give_back()
        await self.keeper.save_if_due(self.custody, self.link.peers.current, self.clock())

    async def _take_up(self, marks: MarksAnswer) -> None:
        """A journal told its rows: go on from there. What changes is on disk before its first frame."""
        meeting = self.custody.meet(marks, self.clock())
        if meeting.held:
            _log.error("journal_held", reason="several journals behind one address", peer=self.link.peers.current)
            self.progress.waiting_for = "several journals behind one address"
            self.pace.failed(self.clock(), HELD_SECONDS)
            return
        self.watcher.begin(marks.rows)
        if meeting.changed:
            _log.warning("journal_changed", copies_possible_bytes=meeting.given_up_bytes, peer=self.link.peers.current)
        elif not self.progress.met:
            _log.info("journal_met", streams=len(marks.rows), peer=self.link.peers.current)
        self.progress.met = True
        await self.keeper.save(self.custody, self.link.peers.current, self.clock())
        kill_point("collector.met")

    def _note_kept_out(self) -> None:
        """Two collectors on one pod: the newer one writes, this one asks again and again until that one is gone. Said once."""
        self.progress.requests["kept_out"] += 1
        self._kept_out_times += 1
        if self._kept_out_times > 1 and self.progress.waiting_for != KEPT_OUT:
            self.progress.waiting_for = KEPT_OUT
            _log.warning(
                "collector_kept_out", reason="another collector of this pod writes", peer=self.link.peers.current
            )

    def _note_wait(self, wait: Wait) -> None:
        self.progress.requests[wait.reason] += 1
        if self.progress.waiting_for != wait.reason:
            level = _log.error if wait.reason in ("status_401", "status_403", "status_426") else _log.warning
            level(
                "aggregator_waited_for",
                reason=wait.reason,
                error=wait.error,
                delay_seconds=round(wait.delay_seconds, 3),
            )
            self.progress.waiting_for = wait.reason
