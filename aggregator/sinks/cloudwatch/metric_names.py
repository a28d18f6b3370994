"""Which metrics go to CloudWatch, and the unit that each has there.

Room: aggregator sinks, pure. Never enters: values.
"""

import fnmatch
import hashlib
import re
from collections.abc import Sequence

from aggregator.core.series import SeriesFamily
from aggregator.core.vendor_names import CONTAINER_INSIGHTS, Insight, Reading
from aggregator.sinks.cloudwatch.emf import metric_name
from aggregator.sinks.cloudwatch.metric_config import DEFAULT

_MAX_KNOWN = 50_000  # names that were asked for: ever new ones must not fill the memory
_ENDINGS = {"seconds": "Seconds", "milliseconds": "Milliseconds", "bytes": "Bytes", "percent": "Percent"}
_PARTS = re.compile(r"_(?:total|sum|count|bucket)\Z")


class Chosen:
    """What is sent. Safe to ask from several threads: at worst one works out what another has.

    insights: of Container Insights' metrics; families: what those are made of. fingerprint: another choice has another.
    """

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        patterns = [pattern for pattern in include if pattern != DEFAULT]
        self._include, self._exclude = _any_of(patterns), _any_of(exclude)
        self.insights = frozenset(
            name
            for name, insight in CONTAINER_INSIGHTS.items()
            if (insight.by_default and DEFAULT in include and not self._exclude.fullmatch(name)) or self._takes(name)
        )
        # Whatever the others among them need are fields of the same events.
        self.families = (
            frozenset(reading.family for insight in CONTAINER_INSIGHTS.values() for reading in readings_of(insight))
            if self.insights
            else frozenset[str]()
        )
        self._known: dict[str, str | None] = {}
        said = "\n".join([*sorted(patterns), "", *sorted(exclude), "", *sorted(self.insights)])
        self.fingerprint = hashlib.blake2b(said.encode(), digest_size=6).hexdigest()

    def name(self, said: str) -> str | None:
        """The name under which a series goes that is none of Container Insights'; None where it does not go."""
        if said in self._known:
            return self._known[said]
        name = metric_name(said)
        answer = name if name and self._takes(name) else None
        if len(self._known) < _MAX_KNOWN:
            self._known[said] = answer
        return answer

    def _takes(self, name: str) -> bool:
        return bool(self._include.fullmatch(name)) and not self._exclude.fullmatch(name)


def readings_of(insight: Insight) -> list[Reading]:
    """What it is made of."""
    return [one for one in (insight.of, insight.plus, insight.percent_of) if one is not None]


def said_name(family: SeriesFamily) -> str:
    """A family's name at CloudWatch: of DogStatsD as the app said it, of all others as it is exposed."""
    return family.said if family.source == "dogstatsd" and family.said else family.name


def unit_of(family: SeriesFamily, *, counts: bool = False) -> str:
    """CloudWatch's word for a family's unit; `counts`: of what has none and is counted."""
    if family.flavour == "timing":
        return "Milliseconds"
    last = family.unit or _PARTS.sub("", family.name).rpartition("_")[2]
    return _ENDINGS.get(last, "Count" if counts else "None")


def _any_of(patterns: Sequence[str]) -> re.Pattern[str]:
    """What one of the patterns matches; of none, nothing."""
    return re.compile("|".join(map(fnmatch.translate, patterns)) if patterns else r"(?!)")
