"""Arithmetic of cumulative sketches: what was added between two of them, and two of them as one.

Room: aggregator core. Never enters: anything but numbers.
"""

import math
from collections.abc import Mapping

from towline.wire.snapshot import Distribution

_ROUNDING = 1e-9  # of a count: sampled values count for 1/rate each, so counts are sums of fractions


def is_sane(sketch: Distribution) -> bool:
    """True where it can be one: counts are finite and not negative, the sum is finite."""
    counts = (sketch.count, sketch.zeros, *sketch.positive.values(), *sketch.negative.values())
    return all(0 <= count < math.inf for count in counts) and math.isfinite(sketch.sum)


def since(last: Distribution, now: Distribution) -> Distribution:
    """What was added after `last`; all of `now` where anything has become less: it began again."""
    positive, negative = _added(last.positive, now.positive), _added(last.negative, now.negative)
    count, zeros = _rest(last.count, now.count), _rest(last.zeros, now.zeros)
    if positive is None or negative is None or count is None or zeros is None:
        return now
    return Distribution(now.labels, count, now.sum - last.sum if count else 0.0, zeros, positive, negative)


def merged(one: Distribution, other: Distribution) -> Distribution:
    """Both as one, with the labels of `other`."""
    return Distribution(
        other.labels,
        one.count + other.count,
        one.sum + other.sum,
        one.zeros + other.zeros,
        _together(one.positive, other.positive),
        _together(one.negative, other.negative),
    )


def _added(last: Mapping[int, float], now: Mapping[int, float]) -> dict[int, float] | None:
    if any(bucket not in now for bucket in last):
        return None
    added = {}
    for bucket, count in now.items():
        rest = _rest(last.get(bucket, 0.0), count)
        if rest is None:
            return None
        if rest:
            added[bucket] = rest
    return added


def _rest(last: float, now: float) -> float | None:
    """`now - last`, 0 where only rounding lies between; None where `now` is less."""
    rest = now - last
    if abs(rest) <= _ROUNDING * last:
        return 0.0
    return None if rest < 0 else rest


def _together(one: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float]:
    return {bucket: one.get(bucket, 0.0) + other.get(bucket, 0.0) for bucket in {**one, **other}}
