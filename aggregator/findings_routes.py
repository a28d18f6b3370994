"""Routes that no line ever takes, as those before them take all of it.

Room: aggregator, above core. Never enters: rules, lines. Only what is certain is said.
"""

from collections.abc import Iterator, Sequence
from typing import Protocol

from aggregator.core import findings_logic as logic
from aggregator.core.match import Glob
from aggregator.findings_conditions import formula_of
from aggregator.findings_fields import is_glob
from aggregator.route_config import MatchConfig, Names, RouteConfig, names_of
from towline.plumbing.place import Place

_KEYS = tuple(name for name in MatchConfig.__struct_fields__ if name != "labels")
_WITHOUT_SLASHES = frozenset({"namespace", "pod", "workload", "labels"})  # of which `*` is every value


class Routing(Protocol):
    """What of a configuration is looked at."""

    @property
    def routing(self) -> str: ...
    @property
    def routes(self) -> Sequence[RouteConfig]: ...


def unreachable(config: Routing, place: Place) -> dict[int, str]:
    """By its number, what is wrong with a route that gets nothing, or nothing for one of its sinks."""
    found: dict[int, str] = {}
    for index, route in enumerate(config.routes):
        before = [
            (number, earlier)
            for number, earlier in enumerate(config.routes[:index])
            if covers(earlier.match, route.match)
        ]
        at = place.child("routes").item(index)
        problem = (_taken if config.routing == "first" else _led_already)(before, route, at)
        if problem:
            found[index] = problem
    return found


def idle_joins(config: Routing, place: Place) -> Iterator[str]:
    """Where a route's `multiline` is never asked: lines of a stream are joined once, as the first of its routes says."""
    for index, route in enumerate(config.routes):
        for number, earlier in enumerate(config.routes[:index] if route.multiline else ()):
            leads_there = config.routing == "first" or set(route.to) <= set(earlier.to)
            if not (earlier.multiline and leads_there and covers(earlier.match, route.match)):
                continue
            if names_of(earlier.multiline) != names_of(route.multiline):
                at = place.child("routes").item(index).child("multiline")
                name = _named([(number, earlier)]).removesuffix(" takes them")
                joined = f"all of its lines are joined as {name} says, which comes before"
                yield at.says(f"is never asked: {joined}. Write the same there, or remove it")
            break


def _taken(before: Sequence[tuple[int, RouteConfig]], route: RouteConfig, at: Place) -> str:
    takers = _takers(before, route)
    if not takers:
        return ""
    return at.says(f"no line is left for this route: {_named(takers)} before it. Put it before, or remove it")


def _led_already(before: Sequence[tuple[int, RouteConfig]], route: RouteConfig, at: Place) -> str:
    """A sink gets each line by the first route that leads there."""
    takers = {
        sink: _takers([(number, earlier) for number, earlier in before if sink in earlier.to], route)
        for sink in dict.fromkeys(route.to)
    }
    idle = [sink for sink, some in takers.items() if some]
    if not idle:
        return ""
    named = _named([one for one in before if any(one in takers[sink] for sink in idle)])
    sinks = ", ".join(idle)
    if len(idle) < len(takers):
        return at.child("to").says(
            f"{sinks} has all of these lines already: {named} before this route. Remove {sinks} here, or put this route before"
        )
    return at.says(
        f"does nothing, as {sinks} has all of its lines already: {named} before it. Put it before, or remove it"
    )


def _takers(before: Sequence[tuple[int, RouteConfig]], route: RouteConfig) -> list[tuple[int, RouteConfig]]:
    """The earlier routes that together take all that a route could get; none where that is not certain."""
    whole = [one for one in before if one[1].where is None]
    if whole:
        return whole[:1]
    # Conditions see what each route's own parsers find: they can be compared where those are the same.
    alike = [one for one in before if names_of(one[1].parse) == names_of(route.parse)]
    for one in alike:
        if logic.must_be(formula_of(one[1].where)):
            return [one]
    left: list[logic.Formula] = [formula_of(route.where)]
    for count, one in enumerate(alike, 1):
        left.append(logic.Not(formula_of(one[1].where)))
        if logic.can_never_be(logic.All(tuple(left))):
            return alike[:count]
    return []


def _named(takers: Sequence[tuple[int, RouteConfig]]) -> str:
    """`route web (routes[0]) takes them`."""
    named = [
        f"route {route.name} (routes[{number}])" if route.name else f"routes[{number}]" for number, route in takers
    ]
    return f"{' and '.join(named)} take{'s' if len(named) == 1 else ''} them"


def covers(earlier: MatchConfig, later: MatchConfig) -> bool:
    """Whether every stream that the later one matches is matched by the earlier one: where that is certain."""
    keys = [(key, getattr(earlier, key), getattr(later, key)) for key in _KEYS]
    labels = [("labels", values, later.labels.get(label, ())) for label, values in earlier.labels.items()]
    return all(_all_of(key, ours, theirs) for key, ours, theirs in (*keys, *labels) if names_of(ours))


def _all_of(key: str, earlier: Names, later: Names) -> bool:
    """Whether each value that the later globs match is matched by the earlier ones."""
    ours, theirs = names_of(earlier), names_of(later)
    if "**" in ours or ("*" in ours and key in _WITHOUT_SLASHES):
        return key != "labels" or bool(theirs)
    return bool(theirs) and all(name in ours or (not is_glob(name) and Glob(ours).matches(name)) for name in theirs)
