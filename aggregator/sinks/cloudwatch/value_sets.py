"""Distributions and histograms as values with counts, at most as many as CloudWatch takes of one metric.

Room: aggregator sinks, pure. Never enters: names, labels, JSON.
"""

import math
from collections.abc import Sequence

from aggregator.sinks.cloudwatch.emf import MAX_VALUES, ValueSet
from towline.wire.snapshot import SKETCH_GAMMA, Distribution

_MIDDLE = 2.0 / (1.0 + SKETCH_GAMMA)  # of a bucket, by its upper bound: at most 1 % from any value in it

Weighed = tuple[float, float]  # a value, and how often it was there


def set_of_sketch(delta: Distribution) -> ValueSet | None:
    """What was counted, each value to 1 % (less where they are too many), count and sum exact. None where nothing was."""
    weighed = [(-_middle(index), delta.negative[index]) for index in sorted(delta.negative, reverse=True)]
    weighed.append((0.0, delta.zeros))
    weighed += [(_middle(index), delta.positive[index]) for index in sorted(delta.positive)]
    return _set_of(weighed, delta.sum)


def set_of_buckets(buckets: Sequence[Weighed], total: float | None) -> ValueSet | None:
    """Of a classic histogram: `(upper bound, how many at or below it)`, ascending, and the sum where it is known.

    A bucket's values count as its middle. Above the last finite bound nothing is known: such a value counts as that bound.
    """
    weighed: list[Weighed] = []
    below: float | None = None
    before = 0.0
    for bound, reached in buckets:
        times, before = max(reached - before, 0.0), max(reached, before)
        if math.isfinite(bound):
            lower = min(bound, 0.0) if below is None else below
            weighed.append((lower + (bound - lower) / 2, times))
            below = bound
        elif below is not None:
            weighed.append((below, times))
        elif before:  # one bucket for everything: only the mean is known
            weighed.append(((total or 0.0) / before, times))
    return _set_of(weighed, total)


def _set_of(weighed: Sequence[Weighed], total: float | None) -> ValueSet | None:
    there = [(value, times) for value, times in weighed if times > 0]
    if not there:
        return None
    while len(there) > MAX_VALUES:
        there = _in_pairs(there)
    return ValueSet([value for value, _ in there], [times for _, times in there], total)


def _in_pairs(weighed: Sequence[Weighed]) -> list[Weighed]:
    """Neighbours as one, at their weighed mean: half as many."""
    pairs = [weighed[place : place + 2] for place in range(0, len(weighed), 2)]
    return [_mean_of(pair) for pair in pairs]


def _mean_of(pair: Sequence[Weighed]) -> Weighed:
    times = sum(count for _, count in pair)
    return sum(value * (count / times) for value, count in pair), times


def _middle(index: int) -> float:
    """Infinite where a float cannot hold it: such a set is dropped as not finite."""
    try:
        return _MIDDLE * SKETCH_GAMMA**index
    except OverflowError:
        return math.inf
