"""One series of each kind that DogStatsD knows: what a value does to it, and what is read from it.

Room: collector core. Never enters: names, lines (core/statsd_parse.py), clocks.

All kinds share: `add(value, weight)`, the hot path, which takes in one value or raises ValueError and changes nothing; `updated`, which it sets and
whoever reads resets; `updated_at`, that reader's note.
"""

import math
from collections.abc import Mapping

from collector.core.sketch import Allowance, Budget, Priced, Sketch
from collector.core.statsd_parse import Kind, MalformedError
from towline.wire.snapshot import Distribution, Sample

_INF = math.inf


# What things take, with their share of a snapshot that is being made while the one before is sent (measured in a collector's process).
SERIES_BYTES = 640
SPREAD_BYTES = 480  # of a distribution, beside that
NAME_BYTES = 1000  # with its family in a snapshot
TEXT_FACTOR = 3  # names and tags stand in the series, in the line that is known for it, and in the snapshot
BUCKET_BYTES = 24
SET_VALUE_BYTES = 96
BYTES_OF_A_SERIES = 448  # so much room there is for each that is allowed ...
LEAST_BYTES = 1 << 20  # ... and for all of them at least


class Budgets:
    """What bounds the memory of all series together: their number, and what they hold."""

    def __init__(self, max_series: int) -> None:
        self.series = Budget(max_series)
        total_bytes = max(max_series * BYTES_OF_A_SERIES, LEAST_BYTES)
        self.bytes = Budget(total_bytes)
        # Of each no more than half: a few wide distributions must not keep every new series out.
        self.buckets = Priced(self.bytes, BUCKET_BYTES, total_bytes // BUCKET_BYTES // 2)
        self.set_values = Priced(self.bytes, SET_VALUE_BYTES, total_bytes // SET_VALUE_BYTES // 2)


def size_bytes(kind: Kind, name: str, labels: Mapping[str, str]) -> int:
    """What a series takes without its values."""
    text = len(name) + sum(map(len, labels)) + sum(map(len, labels.values()))
    return SERIES_BYTES + TEXT_FACTOR * text + (SPREAD_BYTES if SHAPES[kind] is Spread else 0)


class Counter:
    """Counts since the run began. What an app takes back has no place in a counter that only grows: it is kept apart, until it is read."""

    __slots__ = ("labels", "taken_back", "total", "updated", "updated_at")

    def __init__(self, labels: dict[str, str]) -> None:
        self.labels, self.updated, self.updated_at = labels, False, -_INF
        self.total = 0.0
        self.taken_back = 0.0

    def add(self, value: bytes, weight: float) -> None:
        amount = float(value) * weight
        total = self.total + amount
        if amount >= 0.0 and total < _INF:
            self.total = total
        elif amount < 0.0 and self.taken_back + amount > -_INF:
            self.taken_back += amount
        else:
            raise MalformedError("not_finite")
        self.updated = True

    def read(self) -> Sample:
        return Sample(self.labels, self.total)

    def read_taken_back(self) -> float:
        """What was taken back since this was last asked: 0 or less."""
        amount, self.taken_back = self.taken_back, 0.0
        return amount


class Gauge:
    """The last value."""

    __slots__ = ("labels", "updated", "updated_at", "value")

    def __init__(self, labels: dict[str, str]) -> None:
        self.labels, self.updated, self.updated_at = labels, False, -_INF
        self.value = 0.0

    def add(self, value: bytes, weight: float) -> None:  # noqa: ARG002 - a gauge has no weight, but all kinds are called alike
        number = float(value)
        if not -_INF < number < _INF:
            raise MalformedError("not_finite")
        self.value = number
        self.updated = True

    def read(self) -> Sample:
        return Sample(self.labels, self.value)


class UniqueSet:
    """How many different values came since the last snapshot was frozen; of each only a hash is kept."""

    __slots__ = ("_budget", "_gathered", "_most", "_new", "labels", "updated", "updated_at")

    def __init__(self, labels: dict[str, str], budget: Priced, most: int) -> None:
        self.labels, self.updated, self.updated_at = labels, False, -_INF
        self._budget, self._most = budget, most
        self._gathered: set[int] = set()
        self._new: set[int] = set()

    def add(self, value: bytes, weight: float) -> None:  # noqa: ARG002 - a set has no weight, but all kinds are called alike
        self.updated = True
        mark = hash(value)
        if mark in self._new:
            return
        if len(self._new) >= self._most or not self._budget.take(1):
            raise MalformedError("set_limit")
        self._new.add(mark)

    def read(self, *, fresh: bool) -> Sample:
        """`fresh`: what was read last was frozen, so it is over; else it is united with what came since."""
        held = len(self._gathered) + len(self._new)
        self._gathered = self._new if fresh else self._gathered | self._new
        self._new = set()
        self._budget.give(held - len(self._gathered))
        return Sample(self.labels, float(len(self._gathered)))

    def forget(self) -> None:
        """Give back what is held: the series ends."""
        self.read(fresh=True)
        self.read(fresh=True)


class Spread:
    """A distribution since the run began."""

    __slots__ = ("_budget", "labels", "sketch", "updated", "updated_at")

    def __init__(self, labels: dict[str, str], budget: Allowance) -> None:
        self.labels, self.updated, self.updated_at = labels, False, -_INF
        self._budget = budget
        self.sketch = Sketch()

    def add(self, value: bytes, weight: float) -> None:
        if not self.sketch.add(float(value), weight, self._budget):
            raise MalformedError("not_finite")
        self.updated = True

    def read(self) -> Distribution:
        return self.sketch.read(self.labels)


AnySeries = Counter | Gauge | UniqueSet | Spread

SHAPES: Mapping[Kind, type[AnySeries]] = {
    "counter": Counter,
    "gauge": Gauge,
    "set": UniqueSet,
    "histogram": Spread,
    "timing": Spread,
    "distribution": Spread,
}
MAX_SET_VALUES = 10_000


def begin(kind: Kind, labels: dict[str, str], budgets: Budgets) -> AnySeries:
    """A new series of a kind."""
    if kind == "counter":
        return Counter(labels)
    if kind == "gauge":
        return Gauge(labels)
    if kind == "set":
        return UniqueSet(labels, budgets.set_values, MAX_SET_VALUES)
    return Spread(labels, budgets.buckets)
