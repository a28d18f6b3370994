"""The rows of `streams` and `entries` as values: read with their checksums, written with new ones.

Room: aggregator journal. Never enters: decisions (aggregator/core/compare.py takes them); bodies; threads.
"""

import sqlite3
from dataclasses import dataclass
from typing import Any

import msgspec

from aggregator.core.compare import StreamRow
from aggregator.journal.schema import check_seal, seal

STREAM_COLUMNS = "id, stream, epoch, pod, mark, print, continues, final, gone, delivered, head_bytes, file_bytes, aliases, origin, moved, touched"
ENTRY_COLUMNS = "block_id, row, pod, origin, stream, epoch, start, stop, skip, codec, size, checksum, read_unix_ns, partial, continues, owing"
SNAPSHOTS = "metrics:"  # and a pod's uid: the stream of a metric snapshot's block. No collector's stream has a colon in its name
_STREAMS = f"SELECT {STREAM_COLUMNS}, seal FROM streams"  # noqa: S608 - a constant
_SAVE_STREAM = f"INSERT INTO streams({STREAM_COLUMNS}, seal) VALUES({','.join('?' * 17)})"
# Columns that stand in an index are named only where they change: SQLite would rewrite the index for the naming alone.
_UPDATE_STREAM = "UPDATE streams SET mark=?, print=?, continues=?, final=?, gone=?, delivered=?, head_bytes=?, file_bytes=?, aliases=?, origin=?, touched=?, seal=? WHERE id=?"
_ENTRY = f"SELECT {ENTRY_COLUMNS}, seal FROM entries WHERE block_id=?"  # noqa: S608 - a constant
_SAVE_ENTRY = f"INSERT INTO entries({ENTRY_COLUMNS}, seal) VALUES({','.join('?' * 17)})"
_UPDATE_ENTRY = "UPDATE entries SET owing=?, seal=? WHERE block_id=?"


@dataclass(slots=True)
class Row:
    """A (stream, epoch) with what compare() need not know. `moved`: number of the newest move of `delivered`; `touched`: running seconds."""

    id: int
    stream: str
    pod: int
    state: StreamRow
    delivered: int = 0
    head_bytes: int = 0
    file_bytes: int = 0  # as the collector last said
    aliases: tuple[str, ...] = ()
    origin: int = 0
    moved: int = 0
    touched: float = 0.0

    @property
    def owing(self) -> bool:
        """True while a block of this row is owed: `delivered` is the first such block's, else the mark."""
        return self.delivered < self.state.mark


@dataclass(slots=True)
class Entry:
    """A stored block without its body. `row` is None where it belongs to no row (re-owed after damage); `owing` counts its debts."""

    block_id: int
    row: int | None
    pod: int
    origin: int
    stream: str
    epoch: int
    start: int
    stop: int
    skip: int
    codec: str
    size: int
    checksum: int
    read_unix_ns: int
    partial: int
    continues: int
    owing: int

    @property
    def is_snapshot(self) -> bool:
        """True for a metric snapshot: no bytes of a log, so nothing of it is a gap in one."""
        return self.row is None and self.stream.startswith(SNAPSHOTS)

    def values(self) -> tuple[Any, ...]:
        """In the order of ENTRY_COLUMNS."""
        return (
            *(self.block_id, self.row, self.pod, self.origin, self.stream, self.epoch, self.start, self.stop),
            *(
                self.skip,
                self.codec,
                self.size,
                self.checksum,
                self.read_unix_ns,
                self.partial,
                self.continues,
                self.owing,
            ),
        )


def row_of(values: tuple[Any, ...]) -> Row:
    """A row of `SELECT STREAM_COLUMNS, seal`. Raises DamageError."""
    check_seal(values, "streams")
    (
        number,
        stream,
        epoch,
        pod,
        mark,
        print_,
        continues,
        final,
        gone,
        delivered,
        head,
        file_bytes,
        aliases,
        origin,
        moved,
        touched,
        _,
    ) = values
    state = StreamRow(
        epoch=epoch, mark=mark, print=print_, continues=bool(continues), final=bool(final), gone=bool(gone)
    )
    return Row(
        number,
        stream,
        pod,
        state,
        delivered,
        head,
        file_bytes,
        tuple(msgspec.json.decode(aliases)),
        origin,
        moved,
        touched,
    )


def newest_row(db: sqlite3.Connection, stream: str) -> Row | None:
    """The row of the stream's newest epoch."""
    values = db.execute(f"{_STREAMS} WHERE stream=? ORDER BY epoch DESC LIMIT 1", (stream,)).fetchone()
    return row_of(values) if values else None


def row_of_epoch(db: sqlite3.Connection, stream: str, epoch: int) -> Row | None:
    """The row of a (stream, epoch)."""
    values = db.execute(f"{_STREAMS} WHERE stream=? AND epoch=?", (stream, epoch)).fetchone()
    return row_of(values) if values else None


def row_numbered(db: sqlite3.Connection, number: int) -> Row | None:
    """The row of this number."""
    values = db.execute(f"{_STREAMS} WHERE id=?", (number,)).fetchone()
    return row_of(values) if values else None


def save_row(db: sqlite3.Connection, row: Row, *, moves: bool) -> None:
    """Write a row; one with id 0 is new and gets its number. `moves`: `moved` has changed."""
    if not row.id:
        row.id = int(db.execute("SELECT coalesce(max(id), 0) + 1 FROM streams").fetchone()[0])
        values = _values(row)
        db.execute(_SAVE_STREAM, (*values, seal(*values)))
        return
    values = _values(row)
    db.execute(_UPDATE_STREAM, (*values[4:14], row.touched, seal(*values), row.id))
    if moves:
        db.execute("UPDATE streams SET moved=? WHERE id=?", (row.moved, row.id))


def _values(row: Row) -> tuple[Any, ...]:
    state = row.state
    return (
        *(
            row.id,
            row.stream,
            state.epoch,
            row.pod,
            state.mark,
            state.print,
            int(state.continues),
            int(state.final),
            int(state.gone),
        ),
        *(row.delivered, row.head_bytes, row.file_bytes, msgspec.json.encode(row.aliases)),
        *(row.origin, row.moved, row.touched),
    )


def entry_of(values: tuple[Any, ...]) -> Entry:
    """An entry of `SELECT ENTRY_COLUMNS, seal`. Raises DamageError."""
    check_seal(values, "entries")
    return Entry(*values[:-1])


def entry_of_block(db: sqlite3.Connection, block_id: int) -> Entry | None:
    """The entry of a block, None once it is gone."""
    values = db.execute(_ENTRY, (block_id,)).fetchone()
    return entry_of(values) if values else None


def add_entry(db: sqlite3.Connection, entry: Entry) -> None:
    """Write a new entry."""
    values = entry.values()
    db.execute(_SAVE_ENTRY, (*values, seal(*values)))


def save_owing(db: sqlite3.Connection, entry: Entry) -> None:
    """Write how many debts an entry has left."""
    db.execute(_UPDATE_ENTRY, (entry.owing, seal(*entry.values()), entry.block_id))
