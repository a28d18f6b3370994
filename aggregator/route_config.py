"""The options of routes, and what they make: who gets which lines, and what is done to them on the way.

Room: aggregator, above core. Never enters: sinks themselves, lines.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from aggregator.condition_config import condition_of
from aggregator.core.match import Match
from aggregator.core.route import Plans, Route, Routes, Rule
from aggregator.multiline_config import MultilineConfig
from aggregator.parser_config import ParserConfig
from aggregator.route_tools import Tools
from aggregator.rule_config import rule_of
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place, closest, raise_if_any

Names = str | tuple[str, ...]


class MatchConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which streams: each a glob or a list of globs; all keys that are given must match.

    namespace, pod, workload, labels: of the pod. container, source, service, path: of the log, as its collector names them.
    """

    namespace: Names = ()
    pod: Names = ()
    workload: Names = ()
    container: Names = ()
    source: Names = ()
    service: Names = ()
    path: Names = ()
    labels: Mapping[str, Names] = {}


class RouteConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What goes where, and what is done to it on the way.

    name: a label of metrics; else the route's number, from 0.
    match: which streams; without it, all.
    multiline: names of rules that join lines.
    parse: names of parsers, of which the first that fits finds the fields.
    where: which of their lines, by a condition (condition_config.py).
    rules: what is done to them, in this order (rule_config.py).
    to: names of sinks.
    """

    name: str = ""
    match: MatchConfig = MatchConfig()
    multiline: Names = ()
    parse: Names = ()
    where: Any = None
    rules: tuple[Any, ...] = ()
    to: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.to:
            raise ValueError("to: names no sink. Name at least one, or remove the route")


class Routing(Protocol):
    """What of a configuration makes plans."""

    @property
    def parsers(self) -> Mapping[str, ParserConfig]: ...
    @property
    def multiline(self) -> Mapping[str, MultilineConfig]: ...
    @property
    def routing(self) -> str: ...
    @property
    def routes(self) -> Sequence[RouteConfig]: ...


def plans_of(config: Routing, file: str, push_sinks: Collection[str], replica: str = "") -> Plans:
    """The plans of all routes. `replica`: what stands for {replica} in templates. Raises ConfigError, which holds every problem."""
    place, problems = Place(file), list[str]()
    tools = Tools(config.parsers, config.multiline)
    labels: set[str] = set()
    routes = [
        _route(route, index, tools, (place.child("routes").item(index), labels, problems))
        for index, route in enumerate(config.routes)
    ]
    raise_if_any(problems)
    return Plans(
        Routes(routes, push_sinks, first=config.routing == "first"),
        replica,
        partial(plans_of, config, file, push_sinks, replica),
    )


def unknown_sinks(routes: Sequence[RouteConfig], sinks: Collection[str], place: Place) -> list[str]:
    """What is wrong with the names in `to`."""
    return [
        place.child("routes")
        .item(index)
        .child("to")
        .says(f"no sink is named {name!r}.{closest(name, sinks)} Use one of: {', '.join(sinks)}")
        for index, route in enumerate(routes)
        for name in route.to
        if name not in sinks
    ]


def names_of(names: Names) -> tuple[str, ...]:
    """One name, or several."""
    return (names,) if isinstance(names, str) else names


def _route(config: RouteConfig, index: int, tools: Tools, where: tuple[Place, set[str], list[str]]) -> Route:
    """One route; its problems are added to the list in `where`, its label and those of its rules to the set."""
    place, labels, problems = where
    label = config.name or str(index)
    _claim(f"route {label}", place.child("name"), labels, problems)
    try:
        parse = tools.parsing(names_of(config.parse), place.child("parse"))
        joining = tools.joining(names_of(config.multiline), place.child("multiline"))
        condition = None if config.where is None else condition_of(config.where, place.child("where"))
    except ConfigError as error:
        problems.append(str(error))
        parse = joining = condition = None
    rules: list[Rule] = []
    for number, values in enumerate(config.rules):
        at = place.child("rules").item(number)
        try:
            rule_label, rule = rule_of(values, f"{label}.{number}", tools, at)
        except ConfigError as error:
            problems.append(str(error))
            continue
        _claim(f"rule {rule_label}", at.child("name"), labels, problems)
        rules.append(rule)
    match = _match(config.match, place.child("match"), problems)
    return Route(
        to=config.to, name=label, match=match, joining=joining, parse=parse, where=condition, rules=tuple(rules)
    )


def _claim(label: str, place: Place, labels: set[str], problems: list[str]) -> None:
    """Labels of metrics are unique: two of a name would be counted as one."""
    if label in labels:
        problems.append(place.says(f"there is another {label}. Give each a name of its own"))
    labels.add(label)


def _match(config: MatchConfig, place: Place, problems: list[str]) -> Match:
    values = {name: names_of(getattr(config, name)) for name in config.__struct_fields__ if name != "labels"}
    labels = {key: names_of(names) for key, names in config.labels.items()}
    problems += [
        place.child("labels").child(key).says("names no value. Write a glob, or a list of globs")
        for key, names in labels.items()
        if not names
    ]
    return Match({key: names for key, names in values.items() if names}, labels)
