"""Which routes a stream meets, and why it does not meet the others: in words.

Room: aggregator, above core. Never enters: lines.
"""

from collections.abc import Mapping, Sequence

import msgspec

from aggregator.config import AggregatorConfig
from aggregator.core.match import OF_STREAM, Match
from aggregator.route_config import MatchConfig, RouteConfig, names_of
from towline.wire.identity import Origin, Pod


class RouteMet(msgspec.Struct, frozen=True, kw_only=True):
    """One route. matches: the stream is one of those that it means. why: the first key that says otherwise, or what comes before it."""

    name: str
    key: str  # in the configuration: routes[0]
    to: Sequence[str]
    matches: bool
    reached: bool
    why: str = ""


def routes_met(config: AggregatorConfig, pod: Pod, origin: Origin) -> list[RouteMet]:
    """All routes in their order."""
    met: list[RouteMet] = []
    taken: dict[str, str] = {}  # by sink, the route behind which no line is left for it
    for index, route in enumerate(config.routes):
        name = route.name or str(index)
        why = why_not(route.match, pod, origin)
        matches = not why
        if matches:
            why = _behind(route, taken, is_first=config.routing == "first")
        met.append(
            RouteMet(
                name=name, key=f"routes[{index}]", to=route.to, matches=matches, reached=matches and not why, why=why
            )
        )
        if matches and route.where is None:
            for sink in config.sinks if config.routing == "first" else route.to:
                taken.setdefault(sink, name)
    return met


def why_not(match: MatchConfig, pod: Pod, origin: Origin) -> str:
    """The first key that does not match, in words; "" where all do."""
    for key, value_of in OF_STREAM.items():
        globs = names_of(getattr(match, key))
        if globs and not Match({key: globs}).matches(pod, origin):
            return f"{key} {value_of(pod, origin)!r} is not {_one_of(globs)}"
    return _why_not_labels(match.labels, pod, origin)


def _why_not_labels(labels: Mapping[str, str | tuple[str, ...]], pod: Pod, origin: Origin) -> str:
    for name, globs in labels.items():
        if name not in pod.labels:
            return f"the pod has no label {name}"
        if not Match(labels={name: names_of(globs)}).matches(pod, origin):
            return f"label {name} {pod.labels[name]!r} is not {_one_of(names_of(globs))}"
    return ""


def _one_of(globs: Sequence[str]) -> str:
    return repr(globs[0]) if len(globs) == 1 else f"one of {', '.join(map(repr, globs))}"


def _behind(route: RouteConfig, taken: Mapping[str, str], *, is_first: bool) -> str:
    """Why nothing is left for a route that matches; "" where something may be."""
    by = dict.fromkeys(taken[sink] for sink in route.to if sink in taken)
    if len([sink for sink in route.to if sink in taken]) < len(route.to):
        return ""
    what = "takes all lines" if is_first else f"takes all lines to {', '.join(route.to)}"
    return f"route {' and '.join(by)} {what} before it"
