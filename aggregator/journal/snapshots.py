"""Metric snapshots: each name is taken once, and what sinks of metrics are owed of it is a block (protocol rule 16).

Room: aggregator journal. Never enters: what is in a snapshot; threads.

Such a block belongs to no row: it is nothing that a collector asks for, it moves no mark, and what is shed of it is no gap in a log. The place of
its debts says how it goes on from the snapshot before it (core/joining.py).
"""

from aggregator.core.joining import link_of
from aggregator.core.records import Debt
from aggregator.journal.append import admit, shed_surplus
from aggregator.journal.blocks import put_block
from aggregator.journal.names import KnownPod
from aggregator.journal.rows import SNAPSHOTS, Entry
from aggregator.journal.space import FRAME_OVERHEAD_BYTES
from aggregator.journal.store import Store
from aggregator.journal.words import Custody, JournalFullError
from towline.wire.codec import checksum_of
from towline.wire.identity import Origin, Pod

_ORIGIN = Origin(path="")


def snapshot_weight_bytes(custody: Custody) -> int:
    """What a snapshot may cost at most."""
    return len(custody.body) + FRAME_OVERHEAD_BYTES if custody.owed else 0


def note_snapshot(store: Store, pod: Pod, run: str, sequence: int, custody: Custody) -> tuple[int, bool]:
    """The newest sequence of this collector run, and whether this one is newer than what was known.

    Raises JournalFullError where a sink that holds is owed it and there is no room; nothing of it is noted then.
    """
    known = store.names.hear(pod, store.now, store.unix_ns, goodbye=custody.goodbye)
    row = store.db.execute("SELECT sequence FROM snapshots WHERE pod=? AND run=?", (known.id, run)).fetchone()
    newest = row[0] if row else 0
    if sequence <= newest:
        return newest, False
    values = (known.id, run, sequence, store.now)
    store.db.execute("INSERT OR REPLACE INTO snapshots VALUES(?,?,?,?)", values)
    owed = _admitted(store, custody)
    if owed:
        _store_block(store, known, custody, dict.fromkeys(owed, int(link_of(sequence, newest))))
        shed_surplus(store)
    return sequence, True


def _admitted(store: Store, custody: Custody) -> list[Debt]:
    """Who is to be owed it: where there is no room, none of those that shed, as the next snapshot says what this one does."""
    if not custody.owed:
        return []
    size = FRAME_OVERHEAD_BYTES + len(custody.body)
    try:
        admit(store, custody.owed, size)
    except JournalFullError:
        shares = [store.shares.get(debt.sink) for debt in custody.owed]
        if any(share is None or share.when_full == "hold" for share in shares):
            raise
        store.effects.counts["shed_snapshots"] += len(custody.owed)
        return []
    return list(custody.owed)


def _store_block(store: Store, pod: KnownPod, custody: Custody, places: dict[Debt, int]) -> None:
    entry = Entry(
        block_id=store.books.next_block,
        row=None,
        pod=pod.id,
        origin=store.names.origin(pod, _ORIGIN),
        stream=f"{SNAPSHOTS}{pod.uid}",
        epoch=0,
        start=0,
        stop=custody.length,
        skip=0,
        codec=custody.codec,
        size=len(custody.body),
        checksum=checksum_of(custody.body),
        read_unix_ns=min(custody.taken_unix_ns, store.unix_ns),
        partial=0,
        continues=0,
        owing=0,
    )
    put_block(store, entry, custody.body, places, pod.uid)
    store.effects.counts["appended_snapshots"] += 1
    store.effects.counts["appended_bytes"] += len(custody.body)
