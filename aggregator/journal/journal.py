"""The journal: custody of every block between the collector and its destinations (docs/design/journal.md).

Room: aggregator, the shell. Never enters: SQL; decisions; threads (threads.py hands operations to the one that writes, and looks to the one that reads).
"""

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path

from aggregator.core.records import OwedBlock
from aggregator.journal import opening
from aggregator.journal.append import append, weight_bytes
from aggregator.journal.board import Board
from aggregator.journal.damage import drop_aside
from aggregator.journal.salvage import STEP_BYTES, Salvage, is_due, salvage
from aggregator.journal.settle import settle
from aggregator.journal.shed import release_sink
from aggregator.journal.snapshots import note_snapshot, snapshot_weight_bytes
from aggregator.journal.status import status_of
from aggregator.journal.store import Store, Terms
from aggregator.journal.sweep import find_due, sweep
from aggregator.journal.threads import Threads
from aggregator.journal.words import (
    NO_CUSTODY,
    Appended,
    Counters,
    Custody,
    DeadLetter,
    GapRecord,
    JournalFullError,
    JournalStatus,
    KeptLetter,
    Settlement,
    Share,
    StreamStatus,
    Submission,
)
from towline.plumbing.kill_points import kill_point
from towline.wire.block import Delivered, MarksAnswer
from towline.wire.identity import Pod

KEEP_SECONDS = 7 * 86_400.0
RELEASE_BLOCKS = 500  # in one transaction


class Journal:
    """One file, one writing thread, one reading thread. Every method is for the event loop; `on` is called at the points that tests name."""

    def __init__(self, store: Store, lock: opening.Lock) -> None:
        self.on: Callable[[str], None] = kill_point
        self._board = Board()
        self._board.reset(store.heads)
        self._lock = lock
        self._threads = Threads(store, lock, self._board, self._reach)

    @classmethod
    def open(
        cls,
        path: Path,
        max_bytes: int,
        shares: Mapping[str, Share],
        clock: Callable[[], float] = time.monotonic,
        keep_seconds: float = KEEP_SECONDS,
    ) -> "Journal":
        """Open the journal at `path`, or begin one. `shares` by sink; rows of pods not heard for `keep_seconds` may go.

        Raises ConfigError (also where another process holds it), or JournalDownError where it is damaged a second time.
        """
        terms = Terms(
            path=path.absolute(), max_bytes=max_bytes, keep_seconds=keep_seconds, clock=clock, wall_unix_ns=time.time_ns
        )
        lock = opening.take_lock(terms.path)
        try:
            return cls(opening.open_store(terms, shares, ours=lock.was_there), lock)
        except BaseException:
            lock.release()
            raise

    @property
    def journal_id(self) -> str:
        """Names this journal for its life: another one begins only where this one is lost."""
        return self._store.journal_id

    @property
    def counters(self) -> Counters:
        """What was done since the start."""
        return self._board.counters

    @property
    def _store(self) -> Store:
        return self._threads.store

    async def append(self, submission: Submission) -> Appended:
        """Store a submission; returns after the fsync. Raises JournalFullError or JournalDownError, with nothing of it stored."""
        weight = weight_bytes(submission)
        journal = submission.journal or self.journal_id
        return await self._threads.write(partial(append, submission=submission), weight, journal)

    async def settle(
        self,
        settlements: Sequence[Settlement],
        dead: Sequence[DeadLetter] = (),
        memo: Mapping[str, str] = {},
        sink: str = "",
    ) -> None:
        """Write what a destination answered, in one transaction; `memo` is `sink`'s own state. Blocks that are not owed any more are passed over.

        Survives the process at once; a power cut only once something is fsynced after it, and brings copies then.
        Raises JournalFullError only where even the reserve is used up (settle the same again), or JournalDownError.
        """
        await self._threads.write(
            partial(settle, settlements=settlements, dead=dead, memo=(sink, memo)), fsyncs=bool(dead)
        )

    async def snapshot(self, pod: Pod, run: str, sequence: int, custody: Custody = NO_CUSTODY) -> tuple[int, bool]:
        """Compare and note a snapshot's name, and keep it for whom it is owed to: the newest sequence of that run, and whether this one is new.

        Raises JournalFullError, with nothing of it noted, where a sink that holds is owed it.
        """
        note = partial(note_snapshot, pod=pod, run=run, sequence=sequence, custody=custody)
        return await self._threads.write(note, snapshot_weight_bytes(custody))

    async def release(self, sink: str) -> int:
        """Release everything owed to a sink that is configured no more, counted as gaps; how many blocks."""
        released = 0
        while True:
            step = await self._threads.write(partial(release_sink, sink=sink, max_blocks=RELEASE_BLOCKS))
            released += step
            if step < RELEASE_BLOCKS:
                return released

    def change_shares(self, shares: Mapping[str, Share]) -> None:
        """From here on these sinks are known, with these shares. What others are owed stays until it is released."""
        self._store.shares = shares

    def strangers(self) -> list[str]:
        """Sinks that are owed something and have no share: removed from the configuration."""
        return [sink for sink in self._board.sinks() if sink not in self._store.shares]

    async def marks(self, pod_uid: str) -> MarksAnswer:
        """All rows of a pod, and when it was last heard."""
        now, unix_ns, journal = self._store.running_seconds(), time.time_ns(), self.journal_id
        rows, until, ago = await self._threads.look(lambda reads: reads.marks(pod_uid, now, unix_ns))
        return MarksAnswer(journal=journal, rows=rows, until=until, heard_seconds_ago=ago)

    async def moved(self, pod_uid: str, since: int) -> tuple[Sequence[Delivered], int]:
        """The pod's rows whose `delivered` moved after `since`, and the `until` to say next time."""
        return await self._threads.look(lambda reads: reads.moved(pod_uid, since))

    async def memo(self, sink: str) -> dict[str, str]:
        """What a sink's last receipts wrote."""
        return await self._threads.look(lambda reads: reads.memo(sink))

    async def take(self, sink: str, lane: str, pod_uid: str, after_block_id: int, max_bytes: int) -> list[OwedBlock]:
        """The oldest blocks owed after `after_block_id` (0: from the first), at least one if there is any, up to `max_bytes` of bodies."""
        queue = self._board.queue(sink, lane, pod_uid)
        if queue is None:
            return []
        return await self._threads.look(lambda reads: reads.take(queue, after_block_id, max_bytes))

    async def measuring(self, seconds: float) -> list[str]:
        """Uids of the pods that sent a snapshot in the last `seconds` that this journal was running, and no goodbye."""
        since = self._store.running_seconds() - seconds
        return await self._threads.look(lambda reads: reads.measured_since(since))

    async def streams(self, pod_uid: str | None = None) -> list[StreamStatus]:
        """Every row, of one pod or of all."""
        now = self._store.running_seconds()
        return await self._threads.look(lambda reads: reads.streams(pod_uid, now))

    async def dead_letters(self, sink: str, after: int = 0, limit: int = 100) -> list[KeptLetter]:
        """What a sink refused for good, oldest first, after the letter of that number."""
        return await self._threads.look(lambda reads: reads.letters(sink, after, limit))

    async def gap_records(self, limit: int = 100) -> list[GapRecord]:
        """The newest gap records."""
        return await self._threads.look(lambda reads: reads.gaps(limit))

    def owing(self, sink: str) -> Mapping[str, Collection[str]]:
        """Lane -> uids of pods with something owed; live: copy it before an await."""
        return self._board.owing(sink)

    def subscribe(self, sink: str, wake: Callable[[], None]) -> None:
        """Have `wake` called on the event loop after each commit that owes `sink` something new."""
        self._board.subscribe(sink, wake)

    def status(self) -> JournalStatus:
        """How the journal stands, from memory."""
        return status_of(self._store, self._board)

    async def sweep(self) -> None:
        """What is due once a minute: rows that may go, the reserve, a set-aside file. Raises JournalDownError once the journal cannot go on."""
        store = self._store
        now, keep = store.running_seconds(), store.terms.keep_seconds
        due = await self._threads.look(lambda reads: find_due(reads.db, now, keep))
        await self._threads.write(partial(sweep, due=due))
        await self._salvage()

    async def _salvage(self) -> None:
        while is_due(self._store):
            try:
                step = await self._threads.write(salvage, weight=STEP_BYTES)
            except JournalFullError:
                return
            if step is Salvage.DONE:
                await asyncio.to_thread(drop_aside, self._store.terms.path)
            if step is Salvage.WAIT:
                return

    async def watch(self) -> None:
        """Wait for as long as the journal can go on; then raises JournalDownError (exit code 4). A stage for the app's TaskGroup."""
        await self._threads.watch()

    async def close(self) -> None:
        """Finish what was handed in, and let go of the file."""
        if await self._threads.close():
            self._lock.release()

    def _reach(self, point: str) -> None:
        self.on(point)
