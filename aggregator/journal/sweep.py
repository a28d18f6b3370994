"""Which rows may go, and letting them go (protocol rule 10). Counts running time: an aggregator that was away has not waited.

Room: aggregator journal. Never enters: threads; blocks (a row that owes nothing has none).
"""

import sqlite3
from dataclasses import dataclass

from aggregator.journal.rows import row_numbered
from aggregator.journal.schema import check_seal
from aggregator.journal.store import Store

GRACE_SECONDS = 3600.0  # after the last word or move: the collector must have had time to hear of it
RUN_SECONDS = 86_400.0  # a collector run that sent no snapshot for so long is over
MAX_GAPS = 10_000  # records kept; the counts stay
SWEEP_ROWS = 2_000  # in one transaction: intake waits meanwhile

_DUE_ROWS = """
SELECT s.id FROM streams s JOIN pods p ON p.id = s.pod WHERE s.delivered = s.mark AND (
  (s.gone AND s.touched <= :grace)
  OR (p.goodbye IS NOT NULL AND max(p.goodbye, s.touched) <= :grace)
  OR max(p.heard, s.touched) <= :keep) LIMIT :most
"""
_DUE_PODS = """
SELECT p.id FROM pods p WHERE (p.goodbye <= :grace OR p.heard <= :keep)
  AND NOT EXISTS (SELECT 1 FROM streams s WHERE s.pod = p.id)
  AND NOT EXISTS (SELECT 1 FROM queues q JOIN owed o ON o.queue = q.id WHERE q.pod = p.id) LIMIT :most
"""


@dataclass(frozen=True, slots=True)
class Due:
    """Rows and pods that may go as far as a reader can see: the writer looks again."""

    rows: list[int]
    pods: list[int]


def find_due(db: sqlite3.Connection, now: float, keep_seconds: float) -> Due:
    """Look for what may go at `now` (running seconds)."""
    terms = {"grace": now - GRACE_SECONDS, "keep": now - keep_seconds, "most": SWEEP_ROWS}
    return Due([row[0] for row in db.execute(_DUE_ROWS, terms)], [row[0] for row in db.execute(_DUE_PODS, terms)])


def sweep(store: Store, due: Due) -> None:
    """Let go of what is still due, old runs and the oldest gap records, and write down how long we have run."""
    for number in due.rows:
        _sweep_row(store, number)
    for number in due.pods:
        _sweep_pod(store, number)
    store.db.execute("DELETE FROM snapshots WHERE touched <= ?", (store.now - RUN_SECONDS,))
    store.db.execute("DELETE FROM gaps WHERE id <= (SELECT max(id) FROM gaps) - ?", (MAX_GAPS,))
    store.note_time()
    store.space.look_again(store.db)


def _sweep_row(store: Store, number: int) -> None:
    row = row_numbered(store.db, number)
    pod = (
        store.db.execute(
            "SELECT id, uid, heard, heard_unix_ns, goodbye, identity, seal FROM pods WHERE id=?", (row.pod,)
        ).fetchone()
        if row
        else None
    )
    if row is None or pod is None or row.owing:
        return
    check_seal(pod, "pods")
    heard, goodbye = pod[2], pod[4]
    grace, keep = store.now - GRACE_SECONDS, store.now - store.terms.keep_seconds
    said_so = (row.state.gone and row.touched <= grace) or (goodbye is not None and max(goodbye, row.touched) <= grace)
    if said_so or max(heard, row.touched) <= keep:
        store.db.execute("DELETE FROM streams WHERE id=?", (number,))
        store.effects.counts["swept_rows"] += 1


def _sweep_pod(store: Store, number: int) -> None:
    still = store.db.execute(
        "SELECT 1 FROM pods p WHERE p.id=:pod AND (p.goodbye <= :grace OR p.heard <= :keep)"
        " AND NOT EXISTS (SELECT 1 FROM streams s WHERE s.pod = p.id)"
        " AND NOT EXISTS (SELECT 1 FROM queues q JOIN owed o ON o.queue = q.id WHERE q.pod = p.id)",
        {"pod": number, "grace": store.now - GRACE_SECONDS, "keep": store.now - store.terms.keep_seconds},
    ).fetchone()
    if still is None:
        return
    for statement in (
        "DELETE FROM origins WHERE identity IN (SELECT id FROM identities WHERE pod=?)",
        "DELETE FROM identities WHERE pod=?",
        "DELETE FROM queues WHERE pod=?",
        "DELETE FROM snapshots WHERE pod=?",
        "DELETE FROM memos WHERE key=(SELECT uid FROM pods WHERE id=?)",  # what sinks of metrics remember of it
        "DELETE FROM pods WHERE id=?",
    ):
        store.db.execute(statement, (number,))
    store.names.forget()
