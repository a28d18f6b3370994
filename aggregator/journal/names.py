"""Numbers for pods, identities, origins and queues: each is written once and meant by its number ever after.

Room: aggregator journal. Never enters: threads; bodies. The caches are forgotten whenever a transaction is undone.
"""

import sqlite3
from dataclasses import dataclass
from typing import Any

import msgspec

from aggregator.core.records import Debt
from aggregator.journal.books import Queue
from aggregator.journal.schema import check_seal, seal
from towline.wire.identity import Origin, Pod

CACHED_NAMES = 8192  # of each kind, then all are forgotten: about 10 MB at most
HEARD_SECONDS = (
    30.0  # that a pod was heard is written at most this often: a quiet pod's empty requests must cost no fsync
)

_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class KnownPod:
    """A pod's row; `heard` and `goodbye` in running seconds."""

    id: int
    uid: str
    heard: float
    goodbye: float | None
    identity: int
    identity_body: bytes


class Names:
    """What the writing connection has looked up or given a number."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._pods: dict[str, KnownPod] = {}
        self._origins: dict[tuple[int, Origin], int] = {}
        self._queues: dict[tuple[str, str, int], Queue] = {}

    def forget(self) -> None:
        """Forget everything: some of it may have been undone."""
        self._pods.clear()
        self._origins.clear()
        self._queues.clear()

    def pod(self, uid: str) -> KnownPod | None:
        """The pod of this uid, if it has ever been heard here."""
        known = self._pods.get(uid)
        if known is None:
            row = self._db.execute(
                "SELECT p.id, p.uid, p.heard, p.heard_unix_ns, p.goodbye, p.identity, p.seal, i.body FROM pods p"
                " LEFT JOIN identities i ON i.id = p.identity WHERE p.uid=?",
                (uid,),
            ).fetchone()
            if row is None:
                return None
            check_seal(row[:7], "pods")
            known = KnownPod(row[0], uid, row[2], row[4], row[5], row[7] or b"")
            self._remember(self._pods, uid, known)
        return known

    def hear(self, pod: Pod, now: float, unix_ns: int, *, goodbye: bool) -> KnownPod:
        """Note that this pod spoke; anything but another goodbye takes a goodbye back."""
        known, body = self.pod(pod.uid), _encode(pod)
        if known is None:
            cursor = self._db.execute("INSERT INTO pods(uid) VALUES(?)", (pod.uid,))
            known = KnownPod(int(cursor.lastrowid or 0), pod.uid, -HEARD_SECONDS, None, 0, b"")
            self._remember(self._pods, pod.uid, known)
        changed = goodbye != (known.goodbye is not None)
        if body != known.identity_body:
            known.identity, known.identity_body, changed = self._identity(known.id, body), body, True
        if changed or now - known.heard >= HEARD_SECONDS:
            known.heard = now
            known.goodbye = (now if known.goodbye is None else known.goodbye) if goodbye else None
            values = (known.id, pod.uid, known.heard, unix_ns, known.goodbye, known.identity)
            self._db.execute("INSERT OR REPLACE INTO pods VALUES(?,?,?,?,?,?,?)", (*values, seal(*values)))
        return known

    def adopt(self, pod: Pod, now: float, heard_unix_ns: int) -> tuple[KnownPod, int]:
        """A pod that does not speak itself, last heard at that wall time, and the number of this identity of it."""
        known, body = self.pod(pod.uid), _encode(pod)
        if known is None:
            known = self.hear(pod, now, heard_unix_ns, goodbye=False)
        return known, self._identity(known.id, body)

    def origin(self, pod: KnownPod, origin: Origin) -> int:
        """The number of this origin of this pod as it is now."""
        return self.origin_of(pod.identity, origin)

    def origin_of(self, identity: int, origin: Origin) -> int:
        """The number of this origin of this identity."""
        key = (identity, origin)
        number = self._origins.get(key)
        if number is None:
            number = self._numbered("origins", "identity", identity, _encode(origin))
            self._remember(self._origins, key, number)
        return number

    def queue(self, debt: Debt, pod: int, pod_uid: str) -> Queue:
        """The queue of a debt of this pod, made if there is none."""
        key = (debt.sink, debt.lane, pod)
        queue = self._queues.get(key)
        if queue is None:
            row = self._db.execute("SELECT * FROM queues WHERE sink=? AND lane=? AND pod=?", key).fetchone()
            if row is None:
                number = int(self._db.execute("INSERT INTO queues(sink, lane, pod) VALUES(?,?,?)", key).lastrowid or 0)
                self._db.execute("UPDATE queues SET seal=? WHERE id=?", (seal(number, *key), number))
            else:
                check_seal(row, "queues")
                number = row[0]
            queue = Queue(number, debt.sink, debt.lane, pod, pod_uid)
            self._remember(self._queues, key, queue)
        return queue

    def uid_of(self, pod: int) -> str:
        """The uid of a pod's number; "" if it is gone."""
        row = self._db.execute("SELECT uid FROM pods WHERE id=?", (pod,)).fetchone()
        return row[0] if row else ""

    def _identity(self, pod: int, body: bytes) -> int:
        return self._numbered("identities", "pod", pod, body)

    def _numbered(self, table: str, owner: str, owner_id: int, body: bytes) -> int:
        """The number of the row of `table` that belongs to `owner_id` and carries `body`."""
        rows = self._db.execute(f"SELECT id, body FROM {table} WHERE {owner}=?", (owner_id,))  # noqa: S608 - both names are our own
        for number, kept in rows:
            if kept == body:
                rows.close()
                return int(number)
        number = int(
            self._db.execute(f"INSERT INTO {table}({owner}, body) VALUES(?,?)", (owner_id, body)).lastrowid or 0
        )
        self._db.execute(f"UPDATE {table} SET seal=? WHERE id=?", (seal(number, owner_id, body), number))  # noqa: S608 - both names are our own
        return number

    @staticmethod
    def _remember(cache: dict[Any, Any], key: Any, value: Any) -> None:
        if len(cache) >= CACHED_NAMES:
            cache.clear()
        cache[key] = value
