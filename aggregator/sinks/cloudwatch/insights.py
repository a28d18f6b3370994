"""Container Insights' metrics of one snapshot, by the table in core/vendor_names.py.

Room: aggregator sinks, pure. Never enters: JSON, dimensions, how counts became deltas.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from aggregator.core.series import SeriesFamily
from aggregator.core.vendor_names import CONTAINER_INSIGHTS, Insight, Reading, chosen_scope

Counts = Sequence[float | None]  # beside a family's rows; empty where nothing adds up
LabelsOf = Callable[[str], Mapping[str, str]]


class _Scoped(NamedTuple):
    """A family's rows of one scope: what they say, and what they grew by."""

    values: list[float]
    grown: list[float]


class Insights:
    """Works out one snapshot's metrics. `seconds`: that the deltas cover; not above 0 where there can be no rates."""

    def __init__(self, families: Sequence[tuple[SeriesFamily, Counts]], labels_of: LabelsOf, seconds: float) -> None:
        self._families = {family.name: (family, counts) for family, counts in families if family.source == "pod"}
        self._labels_of = labels_of
        self._seconds = seconds
        self._scoped: dict[str, dict[str, _Scoped]] = {}

    def all(self) -> dict[str, float]:
        """Every metric that the snapshot allows. A value that is no number is left in: who sends it counts it."""
        found = {name: self._insight(insight) for name, insight in CONTAINER_INSIGHTS.items()}
        return {name: value for name, value in found.items() if value is not None}

    def _insight(self, insight: Insight) -> float | None:
        value = self._reading(insight.of)
        if value is None:
            return None
        if insight.plus is not None:
            more = self._reading(insight.plus)
            return None if more is None else value + more
        if insight.percent_of is not None:
            whole = self._reading(insight.percent_of)
            return 100.0 * value / whole if whole else None
        return value

    def _reading(self, reading: Reading) -> float | None:
        scoped = self._by_scope(reading.family)
        scope = chosen_scope(reading.scopes, scoped) if reading.scopes else next(iter(scoped), None)
        if scope is None:
            return None
        if reading.taken == "gauge":
            return sum(scoped[scope].values) * reading.scale
        if not scoped[scope].grown or self._seconds <= 0:
            return None
        return sum(scoped[scope].grown) / self._seconds * reading.scale

    def _by_scope(self, name: str) -> dict[str, _Scoped]:
        known = self._scoped.get(name)
        if known is None:
            known = self._scoped[name] = self._read(name)
        return known

    def _read(self, name: str) -> dict[str, _Scoped]:
        if name not in self._families:
            return {}
        found: dict[str, _Scoped] = defaultdict(lambda: _Scoped([], []))
        family, counts = self._families[name]
        for place, row in enumerate(family.rows):
            scoped = found[self._labels_of(row.labels).get("scope", "")]
            scoped.values.append(float(row.value))
            count = counts[place] if counts else None
            if count is not None:
                scoped.grown.append(count)
        return dict(found)
