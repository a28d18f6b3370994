"""Whether what a condition asks can ever be so: decided from its words alone, and said only where it is certain.

Room: aggregator core. Never enters: lines, the options' spelling. What is asked is brought into alternatives of plain tests; where
those would be too many, nothing is said.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product

from aggregator.core.columns import MESSAGE
from aggregator.core.levels import LEVELS
from aggregator.core.log_fields import number_of
from aggregator.core.regexes import compile_regex

MAX_ALTERNATIVES = 512
EVERY_LEVEL = frozenset(LEVELS)
_ALWAYS_FOUND = frozenset({"", "^", "$", ".*", "^.*", ".*$", ".*?", "(.*)"})


@dataclass(frozen=True, slots=True)
class Levels:
    """The level is one of these."""

    levels: frozenset[str]


@dataclass(frozen=True, slots=True)
class Test:
    """A field is there and passes: kind is equals (value: texts), matches, contains (a text), at_least, below (a number) or exists."""

    field: str
    kind: str
    value: frozenset[str] | str | float | None = None


@dataclass(frozen=True, slots=True)
class Not:
    """It is not so."""

    part: "Formula"


@dataclass(frozen=True, slots=True)
class All:
    """Every part; of none, always."""

    parts: tuple["Formula", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one part; of none, never."""

    parts: tuple["Formula", ...]


Formula = Levels | Test | Not | All | Any
_Plain = tuple[Levels | Test, bool]  # and whether it is so
_Alternative = frozenset[_Plain]
ALWAYS, NEVER = All(()), Any(())


def can_never_be(formula: Formula) -> bool:
    """True where it is certain."""
    alternatives = _alternatives(formula, is_so=True)
    return alternatives is not None and all(map(_contradicts, alternatives))


def must_be(formula: Formula) -> bool:
    """True where it is certain."""
    return can_never_be(Not(formula))


def fields_of(formula: Formula) -> frozenset[str]:
    """What it asks about; "" stands for the level."""
    if isinstance(formula, Levels):
        return frozenset({""})
    if isinstance(formula, Test):
        return frozenset({formula.field})
    parts = (formula.part,) if isinstance(formula, Not) else formula.parts
    return frozenset[str]().union(*map(fields_of, parts))


def _alternatives(formula: Formula, *, is_so: bool) -> list[_Alternative] | None:
    """The formula as alternatives, in each of which all holds; None where there would be too many."""
    if isinstance(formula, Levels | Test):
        return [frozenset({(formula, is_so)})]
    if isinstance(formula, Not):
        return _alternatives(formula.part, is_so=not is_so)
    inner = [_alternatives(part, is_so=is_so) for part in formula.parts]
    known = [some for some in inner if some is not None]
    if len(known) < len(inner):
        return None
    if isinstance(formula, Any) is is_so:
        found = [one for some in known for one in some]
        return found if len(found) <= MAX_ALTERNATIVES else None
    if math.prod(map(len, known)) > MAX_ALTERNATIVES:
        return None
    return [frozenset[_Plain]().union(*chosen) for chosen in product(*known)]


def _contradicts(alternative: _Alternative) -> bool:
    if any((test, not is_so) in alternative for test, is_so in alternative):
        return True
    levels = EVERY_LEVEL
    tests: dict[str, list[tuple[Test, bool]]] = {}
    for test, is_so in alternative:
        if isinstance(test, Levels):
            levels &= test.levels if is_so else EVERY_LEVEL - test.levels
        else:
            tests.setdefault(test.field, []).append((test, is_so))
    return not levels or any(map(_impossible, tests.values()))


def _impossible(tests: Sequence[tuple[Test, bool]]) -> bool:
    """Whether no value of one field passes all tests that are so, and none of the others."""
    positive = [test for test, is_so in tests if is_so]
    negative = [test for test, is_so in tests if not is_so]
    if positive and any(test.kind == "exists" for test in negative):
        return True
    # Other tests than `exists` are only passed by texts and numbers, in which something that fits everything is found; a message is a text.
    is_text = any(test.field == MESSAGE for test in negative) or any(test.kind != "exists" for test in positive)
    if is_text and any(map(_always_found, negative)):
        return True
    wanted = [test.value for test in positive if test.kind == "equals" and isinstance(test.value, frozenset)]
    if wanted:
        candidates = frozenset.intersection(*wanted)
        return not any(_passes(text, positive, negative) for text in candidates)
    return _empty_range(positive, negative) or _text_clash(positive, negative)


def _passes(text: str, positive: Iterable[Test], negative: Iterable[Test]) -> bool:
    return all(_meets(text, test) for test in positive) and not any(_meets(text, test) for test in negative)


def _meets(text: str, test: Test) -> bool:
    """What a test says of a text that is there; as conditions.py does it."""
    value = test.value
    if isinstance(value, frozenset):
        return text in value
    if isinstance(value, str):
        return value in text if test.kind == "contains" else compile_regex(value).search(text)
    if isinstance(value, float):
        return number_of(text) >= value if test.kind == "at_least" else number_of(text) < value
    return True


def _empty_range(positive: Sequence[Test], negative: Sequence[Test]) -> bool:
    """A number is at least one bound and below another; what is no number is neither."""
    least = [test.value for test in positive if test.kind == "at_least"]
    below = [test.value for test in positive if test.kind == "below"]
    if not least and not below:
        return False
    least += [test.value for test in negative if test.kind == "below"]
    below += [test.value for test in negative if test.kind == "at_least"]
    lowest = max((value for value in least if isinstance(value, float)), default=-math.inf)
    return any(isinstance(value, float) and lowest >= value for value in below)


def _text_clash(positive: Sequence[Test], negative: Sequence[Test]) -> bool:
    """What holds a text holds each part of it."""
    held = [test.value for test in positive if test.kind == "contains"]
    unwanted = [test.value for test in negative if test.kind == "contains"]
    return any(isinstance(a, str) and isinstance(b, str) and b in a for a in held for b in unwanted)


def _always_found(test: Test) -> bool:
    return test.kind == "matches" and test.value in _ALWAYS_FOUND
