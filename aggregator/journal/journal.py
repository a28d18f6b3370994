"""The journal: custody of every block between the collector and its destinations (docs/design/journal.md).

Room: aggregator, the shell. Never enters: SQL; decisions. It hands operations to the writing thread and looks to the reading one.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from aggregator.core.records import OwedBlock
from aggregator.journal import opening
from aggregator.journal.append import append, weight_bytes
from aggregator.journal.board import Board
from aggregator.journal.books import Effects
from aggregator.journal.damage import drop_aside
from aggregator.journal.faults import FILE_ERRORS, is_damage
from aggregator.journal.reader import Reader
from aggregator.journal.reads import Reads
from aggregator.journal.salvage import STEP_BYTES, Salvage, is_due, salvage
from aggregator.journal.settle import settle
from aggregator.journal.shed import release_sink
from aggregator.journal.snapshots import note_snapshot
from aggregator.journal.status import status_of
from aggregator.journal.store import Store, Terms
from aggregator.journal.sweep import find_due, sweep
from aggregator.journal.words import (
    Appended,
    Counters,
    DamageError,
    DeadLetter,
    GapRecord,
    JournalDownError,
    JournalFullError,
    JournalStatus,
    KeptLetter,
    Settlement,
    Share,
    StreamStatus,
    Submission,
)
from aggregator.journal.writer import Operation, Outcome, Surroundings, Writer
from towline.plumbing.kill_points import kill_point
from towline.wire.block import Delivered, MarksAnswer
from towline.wire.identity import Pod

T = TypeVar("T")

KEEP_SECONDS = 7 * 86_400.0
RELEASE_BLOCKS = 500  # in one transaction
WAITING_BYTES = 32 << 20  # of bodies that wait for a slow disk: more would only be memory
RETRY_WAITING_SECONDS = 1.0


class Journal:
    """One file, one writing thread, one reading thread. Every method is for the event loop; `on` is called at the points that tests name."""

    def __init__(self, store: Store, lock: opening.Lock) -> None:
        self.on: Callable[[str], None] = kill_point
        self._board = Board()
        self._board.reset(store.heads)
        self._lock = lock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._down: JournalDownError | None = None
        self._went_down = asyncio.Event()
        self._closed = False
        self._waiting_bytes = 0
        self._reader = Reader(store.terms.path, store.space.wal_limit_bytes)
        around = Surroundings(self._publish, self._replace, self._reach, self._note_down)
        self._writer = Writer(store, around)
        self._writer.start()

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
        return self._writer.store

    async def append(self, submission: Submission) -> Appended:
        """Store a submission; returns after the fsync. Raises JournalFullError or JournalDownError, with nothing of it stored."""
        weight = weight_bytes(submission)
        journal = submission.journal or self.journal_id
        return await self._write(partial(append, submission=submission), weight, journal)

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
        await self._write(partial(settle, settlements=settlements, dead=dead, memo=(sink, memo)), fsyncs=bool(dead))

    async def snapshot(self, pod: Pod, run: str, sequence: int) -> tuple[int, bool]:
        """Compare and note a snapshot's name: the newest sequence of that run, and whether this one is new."""
        return await self._write(partial(note_snapshot, pod=pod, run=run, sequence=sequence))

    async def release(self, sink: str) -> int:
        """Release everything owed to a sink that is configured no more, counted as gaps; how many blocks."""
        released = 0
        while True:
            step = await self._write(partial(release_sink, sink=sink, max_blocks=RELEASE_BLOCKS))
            released += step
            if step < RELEASE_BLOCKS:
                return released

    def strangers(self) -> list[str]:
        """Sinks that are owed something and have no share: removed from the configuration."""
        return [sink for sink in self._board.sinks() if sink not in self._store.shares]

    async def marks(self, pod_uid: str) -> MarksAnswer:
        """All rows of a pod, and when it was last heard."""
        now, unix_ns, journal = self._store.running_seconds(), time.time_ns(), self.journal_id
        rows, until, ago = await self._look(lambda reads: reads.marks(pod_uid, now, unix_ns))
        return MarksAnswer(journal=journal, rows=rows, until=until, heard_seconds_ago=ago)

    async def moved(self, pod_uid: str, since: int) -> tuple[Sequence[Delivered], int]:
        """The pod's rows whose `delivered` moved after `since`, and the `until` to say next time."""
        return await self._look(lambda reads: reads.moved(pod_uid, since))

    async def memo(self, sink: str) -> dict[str, str]:
        """What a sink's last receipts wrote."""
        return await self._look(lambda reads: reads.memo(sink))

    async def take(self, sink: str, lane: str, pod_uid: str, after_block_id: int, max_bytes: int) -> list[OwedBlock]:
        """The oldest blocks owed after `after_block_id` (0: from the first), at least one if there is any, up to `max_bytes` of bodies."""
        queue = self._board.queue(sink, lane, pod_uid)
        if queue is None:
            return []
        return await self._look(lambda reads: reads.take(queue, after_block_id, max_bytes))

    async def streams(self, pod_uid: str | None = None) -> list[StreamStatus]:
        """Every row, of one pod or of all."""
        now = self._store.running_seconds()
        return await self._look(lambda reads: reads.streams(pod_uid, now))

    async def dead_letters(self, sink: str, after: int = 0, limit: int = 100) -> list[KeptLetter]:
        """What a sink refused for good, oldest first, after the letter of that number."""
        return await self._look(lambda reads: reads.letters(sink, after, limit))

    async def gap_records(self, limit: int = 100) -> list[GapRecord]:
        """The newest gap records."""
        return await self._look(lambda reads: reads.gaps(limit))

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
        due = await self._look(lambda reads: find_due(reads.db, now, keep))
        await self._write(partial(sweep, due=due))
        await self._salvage()

    async def _salvage(self) -> None:
        while is_due(self._store):
            try:
                step = await self._write(salvage, weight=STEP_BYTES)
            except JournalFullError:
                return
            if step is Salvage.DONE:
                await asyncio.to_thread(drop_aside, self._store.terms.path)
            if step is Salvage.WAIT:
                return

    async def watch(self) -> None:
        """Wait for as long as the journal can go on; then raises JournalDownError (exit code 4). A stage for the app's TaskGroup."""
        self._loop = asyncio.get_running_loop()
        if self._down is None:
            await self._went_down.wait()
        if self._down is not None:
            raise self._down

    async def close(self) -> None:
        """Finish what was handed in, and let go of the file."""
        if self._closed:
            return
        with contextlib.suppress(JournalFullError, JournalDownError):
            await self._write(Store.note_time)
        self._closed = True
        for stop in (self._writer.stop, self._reader.stop, self._store.close):
            await asyncio.to_thread(stop)
        self._lock.release()

    async def _write(self, run: Callable[[Store], T], weight: int = 0, journal: str = "", *, fsyncs: bool = True) -> T:
        if self._closed:
            raise JournalDownError("journal: it is closed")
        if self._waiting_bytes + weight > WAITING_BYTES and self._waiting_bytes:
            raise JournalFullError("journal: too much waits to be written", RETRY_WAITING_SECONDS)
        self._waiting_bytes += weight
        self._loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = self._loop.create_future()

        def resolve(result: Any, error: BaseException | None) -> None:
            self._waiting_bytes -= weight
            if future.done():  # the caller was cancelled; what it asked for stands
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self._writer.submit(Operation(run, resolve, weight > 0, weight, journal, fsyncs))
        return await future

    async def _look(self, look: Callable[[Reads], T]) -> T:
        """Read; what turns out to be damaged is set aside, and the same is asked of the next journal."""
        if self._closed:
            raise JournalDownError("journal: it is closed")
        journal = self.journal_id
        try:
            return await self._reader.read(look)
        except FILE_ERRORS as error:
            if not is_damage(error):
                raise JournalFullError(f"journal: {error}") from error
            found = error
        with contextlib.suppress(JournalFullError):  # somebody else found it first
            await self._write(partial(_report, found=found), journal=journal)
        return await self._reader.read(look)

    def _reach(self, point: str) -> None:
        self.on(point)

    def _publish(self, effects: Sequence[Effects], outcomes: Sequence[Outcome]) -> None:
        """From the writing thread: tell the loop."""
        self._call(partial(self._tell, effects, outcomes))

    def _tell(self, effects: Iterable[Effects], outcomes: Sequence[Outcome]) -> None:
        woken = self._board.apply(effects)
        self.counters.commits += any(error is None for _, _, error in outcomes)
        for operation, result, error in outcomes:
            self.counters.refused_submissions += operation.grows and isinstance(error, JournalFullError)
            operation.resolve(result, error)
        self._board.wake(woken)

    def _replace(self, old: Store, _why: str) -> Store:
        """From the writing thread: set the file aside, begin another journal, tell the loop that nothing is owed any more."""
        with self._reader.kept_out():
            store = opening.replace_store(old, self._lock)
        self._call(self._begin_anew)
        return store

    def _begin_anew(self) -> None:
        self._board.reset([])
        self.counters.journals_set_aside += 1

    def _note_down(self, error: JournalDownError) -> None:
        self._down = error
        self._call(self._went_down.set)

    def _call(self, callback: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(callback)


def _report(_store: Store, found: BaseException) -> None:
    raise DamageError(str(found))
