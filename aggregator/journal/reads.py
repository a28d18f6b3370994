"""What is read from the journal: blocks that are owed, rows, dead letters, gap records. One short transaction each.

Room: aggregator journal. Never enters: writes; threads (one at a time calls this).
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from aggregator.core.records import OwedBlock
from aggregator.journal.books import Queue, load_books
from aggregator.journal.rows import ENTRY_COLUMNS, STREAM_COLUMNS, Entry, Row, entry_of, row_of
from aggregator.journal.schema import check_seal, connect, sealed_row
from aggregator.journal.settle import kept_letters
from aggregator.journal.words import DamageError, GapRecord, KeptLetter, StreamStatus
from towline.wire.block import Delivered
from towline.wire.block import Row as WireRow
from towline.wire.identity import Origin, Pod

CACHED_ORIGINS = 2048
_T = TypeVar("_T")

_OWED = (
    "SELECT o.queue, o.block_id, o.place, o.seal, "  # noqa: S608 - constants
    + ", ".join(f"e.{column}" for column in ENTRY_COLUMNS.split(", "))
    + ", e.seal FROM owed o LEFT JOIN entries e ON e.block_id = o.block_id WHERE o.queue=? AND o.block_id>? ORDER BY o.block_id"
)
_ROWS = f"SELECT {STREAM_COLUMNS}, seal FROM streams"  # noqa: S608 - constants
_LETTERS = (
    "SELECT d.id, d.sink, coalesce(p.uid, ''), d.stream, d.epoch, d.start, d.stop, d.reason, d.line, d.unix_ns"
    " FROM dead_letters d LEFT JOIN pods p ON p.id = d.pod WHERE d.sink=? AND d.id>? ORDER BY d.id LIMIT ?"
)
_GAPS = (
    "SELECT coalesce(p.uid, ''), g.stream, g.epoch, g.start, g.stop, g.reason, g.sink, g.unix_ns"
    " FROM gaps g LEFT JOIN pods p ON p.id = g.pod ORDER BY g.id DESC LIMIT ?"
)


class Reads:
    """A reading connection with what it has decoded."""

    def __init__(self, path: Path, wal_limit_bytes: int) -> None:
        self.db = connect(path, wal_limit_bytes)
        self.db.execute("PRAGMA query_only=ON")
        self._pods: dict[int, Pod] = {}
        self._origins: dict[int, tuple[Pod, Origin]] = {}

    def close(self) -> None:
        self.db.close()

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        """One state of the journal for several statements."""
        self.db.execute("BEGIN")
        try:
            yield
        finally:
            self.db.execute("ROLLBACK")

    def take(self, queue: Queue, after_block_id: int, max_bytes: int) -> list[OwedBlock]:
        """The oldest blocks of a queue after one, at least one if there is any, up to `max_bytes` of bodies. Raises DamageError."""
        blocks: list[OwedBlock] = []
        taken_bytes = 0
        with self._snapshot():
            rows = self.db.execute(_OWED, (queue.id, after_block_id))
            for values in rows:
                check_seal(values[:4], "owed")
                if values[4] is None:
                    raise DamageError("owed: a block is owed that is not there")
                entry = entry_of(values[4:])
                taken_bytes += entry.size
                if blocks and taken_bytes > max_bytes:
                    break
                blocks.append(self._owed_block(entry, values[2], self._body(entry)))
            rows.close()
        return blocks

    def _body(self, entry: Entry) -> bytes:
        found = self.db.execute("SELECT body FROM blocks WHERE id=?", (entry.block_id,)).fetchone()
        if found is None or len(found[0]) != entry.size or zlib.crc32(found[0]) != entry.checksum:
            raise DamageError(f"blocks: body {entry.block_id} does not match its checksum")
        return bytes(found[0])

    def _owed_block(self, entry: Entry, place: int, body: bytes) -> OwedBlock:
        pod, origin = self.origin(entry.origin)
        return OwedBlock(
            block_id=entry.block_id,
            stream=entry.stream,
            epoch=entry.epoch,
            start=entry.start,
            end=entry.stop,
            place=max(place, entry.start + entry.skip),
            codec=entry.codec,
            body=body,
            read_unix_ns=entry.read_unix_ns,
            partial=bool(entry.partial),
            continues=bool(entry.continues),
            pod=pod,
            origin=origin,
        )

    def origin(self, number: int) -> tuple[Pod, Origin]:
        """The pod and origin of this number, as they were said. Raises DamageError."""
        found = self._origins.get(number)
        if found is None:
            identity, body = sealed_row(self.db, "origins", number)
            pod = self._pods.get(identity)
            if pod is None:
                pod = _decode(sealed_row(self.db, "identities", identity)[1], Pod)
                _remember(self._pods, identity, pod)
            found = (pod, _decode(body, Origin))
            _remember(self._origins, number, found)
        return found

    def marks(self, pod_uid: str, now: float, unix_ns: int) -> tuple[tuple[WireRow, ...], int, float | None]:
        """All rows of a pod, the newest move of all, and how long ago it was heard (None: never), at `now` (running seconds)."""
        with self._snapshot():
            heard = self.db.execute("SELECT id, heard, heard_unix_ns FROM pods WHERE uid=?", (pod_uid,)).fetchone()
            until = load_books(self.db).change
            if heard is None:
                return (), until, None
            rows = [
                row_of(values) for values in self.db.execute(f"{_ROWS} WHERE pod=? ORDER BY stream, epoch", (heard[0],))
            ]
            # The larger of both: running time leaves out how long we were away, the wall clock may have been set back.
            ago = max(now - heard[1], (unix_ns - heard[2]) / 1e9, 0.0)
            return tuple(self._wire_row(row) for row in rows), until, ago

    def _wire_row(self, row: Row) -> WireRow:
        state = row.state
        return WireRow(
            stream=row.stream,
            epoch=state.epoch,
            mark=state.mark,
            delivered=row.delivered,
            print=state.print,
            path=self.origin(row.origin)[1].path,
            head_bytes=row.head_bytes,
            aliases=row.aliases,
            final=state.final,
            gone=state.gone,
        )

    def measured_since(self, moment: float) -> list[str]:
        """Uids of the pods that have sent a snapshot after `moment` (running seconds), and no goodbye."""
        query = "SELECT DISTINCT p.uid FROM snapshots s JOIN pods p ON p.id = s.pod WHERE s.touched > ? AND p.goodbye IS NULL"
        return [uid for (uid,) in self.db.execute(query, (moment,))]

    def streams(self, pod_uid: str | None, now: float) -> list[StreamStatus]:
        """Every row, of one pod or of all, at `now` (running seconds)."""
        with self._snapshot():
            pods = {number: (uid, heard) for number, uid, heard in self.db.execute("SELECT id, uid, heard FROM pods")}
            only = [number for number, (uid, _) in pods.items() if uid == pod_uid]
            where, terms = ("", ()) if pod_uid is None else (" WHERE pod=?", (only[0] if only else 0,))
            rows = [row_of(values) for values in self.db.execute(f"{_ROWS}{where} ORDER BY pod, stream, epoch", terms)]
            return [self._stream_status(row, *pods[row.pod], now) for row in rows if row.pod in pods]

    def _stream_status(self, row: Row, pod_uid: str, heard: float, now: float) -> StreamStatus:
        pod, origin = self.origin(row.origin)
        return StreamStatus(
            pod_uid=pod_uid,
            namespace=pod.namespace,
            pod=pod.name,
            heard_seconds_ago=max(now - heard, 0.0),
            stream=row.stream,
            epoch=row.state.epoch,
            path=origin.path,
            container=origin.container,
            size=max(row.file_bytes, row.state.mark),
            mark=row.state.mark,
            delivered=row.delivered,
            final=row.state.final,
            gone=row.state.gone,
        )

    def moved(self, pod_uid: str, since: int) -> tuple[list[Delivered], int]:
        """The pod's rows whose `delivered` moved after `since`, and the newest move of all."""
        with self._snapshot():
            until = load_books(self.db).change
            rows = self.db.execute(
                "SELECT s.stream, s.epoch, s.delivered FROM pods p JOIN streams s ON s.pod = p.id WHERE p.uid=? AND s.moved>? ORDER BY s.moved",
                (pod_uid, since if since <= until else 0),
            ).fetchall()
        return [Delivered(*row) for row in rows], until

    def memo(self, sink: str) -> dict[str, str]:
        """A sink's own durable state."""
        return dict(self.db.execute("SELECT key, value FROM memos WHERE sink=?", (sink,)).fetchall())

    def letters(self, sink: str, after: int, limit: int) -> list[KeptLetter]:
        """Dead letters of a sink after a number, oldest first."""
        return kept_letters(self.db.execute(_LETTERS, (sink, after, limit)).fetchall())

    def gaps(self, limit: int) -> list[GapRecord]:
        """The newest gap records."""
        return [
            GapRecord(
                pod_uid=uid,
                stream=stream,
                epoch=epoch,
                start=start,
                end=stop,
                reason=reason,
                sink=sink,
                noted_unix_ns=unix_ns,
            )
            for uid, stream, epoch, start, stop, reason, sink, unix_ns in self.db.execute(_GAPS, (limit,)).fetchall()
        ]


def _decode(body: Any, kind: type[_T]) -> _T:
    try:
        return msgspec.msgpack.decode(body, type=kind)
    except (msgspec.MsgspecError, TypeError) as error:
        raise DamageError(f"{kind.__name__.lower()}: a row cannot be read") from error


def _remember(cache: dict[int, Any], key: int, value: Any) -> None:
    if len(cache) >= CACHED_ORIGINS:
        cache.clear()
    cache[key] = value
