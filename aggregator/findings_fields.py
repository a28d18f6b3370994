"""Which fields events can have at some step of a route: what parsers can find, and what rules add and take away.

Room: aggregator, above core. Never enters: conditions, lines. Only what is certain: where a parser can find any field, all are possible.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aggregator.core.columns import MESSAGE
from aggregator.core.match import Glob
from aggregator.parser_config import ParserConfig, names_of
from aggregator.rule_config import RULES

CHANGING = frozenset(RULES) - {"keep", "drop", "sample", "rate_limit"}
_WILDCARDS = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Possible:
    """names: None where any field may be there. gone: certainly not there. says_level: a parser may have found a level."""

    names: frozenset[str] | None = frozenset({MESSAGE})
    gone: frozenset[str] = frozenset()
    says_level: bool = False

    def may_have(self, field: str) -> bool:
        """Whether an event may have a field of this name, path or glob."""
        if field == MESSAGE:
            return True
        if is_glob(field):
            return self.names is None or any(map(Glob([field]).matches, self.names))
        root = field.partition(".")[0]
        if field in self.gone and root == field:
            return False
        return self.names is None or field in self.names or root in self.names

    def parsed(self, parsers: Collection[ParserConfig]) -> "Possible":
        """With what the parsers can find."""
        found = [_fields_of(parser) for parser in parsers]
        known = [names for names in found if names is not None]
        if len(known) < len(found):
            return Possible(None, frozenset(), self.says_level or any(map(_says_level, parsers)))
        names = frozenset[str]().union(*known)
        both = None if self.names is None else self.names | names
        return Possible(both, self.gone - names, self.says_level or any(map(_says_level, parsers)))

    def with_names(self, names: Collection[str]) -> "Possible":
        """With further ones, by names or paths."""
        more = frozenset(names) | frozenset(name.partition(".")[0] for name in names)
        return replace(self, names=None if self.names is None else self.names | more, gone=self.gone - more)

    def without(self, names: Collection[str]) -> "Possible":
        """Without fields of these names; what a path or a glob takes away is not followed."""
        plain = frozenset(name for name in names if "." not in name and not is_glob(name)) - {MESSAGE}
        return replace(self, gone=self.gone | plain)

    def only(self, wanted: Sequence[str]) -> "Possible":
        """With none but these."""
        if any(map(is_glob, wanted)) and self.names is None:
            return self
        globs = [name for name in wanted if is_glob(name)]
        matched = [name for name in self.names or () if globs and Glob(globs).matches(name)]
        left = Possible(frozenset({MESSAGE}), self.gone, self.says_level)
        found = left.with_names([*matched, *(name for name in wanted if not is_glob(name))])
        return replace(found, gone=self.gone)

    def listed(self) -> str:
        """What there can be, in words."""
        return ", ".join(sorted(self.names - self.gone)) if self.names is not None else "any field"


def is_glob(name: str) -> bool:
    return not _WILDCARDS.isdisjoint(name)


def asked_by(kind: str, values: Any) -> list[tuple[str, str]]:
    """Fields that a rule which is no condition needs to do anything, each with its key in the rule."""
    if kind in {"rename", "copy"}:
        return [(str(name), str(name)) for name in values]
    if kind in {"remove", "only"}:
        return [(name, "") for name in names_of(values if isinstance(values, str) else tuple(values))]
    if not isinstance(values, Mapping):
        return []
    if kind in {"nest", "mask"}:
        return [(name, "fields") for name in _names(values.get("fields", ()))]
    key = "by" if kind == "sample" else "field"
    return [(str(values[key]), key)] if kind in {"sample", "parse", "lift", "truncate"} and values.get(key) else []


def after_rule(possible: Possible, kind: str, values: Any, parsers: Mapping[str, ParserConfig]) -> Possible:
    """What there can be behind a rule that every event meets."""
    effect = _EFFECTS.get(kind)
    if kind == "parse":
        return possible.parsed([parsers[name] for name in _names(values["with"])])
    return effect(possible, values) if effect is not None else possible


def changed_by(kind: str, values: Any) -> frozenset[str] | None:
    """Outermost fields that a rule may change; None where that may be any. The message of an event goes with them."""
    names: list[str] = []
    if kind in {"rename", "copy"}:
        names = [*values, *values.values()]
    elif kind in {"add", "set"}:
        names = list(values)
    elif kind == "remove" and not any(map(is_glob, _names(values))):
        names = list(_names(values))
    return frozenset({MESSAGE, *(name.partition(".")[0] for name in names)}) if names else None


def joined(one: Possible, other: Possible) -> Possible:
    """What there can be behind a rule that some events do not meet."""
    names = None if one.names is None or other.names is None else one.names | other.names
    return Possible(names, one.gone & other.gone, one.says_level or other.says_level)


def _renamed(possible: Possible, values: Mapping[str, str]) -> Possible:
    for name, new in values.items():
        if name != new:
            possible = possible.without([name]).with_names([new])
    return possible


def _nested(possible: Possible, values: Mapping[str, Any]) -> Possible:
    return possible.without(_names(values["fields"])).with_names([values["under"]])


_EFFECTS: Mapping[str, Callable[[Possible, Any], Possible]] = {
    "rename": _renamed,
    "copy": lambda possible, values: possible.with_names(list(values.values())),
    "add": lambda possible, values: possible.with_names(list(values)),
    "set": lambda possible, values: possible.with_names(list(values)),
    "remove": lambda possible, values: possible.without(_names(values)),
    "only": lambda possible, values: possible.only(_names(values)),
    "nest": _nested,
    "lift": lambda possible, _: replace(possible, names=None, gone=frozenset()),
}


def _names(values: Any) -> tuple[str, ...]:
    return (values,) if isinstance(values, str) else tuple(values)


def _fields_of(parser: ParserConfig) -> frozenset[str] | None:
    """What a parser can find; None where that may be anything."""
    if parser.type != "regex":
        return None
    return frozenset({MESSAGE}).union(*(regex.names for regex in parser.regexes()))


def _says_level(parser: ParserConfig) -> bool:
    return bool(names_of(parser.level)) or bool(parser.priority)
