"""Between the event loop and the journal's two threads: operations go to the one that writes, looks to the one that reads, outcomes come back.

Room: aggregator journal. Never enters: what is written or read; SQL.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeVar

from aggregator.journal import opening
from aggregator.journal.board import Board
from aggregator.journal.books import Effects
from aggregator.journal.faults import FILE_ERRORS, is_damage
from aggregator.journal.reader import Reader
from aggregator.journal.reads import Reads
from aggregator.journal.store import Store
from aggregator.journal.words import DamageError, JournalDownError, JournalFullError
from aggregator.journal.writer import Operation, Outcome, Surroundings, Writer

T = TypeVar("T")

WAITING_BYTES = 32 << 20  # of bodies that wait for a slow disk: more would only be memory
RETRY_WAITING_SECONDS = 1.0


class Threads:
    """Both threads of one journal, over all the files it may have in its life. Tells `board` of each commit, and calls `on` at the points that tests name."""

    def __init__(self, store: Store, lock: opening.Lock, board: Board, on: Callable[[str], None]) -> None:
        self._board = board
        self._lock = lock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._down: JournalDownError | None = None
        self._went_down = asyncio.Event()
        self._closed = False
        self._waiting_bytes = 0
        self._reader = Reader(store.terms.path, store.space.wal_limit_bytes)
        self._writer = Writer(store, Surroundings(self._publish, self._replace, on, self._note_down))
        self._writer.start()

    @property
    def store(self) -> Store:
        """The file of now: another one after damage."""
        return self._writer.store

    async def write(self, run: Callable[[Store], T], weight: int = 0, journal: str = "", *, fsyncs: bool = True) -> T:
        """Run an operation in the next transaction; returns once that is committed. `weight`: bytes of bodies it brings.

        `journal`: the only journal_id it is meant for ("": any). Raises JournalFullError or JournalDownError, with nothing of it written.
        """
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

    async def look(self, look: Callable[[Reads], T]) -> T:
        """Read; what turns out to be damaged is set aside, and the same is asked of the next journal."""
        if self._closed:
            raise JournalDownError("journal: it is closed")
        journal = self.store.journal_id
        try:
            return await self._reader.read(look)
        except FILE_ERRORS as error:
            if not is_damage(error):
                raise JournalFullError(f"journal: {error}") from error
            found = error
        with contextlib.suppress(JournalFullError):  # somebody else found it first
            await self.write(partial(_report, found=found), journal=journal)
        return await self._reader.read(look)

    async def watch(self) -> None:
        """Wait for as long as the journal can go on; then raises JournalDownError."""
        self._loop = asyncio.get_running_loop()
        if self._down is None:
            await self._went_down.wait()
        if self._down is not None:
            raise self._down

    async def close(self) -> bool:
        """Finish what was handed in, end both threads and close the file; False where that was done before."""
        if self._closed:
            return False
        with contextlib.suppress(JournalFullError, JournalDownError):
            await self.write(Store.note_time)
        self._closed = True
        for stop in (self._writer.stop, self._reader.stop, self.store.close):
            await asyncio.to_thread(stop)
        return True

    def _publish(self, effects: Sequence[Effects], outcomes: Sequence[Outcome]) -> None:
        """From the writing thread: tell the loop."""
        self._call(partial(self._tell, effects, outcomes))

    def _tell(self, effects: Iterable[Effects], outcomes: Sequence[Outcome]) -> None:
        woken = self._board.apply(effects)
        counters = self._board.counters
        counters.commits += any(error is None for _, _, error in outcomes)
        for operation, result, error in outcomes:
            counters.refused_submissions += operation.grows and isinstance(error, JournalFullError)
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
        self._board.counters.journals_set_aside += 1

    def _note_down(self, error: JournalDownError) -> None:
        self._down = error
        self._call(self._went_down.set)

    def _call(self, callback: Callable[[], None]) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(callback)


def _report(_store: Store, found: BaseException) -> None:
    raise DamageError(str(found))
