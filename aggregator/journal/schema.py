"""The tables, and how a file of them is opened, recognised or refused.

Room: aggregator journal. Never enters: what the rows mean; threads.
"""

import sqlite3
import uuid
import zlib
from pathlib import Path
from typing import Any

import msgspec

from aggregator.journal.words import DamageError
from towline.plumbing.errors import ConfigError

SCHEMA_VERSION = 2
APPLICATION_ID = 0x746F776C  # "towl"
PAGE_BYTES = 4096  # measured: docs/design/journal.md

# AUTOINCREMENT where others remember the number: it must never mean somebody else.
# Bodies stand alone: a page of bookkeeping never carries one, and settling never rewrites one. `stop` is the frame's `end` (a word of SQL).
TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY) WITHOUT ROWID;
CREATE TABLE pods(id INTEGER PRIMARY KEY AUTOINCREMENT, uid TEXT UNIQUE, heard REAL, heard_unix_ns INTEGER, goodbye REAL, identity INTEGER, seal INTEGER);
CREATE TABLE identities(id INTEGER PRIMARY KEY AUTOINCREMENT, pod INTEGER, body BLOB, seal INTEGER);
CREATE INDEX identities_by_pod ON identities(pod);
CREATE TABLE origins(id INTEGER PRIMARY KEY AUTOINCREMENT, identity INTEGER, body BLOB, seal INTEGER);
CREATE INDEX origins_by_identity ON origins(identity);
CREATE TABLE streams(id INTEGER PRIMARY KEY, stream TEXT, epoch INTEGER, pod INTEGER, mark INTEGER, print TEXT, continues INTEGER,
  final INTEGER, gone INTEGER, delivered INTEGER, head_bytes INTEGER, file_bytes INTEGER, aliases BLOB, origin INTEGER, moved INTEGER, touched REAL, seal INTEGER,
  UNIQUE(stream, epoch));
CREATE INDEX streams_by_move ON streams(pod, moved);
CREATE TABLE blocks(id INTEGER PRIMARY KEY, body BLOB);
CREATE TABLE entries(block_id INTEGER PRIMARY KEY, row INTEGER, pod INTEGER, origin INTEGER, stream TEXT, epoch INTEGER, start INTEGER,
  stop INTEGER, skip INTEGER, codec TEXT, size INTEGER, checksum INTEGER, read_unix_ns INTEGER, partial INTEGER, continues INTEGER,
  owing INTEGER, seal INTEGER);
CREATE INDEX entries_by_row ON entries(row);
CREATE TABLE queues(id INTEGER PRIMARY KEY AUTOINCREMENT, sink TEXT, lane TEXT, pod INTEGER, seal INTEGER, UNIQUE(sink, lane, pod));
CREATE INDEX queues_by_pod ON queues(pod);
CREATE TABLE owed(queue INTEGER, block_id INTEGER, place INTEGER, seal INTEGER, PRIMARY KEY(queue, block_id)) WITHOUT ROWID;
CREATE TABLE gaps(id INTEGER PRIMARY KEY, pod INTEGER, stream TEXT, epoch INTEGER, start INTEGER, stop INTEGER, reason TEXT, sink TEXT, unix_ns INTEGER);
CREATE INDEX gaps_by_stream ON gaps(stream, epoch, reason, sink);
CREATE TABLE dead_letters(id INTEGER PRIMARY KEY, sink TEXT, pod INTEGER, stream TEXT, epoch INTEGER, start INTEGER, stop INTEGER,
  reason TEXT, line BLOB, unix_ns INTEGER);
CREATE INDEX dead_letters_by_sink ON dead_letters(sink);
CREATE TABLE memos(sink TEXT, key TEXT, value TEXT, PRIMARY KEY(sink, key)) WITHOUT ROWID;
CREATE TABLE snapshots(pod INTEGER, run TEXT, sequence INTEGER, touched REAL, starts TEXT, is_last INTEGER, PRIMARY KEY(pod, run)) WITHOUT ROWID;
"""

_pack = msgspec.msgpack.Encoder().encode

# How a snapshot followed the one before it was 0 (not at all), 1 (it did) or 2 (it was the first of its run): as a packed Chain 0, 2, 3.
# A row that does not match its checksum stays as it is.
_FROM_1_TO_2 = """
ALTER TABLE snapshots ADD COLUMN starts TEXT;
ALTER TABLE snapshots ADD COLUMN is_last INTEGER DEFAULT 0;
UPDATE snapshots SET starts =
  (SELECT json_group_object(sink, snapshots.sequence) FROM (SELECT DISTINCT sink FROM queues WHERE pod = snapshots.pod));
UPDATE owed SET place = place + 1, seal = sealed(queue, block_id, place + 1)
  WHERE place > 0 AND seal = sealed(queue, block_id, place)
  AND block_id IN (SELECT block_id FROM entries WHERE row IS NULL AND stream LIKE 'metrics:%');
"""


def seal(*values: Any) -> int:
    """A row's own checksum: CRC-32 over its values in order. Flags must be ints by then, as SQLite returns them."""
    return zlib.crc32(_pack(values))


def check_seal(values: tuple[Any, ...], table: str) -> None:
    """Check a row whose last value is its seal. Raises DamageError."""
    try:
        whole = seal(*values[:-1]) == values[-1]
    except (TypeError, OverflowError, msgspec.MsgspecError):
        whole = False
    if not whole:
        raise DamageError(f"{table}: a row does not match its checksum")


def sealed_row(db: sqlite3.Connection, table: str, number: int) -> tuple[int, bytes]:
    """Owner and body of a row of `identities` or `origins`. Raises DamageError."""
    row = db.execute(f"SELECT * FROM {table} WHERE id=?", (number,)).fetchone()  # noqa: S608 - the name is our own
    if row is None:
        raise DamageError(f"{table}: a row is missing")
    check_seal(row, table)
    return row[1], row[2]


def connect(path: Path, wal_limit_bytes: int) -> sqlite3.Connection:
    """A connection that commits durably and never checkpoints by itself: SQLite swallows what a checkpoint of its own has to say.

    Raises sqlite3.Error, or ConfigError where the volume cannot do it.
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256, timeout=5.0)
    try:
        db.execute(f"PRAGMA page_size={PAGE_BYTES}")  # only a file that has no page yet heeds it
        _choose_wal(db, path)
        db.execute("PRAGMA synchronous=FULL")
        db.execute("PRAGMA wal_autocheckpoint=0")
        db.execute(f"PRAGMA journal_size_limit={wal_limit_bytes}")
        db.execute("PRAGMA secure_delete=OFF")  # Debian builds with ON: every settled body would be overwritten
        db.execute("PRAGMA temp_store=MEMORY")
        db.execute("PRAGMA cache_size=-8000")
        db.execute("PRAGMA mmap_size=0")  # a read error would be a SIGBUS
        db.execute("PRAGMA cell_size_check=ON")
    except (sqlite3.Error, ConfigError):
        db.close()
        raise
    return db


def _choose_wal(db: sqlite3.Connection, path: Path) -> None:
    (mode,) = db.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise ConfigError(
            f"{path}: this volume cannot share memory between connections. Name a file on a local volume in journal.path"
        )


def begin_journal(db: sqlite3.Connection) -> None:
    """Make the tables and name the journal, in one transaction."""
    journal_id = uuid.uuid4().hex
    db.executescript(
        f"BEGIN IMMEDIATE; {TABLES} INSERT INTO meta VALUES('journal_id', '{journal_id}');"
        f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={SCHEMA_VERSION}; COMMIT;"
    )


def check_version(db: sqlite3.Connection, path: Path) -> bool:
    """True if this is a journal that we can go on with, False if the file is still empty. Raises ConfigError for anybody else's file.

    One of an earlier version is brought up to this one: then that version cannot open it any more.
    """
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application == 0 and version == 0 and tables == 0:
        return False
    if application != APPLICATION_ID:
        raise ConfigError(f"{path}: this is a database, but not a journal. Name another file in journal.path")
    if version > SCHEMA_VERSION:
        raise ConfigError(
            f"{path}: written by a newer version (schema {version}, this one knows {SCHEMA_VERSION}). "
            "Start that version, or name another file in journal.path"
        )
    if version < SCHEMA_VERSION:
        db.create_function("sealed", -1, seal, deterministic=True)
        db.executescript(f"BEGIN IMMEDIATE; {_FROM_1_TO_2} PRAGMA user_version={SCHEMA_VERSION}; COMMIT;")
    return True
