"""What a destination can know of a counter: plain arithmetic over the snapshots that it was owed, in order. None of it is the product's.

Which snapshots those are: every one that an aggregator took, but what it shed. Late words of a life of the collector that is over are none.

- A counter that begins at 0 with each life of the collector (DogStatsD) is known by its lives: of each, the last value.
- Any other counter (scraped, or read by a sampler) is known by its falls: from the first value on, what it grew by, and where it fell its whole
  value. A life of the app whose first value is not below the last one before it cannot be told from that life going on.
- Datadog and CloudWatch are told what was counted. What was counted in snapshots that are too old waits for the next point; a goodbye forgets what
  was known of the pod, and what waits with it.
- Remote write receivers are told values: `increase` of those that were not too old, by falls whatever the counter is.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple


class Seen(NamedTuple):
    """One snapshot. life: of the collector. values: by counter. is_sent: it was not too old. is_last: a goodbye."""

    life: int
    values: Mapping[str, float]
    is_sent: bool = True
    is_last: bool = False


def in_time(history: Iterable[Seen]) -> Iterator[Seen]:
    newest = 0
    for seen in history:
        if seen.life >= newest:
            newest = seen.life
            yield seen


class _Waiting:
    """What was counted, once it is sent."""

    def __init__(self) -> None:
        self.total = self._waits = 0.0

    def add(self, counted: float, *, is_sent: bool) -> None:
        self._waits += counted
        if is_sent:
            self.total += self._waits
            self._waits = 0.0

    def forget(self) -> None:
        self._waits = 0.0


def by_lives(history: Iterable[Seen], name: str) -> float:
    counted, life, last = _Waiting(), 0, 0.0
    for seen in in_time(history):
        last, life = last if seen.life == life else 0.0, seen.life
        if name in seen.values:
            counted.add(seen.values[name] - last, is_sent=seen.is_sent)
            last = seen.values[name]
        if seen.is_last:
            counted.forget()
    return counted.total


def by_falls(history: Iterable[Seen], name: str) -> float:
    """A series that is new in a pod that was known began meanwhile."""
    counted, last = _Waiting(), None
    for seen in in_time(history):
        if name in seen.values:
            value = seen.values[name]
            if last is not None:
                counted.add(grown(last, value), is_sent=seen.is_sent)
            else:
                counted.add(0.0, is_sent=seen.is_sent)
            last = value
        elif last is None:
            last = 0.0
        if seen.is_last:
            counted.forget()
            last = None
    return counted.total


def by_increase(history: Iterable[Seen], name: str, *, begins_at_0: bool) -> float:
    values = [seen.values[name] for seen in in_time(history) if seen.is_sent and name in seen.values]
    return increase(values, begins_at_0=begins_at_0)


def increase(values: Sequence[float], *, begins_at_0: bool) -> float:
    """As Prometheus works it out, over all time and without extrapolation. `begins_at_0`: the first value was counted too."""
    told = [0.0, *values] if begins_at_0 else values
    return sum(grown(last, value) for last, value in pairwise(told))


def grown(last: float, value: float) -> float:
    return value if value < last else value - last
