"""The names of metric snapshots: each is taken once (protocol rule 16).

Room: aggregator journal. Never enters: what is in a snapshot; threads.
"""

from aggregator.journal.store import Store
from towline.wire.identity import Pod


def note_snapshot(store: Store, pod: Pod, run: str, sequence: int) -> tuple[int, bool]:
    """The newest sequence of this collector run, and whether `sequence` is newer than what was known."""
    known = store.names.hear(pod, store.now, store.unix_ns, goodbye=False)
    row = store.db.execute("SELECT sequence FROM snapshots WHERE pod=? AND run=?", (known.id, run)).fetchone()
    newest = row[0] if row else 0
    if sequence <= newest:
        return newest, False
    store.db.execute("INSERT OR REPLACE INTO snapshots VALUES(?,?,?,?)", (known.id, run, sequence, store.now))
    return sequence, True
