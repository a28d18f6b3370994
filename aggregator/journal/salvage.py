"""After damage: what could still be read of the file set aside, and whose stream has not come back, is owed anew (protocol rule 9).

Room: aggregator journal. Never enters: threads. What is re-owed belongs to no row and never moves a mark.
"""

import enum

import structlog

from aggregator.journal.aside import Aside, UnreadableError
from aggregator.journal.blocks import put_block
from aggregator.journal.damage import aside_path
from aggregator.journal.rows import SNAPSHOTS, Entry, newest_row
from aggregator.journal.space import FRAME_OVERHEAD_BYTES
from aggregator.journal.store import Store

WAIT_SECONDS = 600.0  # running time in which a stream may come back by itself
STEP_BYTES = 8 << 20
BLIND_BLOCKS = 1_000  # unreadable in a row
UNREADABLE = -1
STEP_BLOCKS = 5_000  # looked at in one transaction

log = structlog.get_logger(__name__)


class Salvage(enum.Enum):
    """How a step ended."""

    DONE = "done"
    MORE = "more"
    WAIT = "wait"  # not yet, or no room


def is_due(store: Store) -> bool:
    """True if there is a file set aside, and its streams had their time to come back."""
    return aside_path(store.terms.path).exists() and store.running_seconds() >= WAIT_SECONDS


def salvage(store: Store) -> Salvage:
    """Re-owe some more blocks of the file set aside. How far it came is written in the same transaction."""
    found = store.db.execute("SELECT value FROM meta WHERE key='salvaged'").fetchone()
    try:
        with Aside.open(store.terms.path) as aside:
            end, after = _step(store, aside, int(found[0]) if found else 0)
    except UnreadableError as error:
        log.error("journal_aside_unreadable", path=str(aside_path(store.terms.path)), error=str(error))  # noqa: TRY400 - the message says it
        return Salvage.DONE
    store.db.execute("INSERT OR REPLACE INTO meta VALUES('salvaged', ?)", (after,))
    return end


def _step(store: Store, aside: Aside, after: int) -> tuple[Salvage, int]:
    newest, taken_bytes, blind = aside.newest(), 0, 0
    for _ in range(STEP_BLOCKS):
        block_id = aside.next_after(after)
        if block_id is None or block_id > newest:
            return Salvage.DONE, after
        size = _salvage_one(store, aside, block_id)
        if size is None:
            return Salvage.WAIT, after
        # What cannot be read may be a number that was never given: after many in a row the steps grow.
        blind = blind + 1 if size == UNREADABLE else 0
        after = block_id + ((1 << max(blind - BLIND_BLOCKS, 0)) - 1)
        taken_bytes += max(size, 0)
        if taken_bytes >= STEP_BYTES:
            break
    return Salvage.MORE, after


def _salvage_one(store: Store, aside: Aside, block_id: int) -> int | None:
    """Bytes re-owed of this block, or UNREADABLE; None if there is no room for it now."""
    try:
        entry = aside.entry(block_id)
        if entry is None:
            return 0
        if _has_come_back(store, entry):
            store.effects.counts["returned_blocks"] += 1
            return 0
        salvaged = aside.read(entry)
    except UnreadableError:
        store.effects.counts["unreadable_blocks"] += 1
        return UNREADABLE
    size = entry.size + FRAME_OVERHEAD_BYTES
    # With nothing owed no room will ever come of itself: the file set aside may be all that is in the way.
    if size > store.room_bytes and any(tally.blocks for tally in store.books.sinks.values()):
        return None
    store.room_bytes -= size
    pod, identity = store.names.adopt(salvaged.pod, store.now, salvaged.heard_unix_ns)
    entry.block_id, entry.row, entry.pod = store.books.next_block, None, pod.id
    entry.origin = store.names.origin_of(identity, salvaged.origin)
    put_block(store, entry, salvaged.body, salvaged.places, salvaged.pod.uid)
    store.effects.counts["reowed_blocks"] += 1
    return size


def _has_come_back(store: Store, entry: Entry) -> bool:
    """True where the collector goes on here: it sends the block again, or a later snapshot, which says what this one does."""
    if not entry.is_snapshot:
        return newest_row(store.db, entry.stream) is not None
    taken = "SELECT 1 FROM snapshots s JOIN pods p ON p.id = s.pod WHERE p.uid=?"
    return store.db.execute(taken, (entry.stream.removeprefix(SNAPSHOTS),)).fetchone() is not None
