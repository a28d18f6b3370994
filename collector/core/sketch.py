"""How often values fell where, to 1 %: counts in buckets whose bounds grow by SKETCH_GAMMA.

Room: collector core. Never enters: clocks, sockets.

Everything only grows, so that the difference of two readings is what came between them: buckets are never joined afterwards. What bounds the
memory is decided when a value comes: one that lies too far from the others, or comes when the budget is spent, is counted in the nearest
bucket that there is, and counted as coarse. Count and sum stay exact.
"""

import math
from array import array
from typing import Protocol, cast

import msgspec

from towline.wire.snapshot import SKETCH_GAMMA, Distribution

BUCKETS_PER_E = 1.0 / math.log(SKETCH_GAMMA)
MAX_WIDTH = 2048  # buckets from the least to the greatest value of one sign: a factor of 10**17
SLACK = 16  # buckets added at once: values come near one another

_ceil, _log = math.ceil, math.log
_NONE = array("d")  # most series have values of one sign


class Allowance(Protocol):
    """What may be taken of something that there is only so much of."""

    def take(self, wanted: int) -> bool: ...


class Budget:
    """What all series may hold together."""

    def __init__(self, left: int) -> None:
        self.left = left

    def take(self, wanted: int) -> bool:
        """Whether there was that much; if so it is gone."""
        if wanted > self.left:
            return False
        self.left -= wanted
        return True


class Priced:
    """A budget, counted in things that take so much of it each, and of which there are no more than `left`."""

    def __init__(self, budget: Budget, price: int, left: int) -> None:
        self.left = left
        self._budget, self._price = budget, price

    def take(self, wanted: int) -> bool:
        """Whether there was room for so many; if so it is gone."""
        if wanted > self.left or not self._budget.take(wanted * self._price):
            return False
        self.left -= wanted
        return True

    def give(self, count: int) -> None:
        """So many are gone."""
        self.left += count
        self._budget.left += count * self._price


class Buckets:
    """The buckets of one sign: a run of counts, `first` being the index of its first."""

    __slots__ = ("counts", "first")

    def __init__(self) -> None:
        self.counts = _NONE
        self.first = 0

    def widen(self, index: int, weight: float, budget: Allowance) -> bool:
        """Count in a bucket that is not there yet. False where it had to go to the nearest one that is."""
        counts = self.counts
        if not counts:
            # The first bucket is not paid for: a series without any could not count at all.
            self.first = index
            self.counts = array("d", (weight,))
            return True
        before, after = self.first - index, index - (self.first + len(counts)) + 1
        wanted = max(before, after)
        room = MAX_WIDTH - len(counts)
        added = min(wanted + SLACK, room)
        exact = wanted <= room and budget.take(added)
        if exact and before > 0:
            self.counts = counts = array("d", bytes(8 * added)) + counts
            self.first -= added
        elif exact:
            counts.frombytes(bytes(8 * added))
        counts[min(max(index - self.first, 0), len(counts) - 1)] += weight
        return exact

    def read(self) -> dict[int, float]:
        """Counts by index, as they travel: thousands of them in a dict would take ten times the room. Whole ones as int, a third on the wire."""
        first = self.first
        counts = {
            first + place: int(count) if count.is_integer() else count
            for place, count in enumerate(self.counts)
            if count
        }
        return cast("dict[int, float]", msgspec.Raw(msgspec.msgpack.encode(counts))) if counts else counts


class Sketch:
    """One series' distribution since it began."""

    __slots__ = ("coarse", "count", "negative", "positive", "sum", "zeros")

    def __init__(self) -> None:
        self.count = 0.0
        self.sum = 0.0
        self.zeros = 0.0
        self.coarse = 0
        self.positive = Buckets()
        self.negative = Buckets()

    def add(self, value: float, weight: float, budget: Allowance) -> bool:
        """Count a value `weight` times. False, and nothing is changed, where it is not finite or would make the sum so."""
        total = self.sum + value * weight
        if not -math.inf < total < math.inf:
            return False
        self.sum = total
        self.count += weight
        if not value:
            self.zeros += weight
            return True
        buckets = self.positive if value > 0.0 else self.negative
        index = _ceil(_log(abs(value)) * BUCKETS_PER_E)
        place = index - buckets.first
        if 0 <= place < len(buckets.counts):
            buckets.counts[place] += weight
        elif not buckets.widen(index, weight, budget):
            self.coarse += 1
        return True

    def read(self, labels: dict[str, str]) -> Distribution:
        """As it travels."""
        return Distribution(labels, self.count, self.sum, self.zeros, self.positive.read(), self.negative.read())
