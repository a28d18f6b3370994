"""Blocks come, and go once they owe nothing: body, entry, debts, tallies and `delivered` always move together.

Room: aggregator journal. Never enters: who may come in (append.py), who has answered (settle.py); threads.
"""

from collections.abc import Iterable

from aggregator.core.compare import Gap
from aggregator.core.records import Debt
from aggregator.journal.books import Queue
from aggregator.journal.rows import Entry, Row, add_entry, row_numbered, save_owing, save_row
from aggregator.journal.schema import check_seal, seal
from aggregator.journal.store import Store

_HEAD = (
    "SELECT o.block_id, e.read_unix_ns FROM owed o JOIN entries e ON e.block_id = o.block_id"
    " WHERE o.queue=? ORDER BY o.block_id LIMIT 1"
)


def put_block(store: Store, entry: Entry, body: bytes, places: dict[Debt, int], pod_uid: str) -> None:
    """Write a body, its entry and what is owed of it (each debt from its place on)."""
    store.books.next_block = entry.block_id + 1
    entry.owing = len(places)
    store.db.execute("INSERT INTO blocks VALUES(?,?)", (entry.block_id, body))
    add_entry(store.db, entry)
    for debt, place in places.items():
        queue = store.names.queue(debt, entry.pod, pod_uid)
        owed = (queue.id, entry.block_id, place)
        store.db.execute("INSERT INTO owed VALUES(?,?,?,?)", (*owed, seal(*owed)))
        tally = store.books.tally(debt.sink)
        tally.bytes += entry.size
        tally.blocks += 1
        store.effects.filled.setdefault(queue.id, (queue, entry.read_unix_ns))
        store.effects.woken.add(debt.sink)


def note_gap(store: Store, row: Row | Entry, gap: Gap, sink: str = "") -> None:
    """Record a range that is not here (or will not reach `sink`); one that goes on where the last one of its kind ended makes it longer."""
    epoch = row.state.epoch if isinstance(row, Row) else row.epoch
    key = (row.stream, epoch, gap.reason, sink)
    missing = store.books.missing(gap.reason)
    missing.bytes += gap.end - gap.start
    store.effects.gap_bytes[gap.reason] += gap.end - gap.start
    last = store.db.execute(
        "SELECT id, stop FROM gaps WHERE stream=? AND epoch=? AND reason=? AND sink=? ORDER BY id DESC LIMIT 1", key
    ).fetchone()
    if last is not None and last[1] == gap.start:
        store.db.execute("UPDATE gaps SET stop=?, unix_ns=? WHERE id=?", (gap.end, store.unix_ns, last[0]))
        return
    missing.number += 1
    store.db.execute(
        "INSERT INTO gaps(stream, epoch, reason, sink, pod, start, stop, unix_ns) VALUES(?,?,?,?,?,?,?,?)",
        (*key, row.pod, gap.start, gap.end, store.unix_ns),
    )


class Releases:
    """Debts taken back in one operation. `finish` moves `delivered` and tells what each queue has at its head."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._rows: set[int] = set()
        self._queues: dict[int, Queue] = {}

    def release(self, entry: Entry, queue: Queue) -> bool:
        """Take one debt of a block back; a block that owes nothing goes. False if it was not owed (any more)."""
        store = self._store
        if not store.db.execute("DELETE FROM owed WHERE queue=? AND block_id=?", (queue.id, entry.block_id)).rowcount:
            return False
        tally = store.books.tally(queue.sink)
        tally.bytes -= entry.size
        tally.blocks -= 1
        self._queues[queue.id] = queue
        entry.owing -= 1
        if entry.owing > 0:
            save_owing(store.db, entry)
            return True
        store.db.execute("DELETE FROM entries WHERE block_id=?", (entry.block_id,))
        store.db.execute("DELETE FROM blocks WHERE id=?", (entry.block_id,))
        if entry.row is not None:
            self._rows.add(entry.row)
        return True

    def finish(self) -> None:
        """Bring `delivered` of every row, and the head of every queue, up to what is left."""
        for number in self._rows:
            self._advance(number)
        for queue in self._queues.values():
            head = self._store.db.execute(_HEAD, (queue.id,)).fetchone()
            self._store.effects.heads[queue.id] = (queue, head[1] if head else None)

    def _advance(self, number: int) -> None:
        store = self._store
        row = row_numbered(store.db, number)
        if row is None:
            return
        first = store.db.execute(
            "SELECT start + skip FROM entries WHERE row=? ORDER BY block_id LIMIT 1", (number,)
        ).fetchone()
        delivered = first[0] if first else row.state.mark
        if delivered <= row.delivered:
            return
        store.books.change += 1
        row.delivered, row.moved, row.touched = delivered, store.books.change, store.now
        save_row(store.db, row, moves=True)


def heads_of(store: Store, queues: Iterable[Queue]) -> list[tuple[Queue, int, int]]:
    """Of each queue that owes something: its oldest block, and when that was read. One look into the index each."""
    found = ((queue, store.db.execute(_HEAD, (queue.id,)).fetchone()) for queue in queues)
    return [(queue, head[0], head[1]) for queue, head in found if head]


def all_heads(store: Store) -> list[tuple[Queue, int]]:
    """Every queue that owes something, with the read time of its oldest block: what is learned at the start, without reading all rows."""
    rows = store.db.execute(
        "SELECT q.id, q.sink, q.lane, q.pod, q.seal, p.uid FROM queues q LEFT JOIN pods p ON p.id = q.pod"
    ).fetchall()
    for row in rows:
        check_seal(row[:5], "queues")
    return [
        (queue, read_unix_ns)
        for queue, _, read_unix_ns in heads_of(
            store, (Queue(row[0], row[1], row[2], row[3], row[5] or "") for row in rows)
        )
    ]
