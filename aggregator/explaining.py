"""What becomes of lines, step by step: the very steps that the forwarder takes, one event at a time, each told.

Room: aggregator, above cases. Never enters: how it is shown, sinks themselves.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from aggregator.case_config import Given
from aggregator.cases import Record, records_of, slice_of
from aggregator.condition_config import condition_of
from aggregator.config import AggregatorConfig, SinkConfig
from aggregator.core.columns import texts_of
from aggregator.core.plan import Branch, Parse, Plan
from aggregator.core.records import Slice
from aggregator.previews import Preview, preview
from aggregator.route_config import names_of, plans_of
from aggregator.route_tools import Tools
from aggregator.routes_met import RouteMet, routes_met
from aggregator.rule_labels import label_of
from towline.plumbing.place import Place

_REPLICA = "replica"  # stands for {replica}: nobody knows here whose turn it would be


class Step(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One thing that was done to an event, or asked of it. kind: parse, where, or a rule's. said: its options, as they are written.

    name: of a rule, as its drops are counted. result: passed, dropped, unchanged, changed, not met.
    by: which parser fitted. when: whether the rule's own condition was met, where it has one.
    added, removed: fields. changed: fields, before and after.
    """

    kind: str
    name: str = ""
    said: Any = None
    result: str
    by: str = ""
    when: bool | None = None
    added: Record = {}
    removed: Record = {}
    changed: Mapping[str, tuple[Any, Any]] = {}


class Tried(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What one route did with an event."""

    route: str
    steps: Sequence[Step] = ()


class Event(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One event on its way to one sink. first_line: from 1. outcome: sent, dropped, taken by another route, or not taken by any."""

    first_line: int
    text: str
    routes: Sequence[Tried] = ()
    outcome: str
    by: str = ""
    record: Record = {}
    sent: Preview | None = None


class Destination(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One sink. joined_by: the multiline rules that made events of lines."""

    sink: str
    type: str
    joined_by: Sequence[str] = ()
    events: Sequence[Event] = ()


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of one stream, told."""

    routes: Sequence[RouteMet]
    destinations: Sequence[Destination]


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be told: of which configuration, of which lines, on the way to which sinks (all where none is named)."""

    config: AggregatorConfig
    file: Path
    sinks: Mapping[str, SinkConfig]
    given: Given
    only: Sequence[str] = ()


def explain(asked: Asked) -> Explained:
    """All that happens to lines, as one block that is all of a stream."""
    plans = plans_of(asked.config, str(asked.file), list(asked.sinks), _REPLICA)
    piece = slice_of(asked.given)
    piece = replace(piece, ends=piece.known_ends())  # known, so that cutting it apart needs no sums
    met = routes_met(asked.config, piece.pod, piece.origin)
    destinations = [
        _Telling(asked, name, plans.of(name, piece.pod, piece.origin)).destination(piece)
        for name in plans.routes.owed(piece.pod, piece.origin)
        if not asked.only or name in asked.only
    ]
    return Explained(routes=met, destinations=destinations)


class _Telling:
    """The way to one sink."""

    def __init__(self, asked: Asked, sink: str, plan: Plan | None) -> None:
        self._asked, self._sink, self._plan = asked, sink, plan
        self._place = Place(str(asked.file), "routes")
        self._tools = Tools(asked.config.parsers, asked.config.multiline)
        self._routes = {route.name or str(at): (at, route) for at, route in enumerate(asked.config.routes)}

    def destination(self, piece: Slice) -> Destination:
        events = [self._event(one, line) for one, line in self._events(piece)]
        kind = self._asked.sinks[self._sink].options.type
        return Destination(sink=self._sink, type=kind, joined_by=self._joined_by(), events=events)

    def _joined_by(self) -> Sequence[str]:
        if self._plan is None or self._plan.joining is None:
            return ()
        branches = [self._routes[branch.name][1] for branch in self._plan.branches]
        return next(names_of(route.multiline) for route in branches if route.multiline)

    def _events(self, piece: Slice) -> Iterator[tuple[Slice, int]]:
        """Each event by itself, with the number of its first line."""
        events, joining = [piece], self._plan.joining if self._plan is not None else None
        if joining is not None:
            joined = joining.join(None, piece)
            last = joining.join(joined.open, None).complete if joined.open is not None else ()
            events = [*joined.complete, *last]
        line = 1
        for some in events:
            for index in range(len(some)):
                one = some.cut(index, index + 1)
                yield one, line
                line += one.lines[0].count(b"\n") + 1

    def _event(self, piece: Slice, line: int) -> Event:
        text = texts_of(piece)[0]
        tried: list[Tried] = []
        outcome, by, made = self._gone_through(piece, tried)
        if made is None:
            return Event(first_line=line, text=text, routes=tried, outcome=outcome, by=by)
        sent = preview(self._asked.sinks[self._sink], made, _REPLICA, self._asked.file.parent)
        return Event(
            first_line=line, text=text, routes=tried, outcome=outcome, by=by, record=records_of(made)[0], sent=sent
        )

    def _gone_through(self, piece: Slice, tried: list[Tried]) -> tuple[str, str, Slice | None]:
        """The outcome, whose doing it is, and the event as it is sent; what was tried is added to the list. As Plan.apply does it."""
        if self._plan is None:
            return "sent", "", piece
        for branch in self._plan.branches:
            steps: list[Step] = []
            tried.append(Tried(route=branch.name, steps=steps))
            seen = piece
            if branch.parse is not None:
                seen = self._parsed(branch, branch.parse, piece, steps)
            if branch.where is not None:
                met = branch.where.met(seen)[0]
                said = self._routes[branch.name][1].where
                steps.append(Step(kind="where", said=said, result="met" if met else "not met"))
                if not met:
                    continue
            if not branch.leads_here:
                return "taken", branch.name, None
            made, dropped_by = self._ruled(branch, seen, steps)
            return ("sent", branch.name, made) if made is not None else ("dropped", dropped_by, None)
        return "not taken", "", None

    def _parsed(self, branch: Branch, parse: Parse, piece: Slice, steps: list[Step]) -> Slice:
        index, route = self._routes[branch.name]
        names = names_of(route.parse)
        after, by = parse.apply(piece), ""
        for name in names:
            alone = self._tools.parsing([name], self._place.item(index).child("parse"))
            if alone is not None and alone.apply(piece).known_details().fields[0] is not None:
                by = name
                break
        result = "changed" if by else "unchanged"
        steps.append(_step(Step(kind="parse", said=list(names), by=by, result=result), piece, after))
        return after

    def _ruled(self, branch: Branch, piece: Slice, steps: list[Step]) -> tuple[Slice | None, str]:
        """The event behind all rules, or None and the rule that dropped it."""
        index, route = self._routes[branch.name]
        for number, (values, rule) in enumerate(zip(route.rules, branch.rules, strict=True)):
            name = label_of(values, branch.name, number)
            kind = next(key for key in values if key not in {"name", "when"})
            step = Step(kind=kind, name=name, said=values[kind], result="unchanged")
            if "when" in values:
                at = self._place.item(index).child("rules").item(number).child("when")
                step = msgspec.structs.replace(step, when=bool(condition_of(values["when"], at).met(piece)[0]))
            after = rule.apply(piece)
            if not len(after):
                steps.append(msgspec.structs.replace(step, result="dropped"))
                return None, name
            steps.append(_step(step, piece, after))
            piece = after
        return piece, ""


def _step(step: Step, before: Slice, after: Slice) -> Step:
    """A step with what it changed."""
    old, new = records_of(before)[0], records_of(after)[0]
    added = {key: value for key, value in new.items() if key not in old}
    removed = {key: value for key, value in old.items() if key not in new}
    changed = {key: (value, new[key]) for key, value in old.items() if key in new and _differ(value, new[key])}
    result = "changed" if added or removed or changed else step.result
    return msgspec.structs.replace(step, result=result, added=added, removed=removed, changed=changed)


def _differ(one: Any, other: Any) -> bool:
    """1 is not true, and not 1.0: JSON tells them apart."""
    return type(one) is not type(other) or one != other
