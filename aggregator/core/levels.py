"""How bad a line is: the spellings of loggers, made one word of nine; and the words that destinations know.

Room: aggregator core. Never enters: which field says it (parsers know).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

LEVELS = ("trace", "debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")
UNKNOWN = ""  # of an event that says no level, or none that is known; compared as `info`

# Lower case. Letters: klog, glog, logcat, logrus; fine...severe: java.util.logging; log, statement, hint, detail: PostgreSQL;
# verbose, information: .NET; emerg...err: syslog(3), where panic is emerg.
_SPELLINGS: Mapping[str, str] = {
    "trace": "trace t trc verbose v verb vrb fine finer finest silly",
    "debug": "debug d dbg dbug deb config conf debug1 debug2 debug3 debug4 debug5 d1 d2 d3 d4 d5",
    "info": "info i inf information informational log statement detail hint default ok success",
    "notice": "notice n note ntc",
    "warning": "warning w warn wrn warnings",
    "error": "error e err eror erro errors failure failed",
    "critical": "critical c crit crt fatal f ftl severe dpanic",
    "alert": "alert alrt",
    "emergency": "emergency emerg panic emrg",
}
_BY_SPELLING = {word: level for level, words in _SPELLINGS.items() for word in words.split()}
_SYSLOG = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")  # RFC 5424, table 2
_BY_NUMBER: Mapping[float, str] = {
    **dict(enumerate(_SYSLOG)),
    10: "trace",  # 10 to 60: bunyan and pino
    20: "debug",
    30: "info",
    40: "warning",
    50: "error",
    60: "critical",
}
_RANKS = {UNKNOWN: LEVELS.index("info"), **{level: rank for rank, level in enumerate(LEVELS)}}
_NUMBER = re.compile(r"\d{1,3}", re.ASCII)
_OFFSET = re.compile(r"[+-]\d{1,3}", re.ASCII)  # slog writes what lies between two levels as INFO+2
_LONGEST = 16  # no spelling is longer: what is, is not worth folding
_MAX_REMEMBERED = 1024

# What Datadog's `status` says. It has no word for trace.
DATADOG_STATUS: Mapping[str, str] = {
    "trace": "debug",
    "debug": "debug",
    "info": "info",
    "notice": "notice",
    "warning": "warn",
    "error": "error",
    "critical": "critical",
    "alert": "alert",
    "emergency": "emergency",
}


def level_of(value: object) -> str:
    """The level that a logger's word, letter or number means: one of LEVELS, else UNKNOWN.

    Numbers are those of syslog (0 to 7) or of bunyan and pino (10 to 60), as texts, too.
    """
    if isinstance(value, int | float):
        return _BY_NUMBER.get(value, UNKNOWN)
    if not isinstance(value, str) or len(value) > _LONGEST:
        return UNKNOWN
    word = value.strip(" \t[]<>():").lower()
    if word in _BY_SPELLING:
        return _BY_SPELLING[word]
    if _NUMBER.fullmatch(word):
        return _BY_NUMBER.get(int(word), UNKNOWN)
    return _BY_SPELLING.get(_OFFSET.sub("", word), UNKNOWN)


def level_of_priority(value: object) -> str:
    """The level in a syslog priority (facility * 8 + severity, RFC 5424, 6.2.1): 0 to 191, as a number or a text."""
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        value = int(value)
    return _SYSLOG[value % 8] if isinstance(value, int) and 0 <= value <= 191 else UNKNOWN


def at_least(level: str, threshold: str) -> bool:
    """Whether `level` is as bad as `threshold`, or worse."""
    return _RANKS[level] >= _RANKS[threshold]


def levels_from(threshold: str) -> frozenset[str]:
    """All levels, UNKNOWN included, that are `at_least` the threshold: to look many up."""
    return frozenset(level for level in _RANKS if at_least(level, threshold))


class LevelTable(dict[Any, str]):
    """`level_of` (or another reading) of what was met lately: most logs spell their levels in five ways."""

    def __init__(self, reading: Callable[[object], str] = level_of) -> None:
        super().__init__()
        self._reading = reading

    def __missing__(self, value: Any) -> str:
        level = self._reading(value)
        if level:  # nothing of use is longer than _LONGEST, so this stays small
            if len(self) >= _MAX_REMEMBERED:
                self.clear()
            self[value] = level
        return level

    def of(self, values: Sequence[object]) -> list[str]:
        """The level of each value."""
        try:
            return [self[value] for value in values]
        except TypeError:  # lists and objects cannot be looked up
            return [self._reading(value) for value in values]
