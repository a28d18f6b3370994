"""One open journal file: its writing connection, its books, and transactions in which one failing operation never fails another.

Room: aggregator journal. Never enters: threads (one at a time calls this); what the operations do.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from aggregator.journal.books import Effects, load_books, save_books
from aggregator.journal.names import Names
from aggregator.journal.schema import begin_journal, check_version, connect
from aggregator.journal.space import Space
from aggregator.journal.words import Share

T = TypeVar("T")

# SQLite's primary result codes (https://www.sqlite.org/rescode.html) by what they mean for us.
_DAMAGE_CODES = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FORMAT,
}
CHECKPOINT_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Terms:
    """What the configuration and the surroundings say."""

    path: Path
    max_bytes: int
    keep_seconds: float  # rows of pods not heard for so long may go
    clock: Callable[[], float]
    wall_unix_ns: Callable[[], int]


def primary_code(error: sqlite3.Error) -> int:
    """SQLite's primary result code; 0 where Python itself raised."""
    return _code(error) & 0xFF


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0))


def is_damage(error: sqlite3.Error) -> bool:
    """True if the file cannot be believed any more: corrupt, unreadable, or a write or fsync that failed."""
    return primary_code(error) in _DAMAGE_CODES and not is_full(error)


def is_full(error: sqlite3.Error) -> bool:
    """True if the volume had no room: nothing is lost, the transaction did not happen."""
    return _code(error) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}


class Store:
    """What an operation works with: `db`, `books`, `names`, `effects`, `now` (running seconds) and `unix_ns`."""

    def __init__(self, terms: Terms, shares: Mapping[str, Share], space: Space) -> None:
        self.terms, self.space = terms, space
        self.shares = shares
        self.db = connect(terms.path, space.wal_limit_bytes)
        try:
            if not check_version(self.db, terms.path):
                begin_journal(self.db)
            self.db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            self.journal_id: str = self.db.execute("SELECT value FROM meta WHERE key='journal_id'").fetchone()[0]
            self.books = load_books(self.db)
            (newest,) = self.db.execute("SELECT coalesce(max(id), 0) FROM blocks").fetchone()
        except BaseException:
            self.db.close()
            raise
        self.names = Names(self.db)
        self.effects = Effects()
        self.pending: list[Effects] = []
        self.next_block_id: int = newest + 1
        self.room_bytes = 0
        self.unix_ns = terms.wall_unix_ns()
        self._opened = terms.clock() - self.books.running_seconds
        self.committed = self.books
        self.now = self.books.running_seconds
        self._time_is_due = True
        space.begin_watch()
        space.measure(self.db)

    def running_seconds(self) -> float:
        """How long aggregators have run on this journal, this one included."""
        return self.terms.clock() - self._opened

    def note_time(self) -> None:
        """Have the next commit write down how long we have run."""
        self._time_is_due = True

    def begin(self, *, grows: bool) -> None:
        """Open a transaction. `grows`: some operation brings bodies, so see how much room there is."""
        self.space.check_files()
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
        return self.pending

    def rollback(self) -> None:
        """Undo the whole transaction, however it stands."""
        self.books = self.committed
        self.names.forget()
        if self.db.in_transaction:
            with contextlib.suppress(sqlite3.Error):  # what cannot even be undone was never committed
                self.db.execute("ROLLBACK")

    def checkpoint(self, mode: str = "PASSIVE", above_bytes: int = CHECKPOINT_BYTES) -> None:
        """Move the WAL into the file once it is larger than `above_bytes`. Raises sqlite3.Error: an fsync may fail here too."""
        self.space.check_files()
        if self.space.wal.stat().st_size > min(above_bytes, self.space.wal_limit_bytes):
            self.db.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()

    def close(self) -> None:
        """Let go of the file; SQLite moves the WAL into it."""
        with contextlib.suppress(sqlite3.Error):
            self.db.close()

    def _room_bytes(self) -> int:
        room = self.space.room_bytes(self.db)
        if room <= self.space.wal_limit_bytes:
            # Nearly full: the WAL's own bytes count, so see what is left without them.
            self.checkpoint("TRUNCATE", 0)
            room = self.space.room_bytes(self.db)
        return room
