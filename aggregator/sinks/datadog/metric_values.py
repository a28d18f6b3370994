"""Distributions as values: what Datadog is told of a sketch, and of a Prometheus histogram.

Room: aggregator sinks, pure. Never enters: names, tags, JSON.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from towline.wire.snapshot import SKETCH_GAMMA, Distribution

_MIDDLE = 2.0 / (1.0 + SKETCH_GAMMA)  # of a bucket, by its upper bound: at most 1 % from any value in it
_POSITIONS = 8  # of a histogram's bucket, evenly over its width
_FARTHEST = 35_000  # buckets beyond this have no floating point number; only a pod that makes them up has any
_NOISE = 1e-6  # of counts that are sums of fractions


class Drawn(NamedTuple):
    """A value, and how often it was there."""

    value: float
    times: int


class Summary(NamedTuple):
    """What the Agent says of a DogStatsD histogram."""

    observed: float  # how many values, sampled ones counted for several
    avg: float
    median: float
    p95: float
    most: float


def summary_of(delta: Distribution) -> Summary | None:
    """Quantiles and the maximum to 1 %, count and average exact; None where nothing was counted."""
    ordered = _ordered(delta)
    total = sum(weight for _, weight in ordered)
    if not total or not delta.count:
        return None
    reached = list(accumulate(weight for _, weight in ordered))
    at = {
        share: next(i for i, sum_ in enumerate(reached) if sum_ >= share * total * (1 - 1e-9)) for share in (0.5, 0.95)
    }
    factor = _towards_sum(delta, ordered)
    median, p95, most = (ordered[i][0] * factor for i in (at[0.5], at[0.95], -1))
    return Summary(delta.count, delta.sum / delta.count, median, p95, most)


def drawn_of(delta: Distribution, now: Distribution) -> list[Drawn]:
    """The values of a sketch's delta, each within 2 %, their sum exact where all have one sign and none was coarse.

    Sampled values count in fractions, and values can only be told whole: what is rounded off now is told later, as `now` is cumulative.
    """
    factor = _towards_sum(delta, _ordered(delta))
    drawn = [
        Drawn(-_middle(i) * factor, n) for i, n in sorted(_whole(delta.negative, now.negative).items(), reverse=True)
    ]
    drawn += [Drawn(0.0, n) for n in _whole({0: delta.zeros}, {0: now.zeros}).values()]
    drawn += [Drawn(_middle(i) * factor, n) for i, n in sorted(_whole(delta.positive, now.positive).items())]
    return drawn


def drawn_of_buckets(buckets: Sequence[tuple[float, float]]) -> list[Drawn]:
    """The values of a histogram's delta: `(upper bound, how many at or below it)`, ascending. Within a bucket they are taken to lie evenly.

    Above the last finite bound nothing is known: such a value counts as that bound.
    """
    drawn: list[Drawn] = []
    below, before = None, 0.0
    for bound, reached in buckets:
        times = round(max(reached - before, 0.0))
        before = max(reached, before)
        if math.isfinite(bound):
            lower = min(bound, 0.0) if below is None else below
            drawn += _evenly(lower, bound, times)
            below = bound
        elif bound > 0 and times:
            drawn.append(Drawn(below or 0.0, times))
    return drawn


def thinned(drawn: Sequence[Drawn], most: int) -> tuple[list[Drawn], int]:
    """As many values as may be sent, each as likely as the others, and how many were left out."""
    total = sum(one.times for one in drawn)
    if total <= most:
        return list(drawn), 0
    kept, seen, given = [], 0, 0
    for value, times in drawn:
        seen += times
        share = seen * most // total - given
        given += share
        if share:
            kept.append(Drawn(value, share))
    return kept, total - most


def _evenly(lower: float, upper: float, times: int) -> list[Drawn]:
    places = min(times, _POSITIONS)
    step = (upper - lower) / places if places else 0.0
    return [
        Drawn(lower + step * (place + 0.5), (place + 1) * times // places - place * times // places)
        for place in range(places)
    ]


def _middle(index: int) -> float:
    return _MIDDLE * SKETCH_GAMMA ** min(max(index, -_FARTHEST), _FARTHEST)


def _ordered(delta: Distribution) -> list[tuple[float, float]]:
    """Values and their weights, ascending."""
    ordered = [(-_middle(index), delta.negative[index]) for index in sorted(delta.negative, reverse=True)]
    if delta.zeros:
        ordered.append((0.0, delta.zeros))
    return ordered + [(_middle(index), delta.positive[index]) for index in sorted(delta.positive)]


def _towards_sum(delta: Distribution, ordered: Sequence[tuple[float, float]]) -> float:
    """What each value is multiplied with so that the sum is right; 1 where that cannot be said."""
    if delta.negative and delta.positive:
        return 1.0
    told = sum(value * weight for value, weight in ordered)
    factor = delta.sum / told if told else 1.0
    return factor if 2 - SKETCH_GAMMA < factor < SKETCH_GAMMA else 1.0


def _whole(delta: Mapping[int, float], now: Mapping[int, float]) -> dict[int, int]:
    whole = {}
    for index, count in delta.items():
        end = now.get(index, 0.0)
        times = math.floor(end + 0.5 + _NOISE) - math.floor(end - count + 0.5 + _NOISE)
        if times > 0:
            whole[index] = times
    return whole
