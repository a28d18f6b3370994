"""Conditions as they are written, as formulas that can be reasoned about.

Room: aggregator, beside condition_config. Never enters: lines.
"""

from collections.abc import Iterator
from typing import Any

from aggregator.condition_config import ConditionConfig
from aggregator.core import findings_logic as logic
from aggregator.core.columns import MESSAGE
from aggregator.core.findings_logic import ALWAYS, NEVER, Formula, Levels, Test
from aggregator.core.levels import level_of, levels_from
from aggregator.core.log_fields import text_of
from towline.plumbing.config_file import convert
from towline.plumbing.place import Place


def formula_of(values: Any) -> Formula:
    """The formula of a condition that is known to be well-formed; always, where there is none."""
    if values is None:
        return ALWAYS
    config = convert(values, ConditionConfig, Place("condition"), "condition")
    parts = [*_of_field(config), *_of_level(config)]
    if config.not_ is not None:
        parts.append(logic.Not(formula_of(config.not_)))
    if config.any is not None:
        parts.append(logic.Any(tuple(map(formula_of, config.any))))
    if config.all is not None:
        parts.append(logic.All(tuple(map(formula_of, config.all))))
    return logic.All(tuple(parts))


def asked_fields(values: Any, place: Place) -> Iterator[tuple[str, Place]]:
    """Fields that a condition names, and where."""
    if values is None:
        return
    config = convert(values, ConditionConfig, place, "condition")
    if config.field is not None:
        yield config.field, place.child("field")
    for key, inner in (("any", config.any or ()), ("all", config.all or ())):
        for index, one in enumerate(inner):
            yield from asked_fields(one, place.child(key).item(index))
    if config.not_ is not None:
        yield from asked_fields(config.not_, place.child("not"))


def _of_field(config: ConditionConfig) -> Iterator[Formula]:
    field = MESSAGE if config.field is None else config.field
    if config.equals is not None:
        wanted = config.equals if isinstance(config.equals, list) else [config.equals]
        yield Test(field, "equals", frozenset(map(text_of, wanted)))
    for kind in ("matches", "contains", "at_least", "below"):
        value = getattr(config, kind)
        if value is not None:
            yield Test(field, kind, value)
    if config.exists is not None:
        # Every event has a message: the text of one that has no field of that name.
        there: Formula = ALWAYS if field == MESSAGE else Test(field, "exists")
        yield there if config.exists else (NEVER if field == MESSAGE else logic.Not(there))


def _of_level(config: ConditionConfig) -> Iterator[Formula]:
    if config.level is not None:
        words = (config.level,) if isinstance(config.level, str) else config.level
        yield Levels(frozenset(map(level_of, words)))
    if config.level_at_least is not None:
        yield Levels(levels_from(level_of(config.level_at_least)) & logic.EVERY_LEVEL)
