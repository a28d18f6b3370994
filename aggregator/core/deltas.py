"""What was counted between a pod's last settled snapshot and the next one: the one place where cumulative values become deltas.

Room: aggregator core. Never enters: sinks, clocks. docs/design/metrics.md has the table that this follows; core/joining.py says how two
snapshots hang together.
"""

import math
from collections import Counter
from itertools import islice
from typing import NamedTuple

from aggregator.core.book import MAX_VANISHED, Book
from aggregator.core.joining import Join
from aggregator.core.series import Opened, Row, SeriesFamily, Spread
from aggregator.core.spreads import is_sane, merged, since
from towline.wire.snapshot import Distribution

_EVERY = ("",)
_GOES_ON, _BEGINS = (Join.SAME_RUN, Join.NEW_RUN), (Join.BEGINS, Join.NEW_RUN)
_ADDS_UP = {  # of each kind of family, the endings of the samples that only grow; "" is every sample
    "counter": _EVERY,
    "histogram": ("_bucket", "_count", "_sum"),
    "summary": ("_count", "_sum"),
}


class Deltas(NamedTuple):
    """Beside `opened.families`, in the same order: for each row, and each spread, what was counted; None where that cannot be said.

    A family in which nothing adds up has an empty tuple of rows. skipped: values that no counter has, by reason (not_finite, negative);
    `held_too_long` are deltas that waited for a series which does not come back.
    """

    rows: tuple[tuple[float | None, ...], ...]
    spreads: tuple[tuple[Distribution | None, ...], ...]
    skipped: Counter[str]


def advance(book: Book | None, opened: Opened, join: Join, *, hold: bool = False) -> tuple[Deltas, Book]:
    """The deltas from `book` to the snapshot, and the book after it. The book given stays as it is.

    hold: the deltas cannot be sent (the snapshot is too old). They are kept in the book and are part of the series' next delta.
    """
    step = _Step(book or Book(), join, hold=hold)
    rows, spreads = [], []
    for family in opened.families:
        step.begin(family)
        rows.append(step.rows_of(family))
        spreads.append(tuple([step.spread_of(family.name, spread) for spread in family.spreads]))
    return Deltas(tuple(rows), tuple(spreads), step.skipped), step.finish()


class _Step:
    """One step of one pod's book."""

    def __init__(self, before: Book, join: Join, *, hold: bool) -> None:
        self._before, self._join, self._hold = before, join, hold
        self._is_known = join is not Join.UNKNOWN
        # What began at 0 with another run says nothing of this one.
        self._own, self._spreads = (before.own, before.spreads) if join is Join.SAME_RUN else ({}, {})
        self._after = Book(held=dict(before.held), held_spreads=dict(before.held_spreads), forgot=before.forgot)
        self._last, self._now, self._counts_unseen = before.values, self._after.values, False
        self.skipped: Counter[str] = Counter()

    def begin(self, family: SeriesFamily) -> None:
        """What holds for all series of a family: where they stood, and whether one that is not in the book began at 0."""
        self._counts_unseen = self._counts_unseen_of(from_zero=family.from_zero)
        if family.from_zero:
            self._last, self._now = self._own, self._after.own
        else:
            self._last, self._now = self._before.values, self._after.values

    def rows_of(self, family: SeriesFamily) -> tuple[float | None, ...]:
        """One delta for each row; where there are spreads, the rows are only another view of them."""
        endings = () if family.spreads else _ADDS_UP.get(family.kind, ())
        if not endings:
            return ()
        if endings == _EVERY:
            return tuple([None if row.name.endswith("_created") else self._row(row) for row in family.rows])
        names, total = {family.name + ending for ending in endings}, family.name + "_sum"
        grown = self._grown(family)
        return tuple(
            [
                None
                if row.name not in names
                else self._row(row)
                if row.name != total
                else self._sum(row, goes_on=row.labels in grown)
                for row in family.rows
            ]
        )

    def spread_of(self, family: str, spread: Spread) -> Distribution | None:
        """What fell where since the last one."""
        now, key = spread.sketch, f"{family}{{{spread.labels}"
        if key in self._after.spreads:
            return None
        if not is_sane(now):
            self.skipped["not_finite"] += 1
            return None
        self._after.spreads[key] = now
        last = self._spreads.get(key)
        delta = None
        if self._is_known and (last is not None or self._counts_unseen_of(from_zero=True)):
            delta = now if last is None else since(last, now)
        held = self._after.held_spreads.pop(key, None)
        if held is not None:
            delta = held if delta is None else merged(held, delta)
        if not self._hold or delta is None:
            return delta
        self._after.held_spreads[key] = delta
        return None

    def finish(self) -> Book:
        """The book after all families: what vanished is remembered, as a series that comes back is not born."""
        before, after = self._before, self._after
        after.live = len(after.values)
        after.values = {**after.values, **{key: last for key, last in before.values.items() if key not in after.values}}
        after.own |= {key: last for key, last in self._own.items() if key not in after.own}
        after.spreads |= {key: last for key, last in self._spreads.items() if key not in after.spreads}
        # One snapshot without them (a scrape that failed) makes nothing forgotten.
        surplus = len(after.values) - after.live - max(MAX_VANISHED, before.live)
        if surplus > 0:
            for key in list(islice(reversed(after.values), surplus)):
                del after.values[key]
            after.forgot = True
        self._bound_held()
        return after

    def _counts_unseen_of(self, *, from_zero: bool) -> bool:
        goes_on = self._join in _GOES_ON and not self._before.forgot
        return goes_on or (from_zero and self._join in _BEGINS)

    def _bound_held(self) -> None:
        """Deltas of series that do not come back are not kept for ever."""
        held = self._after.held
        for key in list(islice(held, max(len(held) - MAX_VANISHED, 0))):
            del held[key]
            self.skipped["held_too_long"] += 1

    def _row(self, row: Row) -> float | None:
        value = float(row.value)
        if not 0 <= value < math.inf:
            self.skipped["negative" if -math.inf < value < 0 else "not_finite"] += 1
            return None
        key = f"{row.name}{{{row.labels}"
        last = self._last.get(key)
        return self._count(key, value, value if last is None or value < last else value - last)

    def _sum(self, row: Row, *, goes_on: bool) -> float | None:
        """A sum may fall without a reset, where negative values were observed: its count tells."""
        value, key = float(row.value), f"{row.name}{{{row.labels}"
        if not math.isfinite(value):
            self.skipped["not_finite"] += 1
            return None
        return self._count(key, value, value - self._last.get(key, 0.0) if goes_on else value)

    def _count(self, key: str, value: float, delta: float) -> float | None:
        if key in self._now:  # said twice: the first one counts
            return None
        self._now[key] = value
        is_known = self._is_known and (self._counts_unseen or key in self._last)
        held = self._after.held
        if self._hold:
            if is_known:
                held[key] = held.get(key, 0.0) + delta
            return None
        if key in held:
            return held.pop(key) + (delta if is_known else 0.0)
        return delta if is_known else None

    def _grown(self, family: SeriesFamily) -> set[str]:
        """The label sets whose count of observations has not begun again."""
        name, last = family.name + "_count", self._last
        return {
            row.labels
            for row in family.rows
            if row.name == name and float(row.value) >= last.get(f"{name}{{{row.labels}", math.inf)
        }
