"""The journal's status from memory: for /status and the metrics, never waiting for a disk that may be the trouble.

Room: aggregator journal. Never enters: SQLite, threads.
"""

from aggregator.journal.board import Board
from aggregator.journal.books import Tally
from aggregator.journal.store import Store
from aggregator.journal.words import Count, JournalStatus, Share, SinkStatus


def status_of(store: Store, board: Board) -> JournalStatus:
    """How the journal stands as of the last commit."""
    books, space = store.committed, store.space
    names = dict.fromkeys((*store.shares, *books.sinks))
    sinks = {
        name: _sink_status(books.sinks.get(name, Tally()), store.shares.get(name), board.oldest_unix_ns(name))
        for name in names
    }
    holds = [name for name, sink in sinks.items() if sink.full and sink.when_full == "hold"]
    return JournalStatus(
        journal_id=store.journal_id,
        path=str(store.terms.path),
        used_bytes=space.used_bytes,
        max_bytes=space.max_bytes,
        reserve_bytes=space.reserve_bytes,
        aside_bytes=space.aside_bytes,
        closed_by=holds[0] if holds else ("disk" if space.refused else None),
        sinks=sinks,
        gaps={reason: Count(missing.number, missing.bytes) for reason, missing in books.gaps.items()},
    )


def _sink_status(tally: Tally, share: Share | None, oldest_unix_ns: int | None) -> SinkStatus:
    return SinkStatus(
        owed_bytes=tally.bytes,
        owed_blocks=tally.blocks,
        oldest_owed_unix_ns=oldest_unix_ns,
        dead_letters=tally.letters,
        dead_letter_bytes=tally.letter_bytes,
        share_bytes=share.max_bytes if share else 0,
        when_full=share.when_full if share else "hold",
        full=share is not None and tally.used_bytes >= share.max_bytes,
    )
