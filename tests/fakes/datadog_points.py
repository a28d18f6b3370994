"""Series and distributions as Datadog shows them: of points with the same name, tags and time the last one stays; distributions add up."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, NamedTuple

COUNT, RATE, GAUGE = 1, 2, 3


class Key(NamedTuple):
    """One series."""

    metric: str
    tags: frozenset[str]


@dataclass(frozen=True)
class Points:
    """`series`: by series and second, (type, value as it counts: a rate's times its interval). `values`: of distributions, in order."""

    series: dict[Key, dict[int, tuple[int, float]]]
    values: dict[Key, list[float]]

    @classmethod
    def of(cls, series: list[dict[str, Any]], distributions: list[dict[str, Any]]) -> "Points":
        seen: dict[Key, dict[int, tuple[int, float]]] = defaultdict(dict)
        for one in series:
            times = one["interval"] if one["type"] == RATE else 1
            for point in one["points"]:
                seen[_key(one)][point["timestamp"]] = (one["type"], point["value"] * times)
        values: dict[Key, list[float]] = defaultdict(list)
        for one in distributions:
            for _, more in one["points"]:
                values[_key(one)] += more
        return cls(dict(seen), dict(values))

    def names(self) -> set[str]:
        return {key.metric for key in (*self.series, *self.values)}

    def count(self, metric: str, *tags: str) -> float:
        """`sum:metric{tags}.as_count()` of all time."""
        return sum(
            value
            for key, points in self.series.items()
            if key.metric == metric and key.tags >= set(tags)
            for kind, value in points.values()
            if kind in {COUNT, RATE}
        )

    def last(self, metric: str, *tags: str) -> float:
        """The newest value of the one series that these tags are enough for."""
        [points] = [points for key, points in self.series.items() if key.metric == metric and key.tags >= set(tags)]
        return points[max(points)][1]

    def of_distribution(self, metric: str, *tags: str) -> list[float]:
        return [
            value
            for key, values in self.values.items()
            if key.metric == metric and key.tags >= set(tags)
            for value in values
        ]


def _key(one: dict[str, Any]) -> Key:
    return Key(one["metric"], frozenset(one.get("tags", ())))
