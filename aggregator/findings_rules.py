"""What rules of a route cannot do: those that never do anything, those that drop everything, fields that nothing can give.

Room: aggregator, above core. Never enters: other routes, lines. Only what is certain is said.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aggregator.core import findings_logic as logic
from aggregator.core.findings_logic import ALWAYS, Formula, Levels
from aggregator.findings_conditions import asked_fields, formula_of
from aggregator.findings_fields import CHANGING, Possible, after_rule, asked_by, changed_by, joined
from aggregator.parser_config import ParserConfig
from aggregator.route_config import RouteConfig, names_of
from aggregator.rule_labels import label_of
from towline.plumbing.place import Place

_CLASH = "what it asks cannot be all at once"
_NO_LEVEL = "no parser here finds a level, so every line is of level info"


@dataclass(frozen=True, slots=True)
class _Fact:
    """What is so of every event that comes this far, and whose doing it is."""

    formula: Formula
    why: str


@dataclass(slots=True)
class _Walk:
    """Where one is among the rules of a route."""

    route: RouteConfig
    name: str
    place: Place
    parsers: Mapping[str, ParserConfig]
    possible: Possible
    facts: list[_Fact] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def why_never(self, formula: Formula) -> str | None:
        """Why no event here can meet it; "" where it is its own doing; None where that is not certain."""
        if logic.can_never_be(formula):
            return ""
        known = [formula]
        asked = logic.fields_of(formula)
        level = [] if self.possible.says_level else [_Fact(Levels(frozenset({"info"})), _NO_LEVEL)]
        for fact in (*level, *self.facts):
            if not asked.isdisjoint(logic.fields_of(fact.formula)):
                known.append(fact.formula)
                if logic.can_never_be(logic.All(tuple(known))):
                    return fact.why
        return None

    def say(self, place: Place, problem: str) -> None:
        self.problems.append(place.says(problem))


def route_findings(
    route: RouteConfig, index: int, parsers: Mapping[str, ParserConfig], place: Place
) -> tuple[list[str], bool]:
    """What is wrong with the steps of one route, and whether any line gets through its `where`."""
    own = [parsers[name] for name in names_of(route.parse)]
    possible = Possible().parsed(own) if own else Possible()
    walk = _Walk(route, route.name or str(index), place, parsers, possible)
    if route.where is not None and not _where(walk):
        return walk.problems, False
    for number, values in enumerate(route.rules):
        if not _rule(walk, number, values):
            break
    return walk.problems, True


def _where(walk: _Walk) -> bool:
    """False where no line gets through."""
    at, values = walk.place.child("where"), walk.route.where
    formula = formula_of(values)
    unknown = _unknown_fields(walk, asked_fields(values, at))
    why = walk.why_never(formula)
    if why is not None:
        walk.say(at, f"is never met{_because(why, _CLASH)}. Change it, or remove the route: no line goes this way")
        return False
    if not unknown and walk.why_never(logic.Not(formula)) is not None:
        walk.say(at, "is met by every line. Change it, or remove it")
    walk.facts.append(_Fact(formula, "of the route's `where`"))
    return True


def _rule(walk: _Walk, number: int, values: Mapping[str, Any]) -> bool:
    """False where nothing is left behind the rule."""
    kind = next(key for key in values if key not in {"name", "when"})
    place = walk.place.child("rules").item(number)
    when, unknown = formula_of(values.get("when")), list[str]()
    if "when" in values:
        unknown = _unknown_fields(walk, asked_fields(values["when"], place.child("when")))
        why = walk.why_never(when)
        if why is not None:
            walk.say(
                place.child("when"),
                f"is never met{_because(why, _CLASH)}, so the rule does nothing. Change it, or remove the rule",
            )
            return True
    if kind in {"keep", "drop"}:
        label = label_of(values, walk.name, number)
        unknown += _unknown_fields(walk, asked_fields(values[kind], place.child(kind)))
        is_last = number == len(walk.route.rules) - 1
        choice = _Choice(kind, label, place.child(kind), formula_of(values[kind]), when, is_last)
        return _choice(walk, choice, quiet=bool(unknown))
    at = place.child(kind)
    _unknown_fields(walk, ((name, at.child(key) if key else at) for name, key in asked_by(kind, values[kind])))
    if kind == "sample":
        return _sample(walk, values[kind]["rate"], place.child("sample").child("rate"), always=when == ALWAYS)
    _change(walk, kind, values)
    return True


@dataclass(frozen=True, slots=True)
class _Choice:
    """A rule `keep` or `drop`, for the events that meet `when`."""

    kind: str
    label: str
    place: Place
    condition: Formula
    when: Formula
    is_last: bool

    @property
    def dropped(self) -> Formula:
        met = logic.Not(self.condition) if self.kind == "keep" else self.condition
        return logic.All((self.when, met))


def _choice(walk: _Walk, choice: _Choice, *, quiet: bool) -> bool:
    """False where everything is dropped. `quiet`: what it asks of fields that are not there was said."""
    none_left = walk.why_never(logic.Not(choice.dropped))
    keeps = choice.kind == "keep"
    if none_left is not None:
        met = f"is never met{_because(none_left, _CLASH)}" if keeps else f"is met by every line{_because(none_left)}"
        behind = "" if choice.is_last else ". The rules behind it are never asked"
        walk.say(
            choice.place, f"{met}, so this rule drops every line that comes to it. Change it, or remove it{behind}"
        )
        return False
    never = walk.why_never(choice.dropped)
    if never is not None:
        if not quiet:
            met = f"is met by every line{_because(never)}" if keeps else f"is never met{_because(never, _CLASH)}"
            walk.say(choice.place, f"{met}, so this rule drops nothing. Change it, or remove it")
        return True
    walk.facts.append(_Fact(logic.Not(choice.dropped), f"behind rule {choice.label}"))
    return True


def _sample(walk: _Walk, rate: float, place: Place, *, always: bool) -> bool:
    if rate >= 1:
        walk.say(place, "keeps every line. Write a share below 1, or remove the rule")
    elif rate == 0 and always:
        walk.say(place, "keeps no line, so this rule drops every line that comes to it. Write a share above 0")
        return False
    return True


def _change(walk: _Walk, kind: str, values: Mapping[str, Any]) -> None:
    """What is known behind a rule that changes events: of changed fields nothing, of levels all but behind a parser."""
    if kind not in CHANGING:
        return
    made = after_rule(walk.possible, kind, values[kind], walk.parsers)
    walk.possible = joined(made, walk.possible) if "when" in values else made
    if kind == "parse":
        walk.facts.clear()
    names = changed_by(kind, values[kind])
    walk.facts = [fact for fact in walk.facts if not _touches(names, logic.fields_of(fact.formula))]


def _touches(changed: frozenset[str] | None, asked: frozenset[str]) -> bool:
    """Whether a change of these fields (None: of any) may change what was asked of others."""
    if changed is None:
        return bool(asked - {""})
    return not changed.isdisjoint(name.partition(".")[0] for name in asked)


def _unknown_fields(walk: _Walk, asked: Iterator[tuple[str, Place]]) -> list[str]:
    """Fields that no event can have here; said."""
    found = []
    for name, place in asked:
        if walk.possible.may_have(name):
            continue
        found.append(name)
        gone = name in walk.possible.gone
        why = "a rule before this one has taken it away" if gone else f"there can be: {walk.possible.listed()}"
        walk.say(place, f"no line has a field {name!r} here: {why}. Name another, or {_fix(walk, gone=gone)}")
    return found


def _fix(walk: _Walk, *, gone: bool) -> str:
    if gone:
        return "put this before that rule"
    return "`parse` the lines" if not walk.route.parse else "find it by a parser"


def _because(why: str, instead: str = "") -> str:
    return f" ({why or instead})" if why or instead else ""
