"""Which sinks are owed a stream: decided once per (pod, origin), never per line.

Room: aggregator core. Never enters: sinks themselves, sockets, clocks.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from towline.wire.identity import Origin, Pod


@dataclass(frozen=True, slots=True)
class Route:
    """One row of `routes:`; the names of sinks in `to`, in the order of the configuration."""

    to: tuple[str, ...]

    def matches(self, pod: Pod, origin: Origin) -> bool:  # noqa: ARG002 - the question every route is asked; `to` alone asks nothing of the answer
        """True for every stream: in this version a route has no conditions."""
        return True


class Routes:
    """All routes of a configuration. Without any, every push sink is owed everything."""

    def __init__(self, routes: Sequence[Route], push_sinks: Collection[str]) -> None:
        self._routes = tuple(routes) or (Route(to=tuple(push_sinks)),)
        self._push_sinks = frozenset(push_sinks)

    def owed(self, pod: Pod, origin: Origin) -> tuple[str, ...]:
        """The push sinks that get this stream, each once. Pull sinks take no part in *delivered* (protocol rule 16)."""
        named = (name for route in self._routes if route.matches(pod, origin) for name in route.to)
        return tuple(dict.fromkeys(name for name in named if name in self._push_sinks))
