"""Taking debts back unsent: a sink that sheds drops its oldest, a sink that was removed drops all (protocol rule 11). Counted, with gap records.

Room: aggregator journal. Never enters: threads.
"""

import heapq
from collections.abc import Callable, Iterator

from aggregator.core.compare import Gap
from aggregator.journal.blocks import Releases, heads_of, note_gap
from aggregator.journal.books import Queue
from aggregator.journal.rows import entry_of_block
from aggregator.journal.schema import check_seal
from aggregator.journal.store import Store
from aggregator.journal.words import DamageError, Share

_OWED = "SELECT queue, block_id, place, seal FROM owed WHERE queue=?"
_COUNTERS = {  # by the reason, and whether it was a snapshot
    ("shed", False): "shed_blocks",
    ("shed", True): "shed_snapshots",
    ("sink_removed", False): "released_blocks",
    ("sink_removed", True): "released_snapshots",
}
SHED_MARGIN = 20  # shed 1/n below the share, so that finding the oldest is not paid for by every append


def shed(store: Store, share: Share) -> None:
    """Drop the sink's oldest blocks until it is a little below its share."""
    target = share.max_bytes - share.max_bytes // SHED_MARGIN
    tally = store.books.tally(share.name)
    _drop(store, share.name, "shed", lambda: tally.used_bytes > target)


def release_sink(store: Store, sink: str, max_blocks: int) -> int:
    """Drop up to `max_blocks` of what a sink is owed that is configured no more, oldest first; how many were dropped."""
    left = iter(range(max_blocks))
    return _drop(store, sink, "sink_removed", lambda: next(left, None) is not None)


def queues_of(store: Store, sink: str) -> list[Queue]:
    """Every queue of a sink."""
    rows = store.db.execute(
        "SELECT q.id, q.sink, q.lane, q.pod, q.seal, p.uid FROM queues q LEFT JOIN pods p ON p.id = q.pod WHERE q.sink=?",
        (sink,),
    ).fetchall()
    for row in rows:
        check_seal(row[:5], "queues")
    return [Queue(row[0], row[1], row[2], row[3], row[5] or "") for row in rows]


def _drop(store: Store, sink: str, reason: str, wanted: Callable[[], bool]) -> int:
    releases, dropped = Releases(store), 0
    for queue, block_id, place in _oldest_first(store, sink):
        if not wanted():
            break
        entry = entry_of_block(store.db, block_id)
        if entry is None:
            raise DamageError("owed: a block is owed that is not there")
        if releases.release(entry, queue):
            if not entry.is_snapshot:
                note_gap(store, entry, Gap(max(place, entry.start + entry.skip), entry.stop, reason), sink)
            store.effects.counts[_COUNTERS[reason, entry.is_snapshot]] += 1
            dropped += 1
    releases.finish()
    return dropped


def _oldest_first(store: Store, sink: str) -> Iterator[tuple[Queue, int, int]]:
    """What a sink is owed over all its queues, as (queue, block, place). Each may be deleted before the next is asked for."""
    heap = [(block_id, queue.id, queue) for queue, block_id, _ in heads_of(store, queues_of(store, sink))]
    heapq.heapify(heap)
    while heap:
        block_id, _, queue = heapq.heappop(heap)
        owed = store.db.execute(f"{_OWED} AND block_id=?", (queue.id, block_id)).fetchone()
        check_seal(owed, "owed")
        yield queue, block_id, owed[2]
        after = store.db.execute(
            "SELECT block_id FROM owed WHERE queue=? AND block_id>? ORDER BY block_id LIMIT 1", (queue.id, block_id)
        ).fetchone()
        if after:
            heapq.heappush(heap, (after[0], queue.id, queue))
