"""One open journal file: its writing connection, its books, and transactions in which one failing operation never fails another.

Room: aggregator journal. Never enters: threads (one at a time calls this); what the operations do.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aggregator.journal.books import Effects, Queue, load_books, save_books
from aggregator.journal.faults import is_full
from aggregator.journal.names import Names
from aggregator.journal.schema import begin_journal, check_version, connect
from aggregator.journal.space import Space, size_of
from aggregator.journal.words import DamageError, Share

T = TypeVar("T")

CHECKPOINT_BYTES = 4 << 20  # of WAL
CHANGE_BYTES = 1024  # that a changed row puts into the WAL on average: many share a page
COMMIT_BYTES = 64 << 10  # that a small transaction puts there: a page of each table and index
LOST_CHANGES = (
    1 << 20
)  # of `delivered`, at most: what a power cut can take back (docs/adr/0004-settling-without-fsync.md)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration and the surroundings say."""

    path: Path
    max_bytes: int
    keep_seconds: float  # rows of pods not heard for so long may go
    clock: Callable[[], float]
    wall_unix_ns: Callable[[], int]


class Store:
    """What an operation works with: `db`, `books`, `names`, `effects`, `now` (running seconds) and `unix_ns`."""

    def __init__(self, terms: Terms, shares: Mapping[str, Share], space: Space) -> None:
        self.terms, self.space = terms, space
        self.shares = shares
        self.db = connect(terms.path, space.wal_limit_bytes)
        try:
            is_new = not check_version(self.db, terms.path)
            if is_new:
                begin_journal(self.db)
            self._checkpoint_at_start()
            self.journal_id: str = self.db.execute("SELECT value FROM meta WHERE key='journal_id'").fetchone()[0]
            self.books = load_books(self.db)
            self._check_numbers()
            if not is_new:  # no number that collectors were told is ever given to another move
                self.books.change += LOST_CHANGES
        except BaseException:
            self.db.close()
            raise
        self.names = Names(self.db)
        self.heads: list[tuple[Queue, int]] = []  # of every queue that owed something at the opening
        self.effects = Effects()
        self.pending: list[Effects] = []
        self.room_bytes = 0
        self.unix_ns = terms.wall_unix_ns()
        self._opened = terms.clock() - self.books.running_seconds
        self.committed = self.books
        self.now = self.books.running_seconds
        self._time_is_due = True
        self._fsyncs = True
        self._wal_bytes = self._changes = 0
        space.begin_watch()
        space.measure(self.db)

    def _checkpoint_at_start(self) -> None:
        try:
            self.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.Error as error:
            if not is_full(error):  # on a full volume it can wait
                raise

    def _check_numbers(self) -> None:
        """Raise DamageError if there is a block that was never given its number: the next one would overwrite, or overflow."""
        for table, column in (("blocks", "id"), ("entries", "block_id")):
            (newest,) = self.db.execute(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone()  # noqa: S608 - constants
            if newest >= self.books.next_block:
                raise DamageError(f"{table}: block {newest} was never written")

    def running_seconds(self) -> float:
        """How long aggregators have run on this journal, this one included."""
        return self.terms.clock() - self._opened

    def note_time(self) -> None:
        """Have the next commit write down how long we have run."""
        self._time_is_due = True

    def begin(self, *, grows: bool, fsyncs: bool = True) -> None:
        """Open a transaction. `grows`: some operation brings bodies, so see how much room there is. `fsyncs`: its commit outlives a power cut."""
        self.space.check_files()
        if fsyncs != self._fsyncs:
            self._fsyncs = fsyncs
            self.db.execute(f"PRAGMA synchronous={'FULL' if fsyncs else 'NORMAL'}")
        self.now, self.unix_ns = self.running_seconds(), self.terms.wall_unix_ns()
        self.committed, self.pending = self.books, []
        if grows:
            self.room_bytes = self._room_bytes()
        self.db.execute("BEGIN IMMEDIATE")

    def attempt(self, operation: Callable[["Store"], T]) -> T:
        """Run one operation of the open transaction; if it raises, nothing of it stays."""
        kept, room, self.effects = self.books, self.room_bytes, Effects()
        self.books = kept.copy()
        self.db.execute("SAVEPOINT operation")
        try:
            result = operation(self)
        except BaseException:
            self.books, self.room_bytes = kept, room
            self.names.forget()
            if self.db.in_transaction:  # some errors make SQLite undo all of it by itself
                self.db.execute("ROLLBACK TO operation")
                self.db.execute("RELEASE operation")
            raise
        self.db.execute("RELEASE operation")
        self.pending.append(self.effects)
        return result

    def commit(self) -> list[Effects]:
        """Make it durable; what others are to learn comes back."""
        if self._time_is_due or not self.books.same_as(self.committed):
            self._time_is_due = False
            self.books.running_seconds = self.now
            save_books(self.db, self.books)
        self.db.execute("COMMIT")
        self.committed = self.books
        self._count_wal()
        return self.pending

    def _count_wal(self) -> None:
        """Estimate what went into the WAL: its size does not tell, it is written over from its start."""
        changes, self._changes = self.db.total_changes - self._changes, self.db.total_changes
        bodies = sum(effects.counts["appended_bytes"] for effects in self.pending)
        self._wal_bytes += bodies + changes * CHANGE_BYTES + COMMIT_BYTES * bool(changes)

    def rollback(self) -> None:
        """Undo the whole transaction, however it stands."""
        self.books = self.committed
        self.names.forget()
        if self.db.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # what cannot even be undone was never committed
                self.db.execute("ROLLBACK")

    def checkpoint_if_due(self) -> None:
        """Move the WAL into the file now and then. Raises sqlite3.Error: an fsync may fail here too."""
        if self._wal_bytes >= min(CHECKPOINT_BYTES, self.space.wal_limit_bytes):
            self.checkpoint("PASSIVE")

    def checkpoint(self, mode: str) -> None:
        """Move the WAL into the file; TRUNCATE gives the WAL's own bytes back too."""
        self.space.check_files()
        self.db.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        self._wal_bytes = 0

    def close(self) -> None:
        """Let go of the file; SQLite moves the WAL into it."""
        with contextlib.suppress(sqlite3.Error):
            self.db.close()

    def _room_bytes(self) -> int:
        room = self.space.room_bytes(self.db)
        if room <= self.space.wal_limit_bytes:
            # Nearly full: the WAL's own bytes count, so see what is left without them.
            if size_of(self.space.wal):
                self.checkpoint("TRUNCATE")
            room = self.space.room_bytes(self.db)
        return room
