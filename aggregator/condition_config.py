"""The options of a condition, and what they make.

Room: aggregator, above core. Never enters: routes, lines.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from aggregator.core import conditions
from aggregator.core.columns import MESSAGE
from aggregator.core.levels import LEVELS, level_of, levels_from
from aggregator.core.plan import Where
from aggregator.core.regexes import compile_regex
from towline.plumbing.config_file import convert
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place, closest, raise_if_any

_TESTS = ("equals", "matches", "contains", "at_least", "below", "exists")


class ConditionConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All that is said must hold.

    field: a name, or a path with dots; without it, the message. What it is asked:
    equals: one value or a list, compared as texts. matches: a regular expression, found anywhere. contains: a text.
    at_least, below: as a number. exists: true or false.
    level: one or a list. level_at_least: that one or worse.
    not: a condition. any, all: lists of conditions.
    """

    field: str | None = None
    equals: Any = None
    matches: str | None = None
    contains: str | None = None
    at_least: float | None = None
    below: float | None = None
    exists: bool | None = None
    level: str | tuple[str, ...] | None = None
    level_at_least: str | None = None
    not_: Any = msgspec.field(default=None, name="not")
    any: tuple[Any, ...] | None = None
    all: tuple[Any, ...] | None = None


def condition_of(values: Any, place: Place) -> Where:
    """The condition that plain values mean. Raises ConfigError, which holds every problem."""
    config = convert(values, ConditionConfig, place, "condition")
    problems: list[str] = []
    found = [*_of_field(config, place, problems), *_of_level(config, place, problems)]
    for key, inner, make in (
        ("not", None if config.not_ is None else [config.not_], lambda some: conditions.Not(some[0])),
        ("any", config.any, conditions.AnyOf),
        ("all", config.all, conditions.All),
    ):
        if inner is None:
            continue
        if not inner:
            problems.append(place.child(key).says("is an empty list. List conditions, or remove it"))
        at = [place.child(key)] if key == "not" else [place.child(key).item(index) for index in range(len(inner))]
        some = _all_of(inner, at, problems)
        if some:
            found.append(make(some))
    if not found and not problems:
        options = ", ".join((*_TESTS, "level", "level_at_least", "not", "any", "all"))
        problems.append(place.says(f"asks nothing. Use at least one of: {options}"))
    raise_if_any(problems)
    return found[0] if len(found) == 1 else conditions.All(found)


def _all_of(several: Sequence[Any], places: Sequence[Place], problems: list[str]) -> list[Where]:
    made = []
    for values, place in zip(several, places, strict=True):
        try:
            made.append(condition_of(values, place))
        except ConfigError as error:
            problems.append(str(error))
    return made


def _of_field(config: ConditionConfig, place: Place, problems: list[str]) -> Iterator[Where]:
    """What is asked of the field, each as a condition of its own."""
    field = MESSAGE if config.field is None else config.field
    asked = [key for key in _TESTS if getattr(config, key) is not None]
    if config.field is not None and not asked:
        problems.append(place.child("field").says(f"nothing is asked of it. Add one of: {', '.join(_TESTS)}"))
    if config.field == "":
        problems.append(place.child("field").says("is empty. Name a field, or remove it to mean the message"))
    for key in asked:
        try:
            if key == "contains":
                yield conditions.Contains(field, _wanted(config))
                continue
            yield conditions.FieldMeets(field, _test_of(config, key))
        except ValueError as error:
            problems.append(place.child(key).says(str(error)))


def _wanted(config: ConditionConfig) -> str:
    if not config.contains:
        raise ValueError("is empty, so everything contains it. Write a text")
    return config.contains


def _test_of(config: ConditionConfig, key: str) -> conditions.Test:
    """Raises ValueError, whose message says what to write instead."""
    if key == "equals":
        wanted = config.equals if isinstance(config.equals, list) else [config.equals]
        if not wanted or not all(isinstance(one, str | int | float) for one in wanted):
            raise ValueError("compares with one value, or a list of values. Write text, numbers, true or false")
        return conditions.equals(wanted)
    if key == "matches":
        return conditions.matches(compile_regex(str(config.matches)))
    if key == "exists":
        if config.field is None:
            raise ValueError("asks whether a field is there. Add `field: NAME`")
        return conditions.exists(bool(config.exists))
    return getattr(conditions, key)(getattr(config, key))  # type: ignore[no-any-return]  # at_least or below


def _of_level(config: ConditionConfig, place: Place, problems: list[str]) -> Iterator[Where]:
    if config.level is not None:
        words = (config.level,) if isinstance(config.level, str) else config.level
        if not words:
            problems.append(place.child("level").says(f"names no level. Use: {', '.join(LEVELS)}"))
        yield conditions.LevelIs(frozenset(_level(word, place.child("level"), problems) for word in words))
    if config.level_at_least is not None:
        threshold = _level(config.level_at_least, place.child("level_at_least"), problems)
        yield conditions.LevelIs(levels_from(threshold))


def _level(word: str, place: Place, problems: list[str]) -> str:
    """The level that is meant: `warn` is warning, as in logs."""
    level = level_of(word)
    if not level:
        problems.append(place.says(f"there is no level {word!r}.{closest(word, LEVELS)} Use: {', '.join(LEVELS)}"))
    return level
