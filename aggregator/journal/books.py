"""What the journal knows by heart: tallies kept in the transaction that changes them, and what is told to others once it is committed.

Room: aggregator journal. Never enters: SQL beyond one row of `meta`; threads.
"""

import sqlite3
from collections import Counter
from dataclasses import dataclass, field

import msgspec

from aggregator.journal.schema import seal
from aggregator.journal.words import DamageError


class Tally(msgspec.Struct):
    """What one sink holds of the journal: compressed bytes of blocks it is owed, and its dead letters."""

    bytes: int = 0
    blocks: int = 0
    letters: int = 0
    letter_bytes: int = 0

    @property
    def used_bytes(self) -> int:
        """What counts in the sink's share."""
        return self.bytes + self.letter_bytes


class Missing(msgspec.Struct):
    """How many gaps were noted for one reason, and their bytes."""

    number: int = 0
    bytes: int = 0


class Books(msgspec.Struct):
    """Small enough to be copied before every operation, so that one that fails leaves no trace."""

    sinks: dict[str, Tally] = msgspec.field(default_factory=dict)
    gaps: dict[str, Missing] = msgspec.field(default_factory=dict)
    change: int = 0  # number of the newest move of any `delivered`
    next_block: int = 1  # blocks are numbered from here on
    running_seconds: float = 0.0  # how long aggregators have run on this journal: what row retention counts in

    def copy(self) -> "Books":
        return Books(
            {name: Tally(t.bytes, t.blocks, t.letters, t.letter_bytes) for name, t in self.sinks.items()},
            {reason: Missing(m.number, m.bytes) for reason, m in self.gaps.items()},
            self.change,
            self.next_block,
            self.running_seconds,
        )

    def tally(self, sink: str) -> Tally:
        """The sink's tally, made if it has none."""
        return self.sinks.setdefault(sink, Tally())

    def missing(self, reason: str) -> Missing:
        """The count of this reason, made if there is none."""
        return self.gaps.setdefault(reason, Missing())

    def same_as(self, other: "Books") -> bool:
        """True if nothing but time has passed."""
        return (
            self.change == other.change
            and self.next_block == other.next_block
            and self.sinks == other.sinks
            and self.gaps == other.gaps
        )


@dataclass(frozen=True, slots=True)
class Queue:
    """One row of `queues`: what one sink is owed in one lane of one pod. `pod` is the pod's number, `pod_uid` its name."""

    id: int
    sink: str
    lane: str
    pod: int
    pod_uid: str


@dataclass(slots=True)
class Effects:
    """What others learn of a transaction after its commit."""

    counts: Counter[str] = field(default_factory=Counter)
    gap_bytes: Counter[str] = field(default_factory=Counter)
    filled: dict[int, tuple[Queue, int]] = field(
        default_factory=dict
    )  # at least one block came; read time of the first that did
    heads: dict[int, tuple[Queue, int | None]] = field(
        default_factory=dict
    )  # read time of the oldest block, None: it owes nothing
    woken: set[str] = field(default_factory=set)


def save_books(db: sqlite3.Connection, books: Books) -> None:
    """Write the books into the open transaction."""
    body = msgspec.msgpack.encode(books)
    db.execute("INSERT OR REPLACE INTO meta VALUES('books', ?)", (seal(body).to_bytes(4, "big") + body,))


def load_books(db: sqlite3.Connection) -> Books:
    """The books as of the last commit. Raises DamageError."""
    found = db.execute("SELECT value FROM meta WHERE key='books'").fetchone()
    if found is None:
        return Books()
    value = found[0]
    if not isinstance(value, bytes) or seal(value[4:]).to_bytes(4, "big") != value[:4]:
        raise DamageError("meta: the books do not match their checksum")
    return msgspec.msgpack.decode(value[4:], type=Books)
