"""The fragments of one snapshot on their way: names chosen, values checked, and what lands on one point added up.

Room: aggregator sinks, pure. Never enters: families, scopes, sketches.
"""

import math
from collections import Counter
from collections.abc import Sequence

from aggregator.metric_sink import Fragment
from aggregator.sinks.datadog.metric_names import Chosen
from aggregator.sinks.datadog.metric_values import Drawn, thinned
from aggregator.sinks.datadog.series_payload import (
    COUNT,
    DISTRIBUTIONS,
    GAUGE,
    MAX_VALUES,
    MAX_VALUES_TOGETHER,
    RATE,
    SERIES,
    Stamp,
    distribution_bodies,
    series_body,
)


class Gathering:
    """Fragments in the order in which they came; `dropped` counts what is in none of them.

    Reasons: too_old, too_new, name (nothing is left of it), not_finite, thinned (values of distributions above MAX_VALUES, or
    MAX_VALUES_TOGETHER of all).
    """

    def __init__(self, chosen: Chosen, stamp: Stamp, *, statsd_rates: bool) -> None:
        self.fragments: list[Fragment] = []
        self.dropped: Counter[str] = Counter()
        self.stamp = stamp
        self._chosen = chosen
        self._statsd_kind = RATE if statsd_rates else COUNT
        self._values_left = MAX_VALUES_TOGETHER
        self._added_up: dict[tuple[str, bytes, int], float] = {}

    def gauge(self, said: str, value: float, tags: bytes, second: int | None = None) -> None:
        """A value at a time: the snapshot's, or `second`."""
        stamp = self.stamp if second is None else Stamp(second, self.stamp.interval_seconds)
        self._series(said, GAUGE, stamp, value, tags)

    def count(self, said: str, delta: float, tags: bytes) -> None:
        """What was counted since the last point."""
        self._series(said, COUNT, self.stamp, delta, tags)

    def statsd_count(self, said: str, delta: float, tags: bytes, second: int | None = None) -> None:
        """A DogStatsD count; of one series at one time there may be several, which Datadog would let overwrite each other."""
        key = (said, tags, self.stamp.second if second is None else second)
        self._added_up[key] = self._added_up.get(key, 0.0) + delta

    def distribution(self, said: str, drawn: Sequence[Drawn], tags: bytes) -> None:
        """Values of the interval."""
        name = self._name(said)
        if not name:
            return
        finite = [one for one in drawn if math.isfinite(one.value)]
        self.dropped["not_finite"] += sum(one.times for one in drawn) - sum(one.times for one in finite)
        kept, left_out = thinned(finite, min(MAX_VALUES, self._values_left))
        self.dropped["thinned"] += left_out
        self._values_left -= sum(one.times for one in kept)
        self.fragments += [
            Fragment(DISTRIBUTIONS, body) for body in distribution_bodies(name, self.stamp.second, kept, tags)
        ]

    def finish(self) -> None:
        """Put down what was added up."""
        for (said, tags, second), value in self._added_up.items():
            stamp = Stamp(second, self.stamp.interval_seconds)
            said_value = value / stamp.interval_seconds if self._statsd_kind == RATE else value
            self._series(said, self._statsd_kind, stamp, said_value, tags)
        self._added_up = {}

    def _series(self, said: str, kind: int, stamp: Stamp, value: float, tags: bytes) -> None:
        name = self._name(said)
        if not name:
            return
        if not math.isfinite(value):
            self.dropped["not_finite"] += 1
            return
        self.fragments.append(Fragment(SERIES, series_body(name, kind, stamp, value, tags)))

    def _name(self, said: str) -> str | None:
        name = self._chosen.name(said)
        if name == "":
            self.dropped["name"] += 1
        return name
