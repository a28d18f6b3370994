"""The journal: what the aggregator has taken custody of, and to whom it is owed. Everything a caller needs is named here."""

from aggregator.journal.journal import Journal
from aggregator.journal.words import (
    Appended,
    Count,
    Counters,
    Custody,
    DeadLetter,
    GapRecord,
    JournalDownError,
    JournalFullError,
    JournalStatus,
    KeptLetter,
    Settlement,
    Share,
    SinkStatus,
    StreamStatus,
    Submission,
)

__all__ = [
    "Appended",
    "Count",
    "Counters",
    "Custody",
    "DeadLetter",
    "GapRecord",
    "Journal",
    "JournalDownError",
    "JournalFullError",
    "JournalStatus",
    "KeptLetter",
    "Settlement",
    "Share",
    "SinkStatus",
    "StreamStatus",
    "Submission",
]
