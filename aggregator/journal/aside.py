"""A damaged journal, read for what can still be read: one block at a time, so that an unreadable page costs only what lay on it.

Room: aggregator journal. Never enters: the journal that is open; threads.
"""

import contextlib
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from aggregator.core.joining import Chain
from aggregator.core.records import Debt
from aggregator.journal.books import load_books
from aggregator.journal.damage import aside_path
from aggregator.journal.faults import FILE_ERRORS
from aggregator.journal.rows import SNAPSHOTS, Entry, entry_of_block
from aggregator.journal.schema import check_seal, sealed_row
from aggregator.journal.words import DamageError
from towline.plumbing.errors import TowlineError
from towline.wire.identity import Origin, Pod


class UnreadableError(TowlineError):
    """What was asked for cannot be read; something else may be."""


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except (*FILE_ERRORS, msgspec.MsgspecError, TypeError) as error:
        raise UnreadableError(str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """A block that could be read, and from where on it is owed to whom."""

    entry: Entry
    body: bytes
    places: dict[Debt, int]
    pod: Pod
    origin: Origin
    heard_unix_ns: int


class Aside:
    """The set-aside file. Every method raises UnreadableError."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @classmethod
    @contextlib.contextmanager
    def open(cls, path: Path) -> Iterator["Aside"]:
        """Open what was set aside of the journal at `path`."""
        with _reading():
            db = sqlite3.connect(f"file:{aside_path(path)}?mode=rw", uri=True, isolation_level=None)
        try:
            with _reading():
                # A file cut short is refused as a whole, unless the schema counts as writable (lockBtree in SQLite's btree.c).
                db.execute("PRAGMA writable_schema=ON")
                db.execute("PRAGMA query_only=ON")
            yield cls(db)
        finally:
            db.close()

    def newest(self) -> int:
        """The highest number that a block can have."""
        with contextlib.suppress(UnreadableError), _reading():
            return load_books(self._db).next_block - 1
        found = []
        for table, column in (("entries", "block_id"), ("blocks", "id")):
            with contextlib.suppress(*FILE_ERRORS):
                found.append(self._db.execute(f"SELECT coalesce(max({column}), 0) FROM {table}").fetchone()[0])  # noqa: S608 - constants
        if not found:
            raise UnreadableError("neither entries nor blocks can be read")
        return int(max(found))

    def next_after(self, block_id: int) -> int | None:
        """The next block number, None after the last; where that cannot be read, just the next one."""
        try:
            row = self._db.execute(
                "SELECT block_id FROM entries WHERE block_id>? ORDER BY block_id LIMIT 1", (block_id,)
            ).fetchone()
        except FILE_ERRORS:
            return block_id + 1
        return int(row[0]) if row else None

    def entry(self, block_id: int) -> Entry | None:
        """The entry of a block; None if there is none of this number."""
        with _reading():
            return entry_of_block(self._db, block_id)

    def read(self, entry: Entry) -> Salvaged:
        """A block with all that is needed to deliver it."""
        with _reading():
            return self._read(entry)

    def _read(self, entry: Entry) -> Salvaged:
        found = self._db.execute("SELECT body FROM blocks WHERE id=?", (entry.block_id,)).fetchone()
        if found is None or len(found[0]) != entry.size or zlib.crc32(found[0]) != entry.checksum:
            raise DamageError("blocks: a body does not match its checksum")
        identity, origin = sealed_row(self._db, "origins", entry.origin)
        heard = self._db.execute("SELECT heard_unix_ns FROM pods WHERE id=?", (entry.pod,)).fetchone()
        return Salvaged(
            entry=entry,
            body=found[0],
            places=self._places(entry),
            pod=msgspec.msgpack.decode(sealed_row(self._db, "identities", identity)[1], type=Pod),
            origin=msgspec.msgpack.decode(origin, type=Origin),
            heard_unix_ns=heard[0] if heard else 0,
        )

    def _places(self, entry: Entry) -> dict[Debt, int]:
        """Who is owed this block from where on. Where that is unreadable: from its start; copies before loss."""
        places = {}
        for row in self._db.execute(
            "SELECT id, sink, lane, pod, seal FROM queues WHERE pod=?", (entry.pod,)
        ).fetchall():
            check_seal(row, "queues")
            try:
                owed = self._db.execute(
                    "SELECT queue, block_id, place, seal FROM owed WHERE queue=? AND block_id=?",
                    (row[0], entry.block_id),
                ).fetchone()
                if owed is None:
                    continue
                check_seal(owed, "owed")
                place = self._chain_of(entry, row[1], owed[2]) if entry.is_snapshot else owed[2]
            except FILE_ERRORS:
                place = entry.start + entry.skip
            places[Debt(row[1], row[2])] = place
        return places

    def _chain_of(self, entry: Entry, sink: str, place: int) -> int:
        """A snapshot's chain: where the sink's state of the pod was lost with the file, what the run had counted by then was sent, so it is whole no more."""
        chain = Chain.unpacked(place, 0)
        had = "SELECT 1 FROM memos WHERE sink=? AND key=?"
        is_lost = self._db.execute(had, (sink, entry.stream.removeprefix(SNAPSHOTS))).fetchone() is not None
        return Chain(2, chain.goes_on).packed() if is_lost and chain.start == 1 else place
