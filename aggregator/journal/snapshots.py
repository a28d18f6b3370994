"""Metric snapshots: each name is taken once, and what sinks of metrics are owed of it is a block (protocol rule 16).

Room: aggregator journal. Never enters: what is in a snapshot; threads.

Such a block belongs to no row: it is nothing that a collector asks for, it moves no mark, and what is shed of it is no gap in a log. The place of
each of its debts is its chain at that sink (core/joining.py).
"""

from typing import NamedTuple

import msgspec

from aggregator.core.joining import Chain
from aggregator.core.records import Debt
from aggregator.journal.append import admit, shed_surplus
from aggregator.journal.blocks import put_block
from aggregator.journal.names import KnownPod
from aggregator.journal.rows import SNAPSHOTS, Entry
from aggregator.journal.space import FRAME_OVERHEAD_BYTES
from aggregator.journal.store import Store
from aggregator.journal.sweep import RUN_SECONDS
from aggregator.journal.words import Custody, DamageError, JournalFullError
from towline.wire.codec import checksum_of
from towline.wire.identity import Origin, Pod

_ORIGIN = Origin(path="")
_decode = msgspec.json.Decoder(dict[str, int]).decode
_encode = msgspec.json.Encoder().encode


class _Run(NamedTuple):
    """What is known of a collector run. starts: by sink, as in Chain. is_last: no snapshot of another run of the pod came after its newest."""

    sequence: int
    touched: float
    starts: dict[str, int]
    is_last: bool


def snapshot_weight_bytes(custody: Custody) -> int:
    """What a snapshot may cost at most."""
    return len(custody.body) + FRAME_OVERHEAD_BYTES if custody.owed else 0


def note_snapshot(store: Store, pod: Pod, run: str, sequence: int, custody: Custody) -> tuple[int, bool]:
    """The newest sequence of this collector run, and whether this one is newer than what was known.

    Raises JournalFullError where a sink that holds is owed it and there is no room; nothing of it is noted then.
    """
    known = store.names.hear(pod, store.now, store.unix_ns, goodbye=custody.goodbye)
    before = _run_of(store, known.id, run)
    if sequence <= before.sequence:
        return before.sequence, False
    starts = _starts(before, sequence, custody, store.now)
    if not before.is_last:
        store.db.execute("UPDATE snapshots SET is_last=0 WHERE pod=?", (known.id,))
    kept = {} if custody.goodbye else starts  # with its goodbye sinks forget the pod: nothing can follow
    values = (known.id, run, sequence, store.now, _encode(kept).decode())
    store.db.execute("INSERT OR REPLACE INTO snapshots VALUES(?,?,?,?,?,1)", values)
    owed = _admitted(store, custody)
    if owed:
        places = {debt: Chain(starts[debt.sink], goes_on=before.is_last).packed() for debt in owed}
        _store_block(store, known, custody, places)
        shed_surplus(store)
    return sequence, True


def _run_of(store: Store, pod: int, run: str) -> _Run:
    row = store.db.execute(
        "SELECT sequence, touched, starts, is_last FROM snapshots WHERE pod=? AND run=?", (pod, run)
    ).fetchone()
    if row is None:
        return _Run(0, store.now, {}, is_last=False)
    try:
        return _Run(row[0], row[1], _decode(row[2]), bool(row[3]))
    except (msgspec.MsgspecError, TypeError) as error:
        raise DamageError("snapshots: a row cannot be read") from error


def _starts(before: _Run, sequence: int, custody: Custody, now: float) -> dict[str, int]:
    """Where the chain of each sink starts that is to have this snapshot: here for one that was not to have the last, and for all after a hole."""
    # After so long sinks have forgotten the pod (forwarder/pods.py), and all that a run had counted must not count again.
    goes_on = sequence == before.sequence + 1 and now - before.touched < RUN_SECONDS
    return {debt.sink: before.starts.get(debt.sink, sequence) if goes_on else sequence for debt in custody.owed}


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
