"""A distribution as a classic histogram: how many values lay at or below each of the page's fixed bounds.

Room: aggregator core. Never enters: where the distribution was counted, the page.
"""

import math
from itertools import accumulate

from aggregator.core.exposition_lines import number
from aggregator.core.series import Row
from towline.wire.snapshot import SKETCH_GAMMA, Distribution

# Prometheus' own default bounds and a thousand times them, so that seconds and milliseconds both find theirs.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000)

BOUND = "\0"  # stands for a bound's number in a label text that is to have one
_BOUND_TEXTS = (*map(number, BOUNDS), "+Inf")
# A sketch's bucket that holds the bound counts as at or below it: a value equal to a bound must, and others are at most 2 % above.
_LAST_INDEXES = tuple(math.ceil(math.log(bound) / math.log(SKETCH_GAMMA)) for bound in BOUNDS)


def bucket_rows(name: str, labels: str, bounded: str, sketch: Distribution) -> list[Row] | None:
    """`_bucket`, `_sum` and `_count` of one distribution, or None where its numbers cannot be. Counts are rounded: sampled values count in parts.

    labels, bounded: canonical, without `le` and with `le="BOUND"`. A negative sum leaves `_sum` and `_count` out, as OpenMetrics asks.
    """
    shares = (sketch.zeros, *sketch.negative.values(), *sketch.positive.values())
    if not all(0 <= share < math.inf for share in shares) or not math.isfinite(sum(shares)) or math.isnan(sketch.sum):
        return None
    counts = [number(round(count)) for count in _cumulative(sketch)]
    left, _, right = f",{bounded}".partition(f',le="{BOUND}"')
    before, after = f'{left},le="'[1:], f'"{right}'
    rows = [
        Row(f"{name}_bucket", f"{before}{text}{after}", count) for text, count in zip(_BOUND_TEXTS, counts, strict=True)
    ]
    if sketch.sum >= 0:
        rows += (Row(f"{name}_sum", labels, number(sketch.sum)), Row(f"{name}_count", labels, counts[-1]))
    return rows


def _cumulative(sketch: Distribution) -> list[float]:
    per_bound = [0.0] * (len(BOUNDS) + 1)
    per_bound[0] = sketch.zeros + sum(sketch.negative.values())
    at = 0
    for index in sorted(sketch.positive):
        while at < len(BOUNDS) and index > _LAST_INDEXES[at]:
            at += 1
        per_bound[at] += sketch.positive[index]
    return list(accumulate(per_bound))
