"""The options of rules, and what they make: a table of kinds, one function each.

Room: aggregator, above core. Never enters: routes, lines.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from aggregator.condition_config import condition_of
from aggregator.core.columns import MESSAGE
from aggregator.core.route import Rule
from aggregator.core.rules import changing, choosing, limiting, texts
from aggregator.core.template import Template
from aggregator.route_tools import Tools
from towline.plumbing.config_file import convert
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place, closest
from towline.plumbing.sizes import PositiveSize

_COMMON = ("name", "when")
_Positive = Annotated[float, msgspec.Meta(gt=0)]


class MaskConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """ready: names of masks. pattern, replacement: one of your own. fields: only in these; else in the text and every field."""

    ready: str | tuple[str, ...] = ()
    pattern: str | None = None
    replacement: str | None = None
    fields: str | tuple[str, ...] = ()


class SampleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """rate: the share that is kept, 0 to 1. by: a field, all events with one value of which are kept or dropped together."""

    rate: Annotated[float, msgspec.Meta(ge=0, le=1)]
    by: str | None = None


class RateLimitConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of each pod. burst_lines: at once, after a silence; else those of one second."""

    lines_per_second: _Positive
    burst_lines: Annotated[int, msgspec.Meta(gt=0)] | None = None


class ParseConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """field: the one to look into. with: a parser's name, or a list: the first that fits. keep: whether the field stays."""

    field: str = MESSAGE
    with_: str | tuple[str, ...] = msgspec.field(name="with")
    keep: bool = False


class NestConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """fields: names or globs. under: the object that they become members of. remove_prefix: taken off their names."""

    fields: str | tuple[str, ...]
    under: str
    remove_prefix: str = ""


class LiftConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """field: the object whose members take its place. prefix: put before their names."""

    field: str
    prefix: str = ""


class TruncateConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """bytes: what is left at most, the mark included. field: without it, the message."""

    bytes: PositiveSize
    field: str = MESSAGE


@dataclass(frozen=True, slots=True)
class Making:
    """What a rule is made of, beside its values."""

    label: str
    place: Place
    tools: Tools


def rule_of(values: Any, label: str, tools: Tools, place: Place) -> tuple[str, Rule]:
    """A rule by its only key (`name` and `when` aside), and its label. Raises ConfigError, which holds every problem."""
    if not isinstance(values, Mapping):
        raise ConfigError(place.says(f"is no rule. Write {{KIND: ...}} with one of: {', '.join(RULES)}"))
    kinds = [key for key in values if key not in _COMMON]
    for kind in kinds:
        if kind not in RULES:
            known = (*RULES, *_COMMON)
            near = closest(str(kind), known)
            raise ConfigError(
                place.child(str(kind)).says(f"there is no such rule.{near} Use one of: {', '.join(known)}")
            )
    if len(kinds) != 1:
        said = f"{' and '.join(kinds)} are" if kinds else "there is none"
        raise ConfigError(place.says(f"a rule has one kind, and {said} here. Write each as an item of its own"))
    name = values.get("name")
    if name is not None and not (isinstance(name, str) and name):
        raise ConfigError(place.child("name").says("is no name. Write text"))
    making = Making(name or label, place.child(kinds[0]), tools)
    rule = RULES[kinds[0]](values[kinds[0]], making)
    if "when" in values:
        rule = choosing.Sometimes(condition_of(values["when"], place.child("when")), rule)
    return making.label, rule


def _keep(values: Any, making: Making) -> Rule:
    return choosing.Chosen(condition_of(values, making.place), making.label)


def _drop(values: Any, making: Making) -> Rule:
    return choosing.Chosen(condition_of(values, making.place), making.label, keeps=False)


def _mask(values: Any, making: Making) -> Rule:
    if isinstance(values, str | list):
        values = {"ready": values}
    config = convert(values, MaskConfig, making.place, "mask")
    ready = _names(config.ready)
    own = None if config.pattern is None else (config.pattern, config.replacement)
    if not ready and own is None:
        raise ConfigError(making.place.says("masks nothing. Name ready masks, or write a pattern"))
    if own is None and config.replacement is not None:
        raise ConfigError(
            making.place.child("replacement").says("would not be used, as there is no pattern. Write one")
        )
    masks = making.tools.masks(ready, own, making.place)
    names = _names(config.fields)
    return texts.MaskedFields(masks, names) if names else texts.Masked(masks)


def _sample(values: Any, making: Making) -> Rule:
    config = convert(values, SampleConfig, making.place, "sample")
    return choosing.Sample(config.rate, config.by, making.label)


def _rate_limit(values: Any, making: Making) -> Rule:
    config = convert(values, RateLimitConfig, making.place, "rate_limit")
    burst = config.burst_lines or max(1.0, config.lines_per_second)
    return limiting.RateLimit(config.lines_per_second, burst, making.label)


def _parse(values: Any, making: Making) -> Rule:
    config = convert(values, ParseConfig, making.place, "parse")
    return making.tools.field_parsing(_names(config.with_), config.field, making.place.child("with"), keep=config.keep)


def _rename(values: Any, making: Making) -> Rule:
    return changing.Changes(changing.renaming(_names_by_name(values, making.place)), of_unparsed=True)


def _copy(values: Any, making: Making) -> Rule:
    return changing.Changes(changing.copying(_names_by_name(values, making.place)), of_unparsed=True)


def _add(values: Any, making: Making) -> Rule:
    return changing.Given(_given(values, making.place), replaces=False)


def _set(values: Any, making: Making) -> Rule:
    return changing.Given(_given(values, making.place), replaces=True)


def _remove(values: Any, making: Making) -> Rule:
    return changing.Changes(changing.removing(_list_of_names(values, making.place)))


def _only(values: Any, making: Making) -> Rule:
    return changing.Changes(changing.leaving(_list_of_names(values, making.place)))


def _nest(values: Any, making: Making) -> Rule:
    config = convert(values, NestConfig, making.place, "nest")
    fields = _list_of_names(config.fields, making.place.child("fields"))
    return changing.Changes(changing.nesting(fields, config.under, config.remove_prefix))


def _lift(values: Any, making: Making) -> Rule:
    config = convert(values, LiftConfig, making.place, "lift")
    return changing.Changes(changing.lifting(config.field, config.prefix))


def _truncate(values: Any, making: Making) -> Rule:
    config = convert(values, TruncateConfig, making.place, "truncate")
    if config.bytes < texts.LEAST_BYTES:
        raise ConfigError(
            making.place.child("bytes").says(
                f"leaves no room for the mark of a cut. Write {texts.LEAST_BYTES}, or more"
            )
        )
    return texts.Truncated(config.bytes, config.field, making.label)


RULES: Mapping[str, Callable[[Any, Making], Rule]] = {
    "keep": _keep,
    "drop": _drop,
    "mask": _mask,
    "sample": _sample,
    "rate_limit": _rate_limit,
    "parse": _parse,
    "rename": _rename,
    "copy": _copy,
    "add": _add,
    "set": _set,
    "remove": _remove,
    "only": _only,
    "nest": _nest,
    "lift": _lift,
    "truncate": _truncate,
}


def _names(names: str | Sequence[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _list_of_names(values: Any, place: Place) -> tuple[str, ...]:
    """Field names or globs. Raises ConfigError."""
    names = [values] if isinstance(values, str) else values
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str) and name for name in names):
        raise ConfigError(place.says("names no fields. Write a name or a glob, or a list of them"))
    return tuple(names)


def _names_by_name(values: Any, place: Place) -> dict[str, str]:
    """`{from: to}`. Raises ConfigError."""
    if (
        not isinstance(values, Mapping)
        or not values
        or not all(isinstance(new, str) and new for new in values.values())
    ):
        raise ConfigError(place.says("names no fields. Write {FROM: TO, ...}"))
    return dict(values)


def _given(values: Any, place: Place) -> dict[str, Any]:
    """Fields and their values, texts as templates. Raises ConfigError, which holds every problem."""
    if not isinstance(values, Mapping) or not values:
        raise ConfigError(place.says("gives no fields. Write {NAME: VALUE, ...}"))
    given: dict[str, Any] = {}
    for name, value in values.items():
        try:
            given[name] = Template(value) if isinstance(value, str) else value
        except ValueError as error:
            raise ConfigError(place.child(name).says(str(error))) from None
    return given
