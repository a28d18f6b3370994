"""What was counted between a pod's last settled snapshot and the next one: the one place where cumulative values become deltas.

Room: aggregator core. Never enters: sinks, clocks. docs/design/metrics.md has the table that this follows; core/joining.py says how two
snapshots hang together.
"""

import math
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

from aggregator.core.book import MAX_ENDPOINTS, MAX_VANISHED, Book
from aggregator.core.endpoints import ANY_FAMILY, NOT_SCRAPED, endpoint_of
from aggregator.core.joining import Join
from aggregator.core.series import Opened, Row, SeriesFamily, Spread
from aggregator.core.spreads import is_sane, merged, since
from towline.wire.snapshot import Distribution

_EVERY = ("",)
_MAX_FAMILIES = 1_000  # of an endpoint that are named in a book; of more, it is any
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
    if book is None and join in _GOES_ON:
        join = Join.UNKNOWN  # there was one, and it cannot be read
    step = _Step(book or Book(), join, hold=hold)
    rows, spreads = [], []
    for family in opened.families:
        step.begin(family)
        rows.append(step.rows_of(family))
        spreads.append(tuple([step.spread_of(family.name, spread) for spread in family.spreads]))
    return Deltas(tuple(rows), tuple(spreads), step.skipped), step.finish(opened.seen)


class _Step:
    """One step of one pod's book."""

    def __init__(self, before: Book, join: Join, *, hold: bool) -> None:
        self._before, self._join, self._hold = before, join, hold
        self._is_known = join is not Join.UNKNOWN
        # What began at 0 with another run says nothing of this one.
        self._own, self._spreads = (before.own, before.spreads) if join is Join.SAME_RUN else ({}, {})
        self._run_is_whole = join in _BEGINS or (join is Join.SAME_RUN and before.is_whole_run)
        self._after = Book(held=dict(before.held), held_spreads=dict(before.held_spreads), forgot=before.forgot)
        self._last, self._now = before.values, self._after.values
        self._family, self._is_scraped, self._may_begin = "", False, False
        self.skipped: Counter[str] = Counter()

    def begin(self, family: SeriesFamily) -> None:
        """What holds for all series of a family: where they stood, and whether one that is not in the book may have begun at 0."""
        self._family, self._is_scraped = family.name, family.source == "scrape"
        self._may_begin = self._may_begin_of(from_zero=family.from_zero)
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
        if self._is_known and (last is not None or self._may_begin_of(from_zero=True)):
            delta = now if last is None else since(last, now)
        held = self._after.held_spreads.pop(key, None)
        if held is not None:
            delta = held if delta is None else merged(held, delta)
        if not self._hold or delta is None:
            return delta
        self._after.held_spreads[key] = delta
        return None

    def finish(self, seen: Mapping[str, frozenset[str]]) -> Book:
        """The book after all families: what vanished is remembered, as a series that comes back is not born."""
        before, after = self._before, self._after
        after.live = len(after.values)
        vanished = {key: last for key, last in before.values.items() if key not in after.values}
        if not self._is_known:  # what it counted meanwhile was counted elsewhere
            vanished = dict.fromkeys(vanished, math.nan)
        after.values |= vanished
        after.own |= {key: last for key, last in self._own.items() if key not in after.own}
        after.spreads |= {key: last for key, last in self._spreads.items() if key not in after.spreads}
        # One snapshot without them (a scrape that failed) makes nothing forgotten.
        surplus = len(after.values) - after.live - max(MAX_VANISHED, before.live)
        if surplus > 0:
            for key in list(islice(reversed(after.values), surplus)):
                del after.values[key]
            after.forgot = True
        after.is_whole_run = self._run_is_whole
        after.seen = self._seen_after(seen)
        self._bound_held()
        return after

    def _seen_after(self, seen: Mapping[str, frozenset[str]]) -> dict[str, tuple[str, ...]]:
        """Of an endpoint whose scrape failed, the book goes on having what it had; unless others may have seen it meanwhile."""
        kept = {it: names for it, names in self._before.seen.items() if it not in seen} if self._is_known else {}
        for endpoint, names in seen.items():
            kept[endpoint] = tuple(sorted(names)) if len(names) <= _MAX_FAMILIES else (ANY_FAMILY,)
        return dict(islice(kept.items(), max(len(kept) - MAX_ENDPOINTS, 0), None))

    def _may_begin_of(self, *, from_zero: bool) -> bool:
        """Whether a series that is not in the book may have begun since. Of what began at 0 with its run, nothing was sent yet."""
        if from_zero and self._run_is_whole:
            return True
        if self._join not in _GOES_ON or (self._before.forgot and not from_zero):
            return False
        return self._is_scraped or self._has_all(NOT_SCRAPED)

    def _has_all(self, endpoint: str) -> bool:
        """Whether the book has all series that the family had when the endpoint was last seen."""
        missing = self._before.seen.get(endpoint, () if endpoint == NOT_SCRAPED else None)
        return missing is not None and self._family not in missing and ANY_FAMILY not in missing

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
        """A sum may fall without a reset, where negative values were observed: its count tells, and where it stood is not known without one."""
        value, key = float(row.value), f"{row.name}{{{row.labels}"
        if not math.isfinite(value):
            self.skipped["not_finite"] += 1
            return None
        return self._count(key, value, value - self._last.get(key, math.nan) if goes_on else value)

    def _count(self, key: str, value: float, delta: float) -> float | None:
        if key in self._now:  # said twice: the first one counts
            return None
        self._now[key] = value
        is_known = self._is_known and not math.isnan(delta) and (key in self._last or self._begins(key))
        held = self._after.held
        if self._hold:
            if is_known:
                held[key] = held.get(key, 0.0) + delta
            return None
        if key in held:
            return held.pop(key) + (delta if is_known else 0.0)
        return delta if is_known else None

    def _begins(self, key: str) -> bool:
        """Whether a series that is not in the book began at 0 since the book was written."""
        return self._may_begin and (not self._is_scraped or self._has_all(endpoint_of(key)))

    def _grown(self, family: SeriesFamily) -> set[str]:
        """The label sets whose count of observations has not begun again."""
        name, last = family.name + "_count", self._last
        return {
            row.labels
            for row in family.rows
            if row.name == name and not float(row.value) < last.get(f"{name}{{{row.labels}", math.inf)
        }
