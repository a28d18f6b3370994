"""Which series of lines there are, by whose they are and by rule: what their number is bounded by.

Room: aggregator core. Never enters: totals, lines.
"""

from aggregator.core.log_metrics import SeriesKey


class Room:
    """All series of one sink."""

    def __init__(self) -> None:
        self._series: dict[str, dict[str, set[SeriesKey]]] = {}
        self.used = 0

    def has(self, key: SeriesKey) -> bool:
        """Whether there is this series."""
        return key in self._series.get(key.identity, {}).get(key.rule, ())

    def of(self, key: SeriesKey) -> int:
        """How many the rule has of that one owner."""
        return len(self._series.get(key.identity, {}).get(key.rule, ()))

    def take(self, key: SeriesKey) -> None:
        """Have a series in it."""
        if not self.has(key):
            self._series.setdefault(key.identity, {}).setdefault(key.rule, set()).add(key)
            self.used += 1

    def leave(self, key: SeriesKey) -> None:
        """Have it no more."""
        by_rule = self._series[key.identity]
        by_rule[key.rule].remove(key)
        self.used -= 1
        if not by_rule[key.rule]:
            del by_rule[key.rule]
        if not by_rule:
            del self._series[key.identity]

    def all_of(self, identity: str) -> list[SeriesKey]:
        """Everything that is of this owner."""
        return [key for keys in self._series.get(identity, {}).values() for key in keys]
