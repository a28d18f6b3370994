"""Metric names as Datadog has them, and which of them are sent.

Room: aggregator sinks, pure. Never enters: values. Rules: docs.datadoghq.com/metrics/custom_metrics: a letter first, then letters of ASCII,
digits, `_` and `.`, at most 200; other characters become `_` there as well.
"""

import fnmatch
import re
from collections.abc import Sequence

MAX_NAME_CHARS = 200
_MAX_KNOWN = 50_000  # names that were asked for: ever new ones must not fill the memory
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.]")
_BEFORE_LETTER = re.compile(r"\A[^A-Za-z]+")


def datadog_name(name: str) -> str:
    """`name` as it can stand there; "" where nothing is left of it."""
    return _BEFORE_LETTER.sub("", _NOT_IN_A_NAME.sub("_", name))[:MAX_NAME_CHARS]


class Chosen:
    """Which names go. Safe to ask from several threads: at worst one works out what another has."""

    def __init__(self, include: Sequence[str], exclude: Sequence[str]) -> None:
        self._include, self._exclude = _any_of(include), _any_of(exclude)
        self._known: dict[str, str | None] = {}

    def name(self, said: str) -> str | None:
        """The name under which `said` goes; "" where it cannot be one, None where it is not wanted."""
        if said in self._known:
            return self._known[said]
        name = datadog_name(said)
        goes = (self._include is None or self._include.fullmatch(name)) and not (
            self._exclude is not None and self._exclude.fullmatch(name)
        )
        answer = name if goes or not name else None
        if len(self._known) < _MAX_KNOWN:
            self._known[said] = answer
        return answer


def _any_of(patterns: Sequence[str]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(fnmatch.translate, patterns))) if patterns else None
