"""What is remembered of a pod between two of its snapshots, as text for the journal.

Room: aggregator sinks, pure. Never enters: JSON, journals.
"""

from typing import NamedTuple

from aggregator.core.book import Book, book_of, text_of
from aggregator.core.deltas import Deltas
from aggregator.core.joining import Join
from aggregator.core.series import SeriesFamily
from towline.wire.snapshot import Distribution


class PodState(NamedTuple):
    """book: see core/deltas.py; None where nothing is known. counted_unix_ns: from when on its deltas count.

    fingerprint: of the choice of metrics that the book was kept for.
    """

    fingerprint: str = ""
    counted_unix_ns: int = 0
    book: Book | None = None


def text_of_state(fingerprint: str, counted_unix_ns: int, book: Book) -> str:
    """For the journal."""
    return f"{fingerprint}:{counted_unix_ns}:{text_of(book)}"


def state_of(text: str | None) -> PodState:
    """What `text_of_state` wrote; nothing known where it cannot be read."""
    fingerprint, _, rest = (text or "").partition(":")
    counted, _, packed = rest.partition(":")
    book = book_of(packed) if counted.isdecimal() and len(counted) < 20 else None
    return PodState(fingerprint, int(counted), book) if book is not None else PodState()


def without_unseen(deltas: Deltas, families: tuple[SeriesFamily, ...], book: Book, join: Join) -> Deltas:
    """`deltas` after another choice of metrics: a series that is not in `book` was not chosen before, it did not begin meanwhile."""
    rows, spreads = [], []
    for family, counts, added in zip(families, deltas.rows, deltas.spreads, strict=True):
        begins = family.from_zero and join is Join.NEW_RUN  # it is known whole, whatever was chosen
        rows.append(counts if begins else _seen_rows(family, counts, book))
        spreads.append(added if join is Join.NEW_RUN else _seen_spreads(family, added, book))
    return deltas._replace(rows=tuple(rows), spreads=tuple(spreads))


def _seen_rows(family: SeriesFamily, counts: tuple[float | None, ...], book: Book) -> tuple[float | None, ...]:
    known = book.own if family.from_zero else book.values
    return tuple(
        [
            count if f"{row.name}{{{row.labels}" in known else None
            for row, count in zip(family.rows, counts, strict=False)  # no counts where nothing adds up
        ]
    )


def _seen_spreads(
    family: SeriesFamily, added: tuple[Distribution | None, ...], book: Book
) -> tuple[Distribution | None, ...]:
    return tuple(
        [
            delta if f"{family.name}{{{spread.labels}" in book.spreads else None
            for spread, delta in zip(family.spreads, added, strict=True)
        ]
    )
