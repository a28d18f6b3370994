"""Whether events meet what a configuration asks of them: a column of truth values for a column of events.

Room: aggregator core. Never enters: the options' spelling (condition_config.py), rules.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from aggregator.core.columns import MESSAGE, values_of
from aggregator.core.levels import UNKNOWN
from aggregator.core.log_fields import MISSING, number_of, text_of
from aggregator.core.plan import Where
from aggregator.core.records import Slice
from aggregator.core.regexes import Regex

Test = Callable[[object], bool]  # of one value; MISSING where there is none


@dataclass(frozen=True, slots=True)
class FieldMeets:
    """A test of one field."""

    field: str
    test: Test

    def met(self, piece: Slice) -> list[bool]:
        return [self.test(value) for value in values_of(piece, self.field)]


@dataclass(frozen=True, slots=True)
class Contains:
    """A text in a field. Where nobody looked into the events, the block is searched as a whole first."""

    field: str
    wanted: str

    def met(self, piece: Slice) -> list[bool]:
        if piece.details is None and self.field == MESSAGE and self.wanted.encode() not in piece.lines.text():
            return [False] * len(piece)
        wanted = self.wanted
        return [wanted in text_of(value) for value in values_of(piece, self.field)]


@dataclass(frozen=True, slots=True)
class LevelIs:
    """One of some levels. An event without one is of level info."""

    levels: frozenset[str]

    def met(self, piece: Slice) -> list[bool]:
        wanted = self.levels | {UNKNOWN} if "info" in self.levels else self.levels
        if piece.details is None:
            return [UNKNOWN in wanted] * len(piece)
        return [level in wanted for level in piece.details.levels]


@dataclass(frozen=True, slots=True)
class All:
    """Every one of some conditions; none is met always."""

    conditions: Sequence[Where]

    def met(self, piece: Slice) -> Sequence[bool]:
        columns = [one.met(piece) for one in self.conditions]
        return columns[0] if len(columns) == 1 else [all(row) for row in zip(*columns, strict=True)]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of some conditions."""

    conditions: Sequence[Where]

    def met(self, piece: Slice) -> Sequence[bool]:
        return [any(row) for row in zip(*(one.met(piece) for one in self.conditions), strict=True)]


@dataclass(frozen=True, slots=True)
class Not:
    """What does not meet a condition: events without the field it asks for, too."""

    condition: Where

    def met(self, piece: Slice) -> list[bool]:
        return [not one for one in self.condition.met(piece)]


def equals(wanted: Collection[object]) -> Test:
    """One of some values, compared as texts: what a pattern found is a text where JSON has a number."""
    texts = frozenset(map(text_of, wanted))
    return lambda value: _is_plain(value) and text_of(value) in texts


def matches(regex: Regex) -> Test:
    return lambda value: _is_plain(value) and regex.search(text_of(value))


def at_least(least: float) -> Test:
    """As a number; what is none does not meet it."""
    return lambda value: number_of(value) >= least


def below(limit: float) -> Test:
    return lambda value: number_of(value) < limit


def exists(wanted: bool) -> Test:
    """There, whatever it holds (null is there), or not there."""
    return lambda value: (value is not MISSING) is wanted


def _is_plain(value: object) -> bool:
    return isinstance(value, str | int | float)
