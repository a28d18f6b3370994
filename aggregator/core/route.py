"""Which sinks a stream may reach, and what is done to its lines on the way: decided once per (sink, pod, origin), never per line.

Room: aggregator core. Never enters: sinks themselves, sockets, clocks; how rules work.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from aggregator.core.match import Match
from aggregator.core.multiline import Joining
from aggregator.core.plan import Branch, Parse, Plan, Step, Where
from aggregator.core.remember import Remembered
from towline.wire.identity import Origin, Pod

_EVERYTHING = Match()


@dataclass(frozen=True, slots=True)
class Binding:
    """Whose events a rule is to work on, and for which sink."""

    sink: str
    pod: Pod
    origin: Origin
    replica: str = ""


class Rule(Protocol):
    """One row of `rules:`, for whatever stream."""

    def bound(self, to: Binding) -> Step:
        """The same rule for one stream on its way to one sink."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row of `routes:`. `to`: names of sinks, in the order of the configuration."""

    to: tuple[str, ...]
    name: str = ""
    match: Match = field(default=_EVERYTHING)
    joining: Joining | None = None
    parse: Parse | None = None
    where: Where | None = None
    rules: Sequence[Rule] = ()

    def branch(self, to: Binding) -> Branch:
        """What the route asks for, on the way to one sink."""
        if to.sink not in self.to:
            return Branch(name=self.name, leads_here=False, parse=self.parse, where=self.where)
        rules = tuple(rule.bound(to) for rule in self.rules)
        return Branch(name=self.name, parse=self.parse, where=self.where, rules=rules)


class Routes:
    """All routes of a configuration. Without any, every push sink is owed everything.

    `first`: a line goes where its first matching route says, and nowhere else; otherwise each route that matches it leads it on.
    """

    def __init__(self, routes: Sequence[Route], push_sinks: Collection[str], *, first: bool = False) -> None:
        self.push_sinks = tuple(push_sinks)
        self._routes = tuple(routes) or (Route(to=self.push_sinks),)
        self._first = first

    def owed(self, pod: Pod, origin: Origin) -> tuple[str, ...]:
        """The push sinks that may get lines of this stream, each once. Pull sinks take no part in *delivered* (protocol rule 16)."""
        named = dict.fromkeys(name for route in self._reached(pod, origin) for name in route.to)
        return tuple(name for name in named if name in self.push_sinks)

    def on_the_way_to(self, sink: str, pod: Pod, origin: Origin) -> list[Route]:
        """The routes that decide which lines of a stream reach a sink: those that lead there, and those that take lines away before."""
        routes: list[Route] = []
        for route in self._reached(pod, origin):
            if self._first or sink in route.to:
                routes.append(route)
                if route.where is None:
                    break
        while routes and sink not in routes[-1].to:
            routes.pop()
        return routes

    def _reached(self, pod: Pod, origin: Origin) -> Iterator[Route]:
        """The routes that match, up to the one behind which nothing is left."""
        for route in self._routes:
            if route.match.matches(pod, origin):
                yield route
                if self._first and route.where is None:
                    return


class Plans:
    """What is done to the lines of each stream on the way to each sink: worked out once, then remembered."""

    def __init__(self, routes: Routes, replica: str = "", made_anew: "Callable[[], Plans] | None" = None) -> None:
        """`replica`: what stands for {replica} in templates. `made_anew`: the same routes, of which nothing is remembered."""
        self.routes = routes
        self._made_anew = made_anew
        self._replica = replica
        self._remembered = {sink: Remembered(partial(self._plan, sink)) for sink in routes.push_sinks}

    def of(self, sink: str, pod: Pod, origin: Origin) -> Plan | None:
        """What is done to a stream's lines on the way to a sink; None where they go as they came.

        A plan without branches takes none: what an earlier configuration owed the sink is settled unsent.
        """
        return self._remembered[sink](pod, origin)

    def anew(self) -> "Plans":
        """The same, without what rules remember (a rate limit): for whoever tries lines that nobody wrote."""
        return self._made_anew() if self._made_anew is not None else Plans(self.routes, self._replica)

    def _plan(self, sink: str, pod: Pod, origin: Origin) -> Plan | None:
        routes = self.routes.on_the_way_to(sink, pod, origin)
        joining = next((route.joining for route in routes if route.joining is not None), None)
        to = Binding(sink, pod, origin, self._replica)
        plan = Plan(branches=tuple(route.branch(to) for route in routes), joining=joining)
        return None if plan.asks_nothing else plan
