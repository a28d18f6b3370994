"""What one lane sends and settles as one: snapshots made into fragments, and fragments put together into loads.

Room: aggregator, forwarder. Never enters: journals, sockets, clocks.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aggregator.core.records import OwedBlock
from aggregator.forwarder.pods import PodState
from aggregator.metric_sink import Fragment, Limits


class Bundle(NamedTuple):
    """Fragments of one route, and what they come to."""

    fragments: list[Fragment]
    points: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Piece:
    """One snapshot made (or one pod's end, which has no block), and what the pod's state is once it is settled: None forgets the pod."""

    pod_uid: str
    block: OwedBlock | None
    pod: PodState | None
    bundles: Mapping[str, Bundle] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    taken_unix_ns: int = 0

    @property
    def size_bytes(self) -> int:
        """Bytes of its fragments."""
        return sum([bundle.size_bytes for bundle in self.bundles.values()])


def bundled(fragments: Sequence[Fragment]) -> dict[str, Bundle]:
    """Fragments by route, in their order."""
    routes: dict[str, list[Fragment]] = {}
    for fragment in fragments:
        if (found := routes.get(fragment[0])) is not None:
            found.append(fragment)
        else:
            routes[fragment[0]] = [fragment]
    return {
        route: Bundle(found, sum([points for _, _, points in found]), sum([len(body) for _, body, _ in found]))
        for route, found in routes.items()
    }


@dataclass(frozen=True)
class Load:
    """Fragments of one route: what one request carries. `oldest_unix_ns`: when the oldest of their snapshots was taken."""

    route: str
    fragments: tuple[Fragment, ...]
    oldest_unix_ns: int

    def __len__(self) -> int:
        return len(self.fragments)

    @property
    def size_bytes(self) -> int:
        """Bytes of all fragments."""
        return sum([len(fragment.body) for fragment in self.fragments])

    @property
    def points(self) -> int:
        """What they count for."""
        return sum([fragment.points for fragment in self.fragments])

    def bodies(self) -> list[bytes]:
        """As `pack` takes them."""
        return [fragment.body for fragment in self.fragments]

    def halves(self) -> tuple["Load", "Load"]:
        """The first and the second half by fragments. Only for a load of two or more."""
        middle = len(self.fragments) // 2
        first, second = self.fragments[:middle], self.fragments[middle:]
        return Load(self.route, first, self.oldest_unix_ns), Load(self.route, second, self.oldest_unix_ns)


@dataclass(slots=True)
class _Fill:
    """How full a load is."""

    limits: Limits
    points: int = 0
    size_bytes: int = 0
    fragments: list[Fragment] = field(default_factory=list)

    def takes(self, bundle: Bundle) -> bool:
        """True where all of it fits beside what is there."""
        limits, number = self.limits, len(bundle.fragments)
        return (
            self.points + bundle.points <= limits.max_points
            and self.size_bytes + bundle.size_bytes + number * limits.overhead_bytes <= limits.max_bytes
            and len(self.fragments) + number <= limits.max_fragments
        )

    def add(self, bundle: Bundle) -> None:
        self.fragments += bundle.fragments
        self.points += bundle.points
        self.size_bytes += bundle.size_bytes + len(bundle.fragments) * self.limits.overhead_bytes


class PointsBatch:
    """Pieces in order. It is full when a route would need a second request for the next piece."""

    def __init__(self, limits_of: Callable[[str], Limits]) -> None:
        self._limits_of = limits_of
        self._fills: dict[str, _Fill] = {}
        self._full: list[tuple[str, list[Fragment]]] = []
        self.pieces: list[Piece] = []

    def takes(self, piece: Piece) -> bool:
        """True where all of `piece` fits beside what is there. The first always fits: it may need several requests."""
        return not self.pieces or all(self._fill(route).takes(bundle) for route, bundle in piece.bundles.items())

    def add(self, piece: Piece) -> None:
        """Take it."""
        self.pieces.append(piece)
        for route, bundle in piece.bundles.items():
            if (fill := self._fill(route)).takes(bundle):
                fill.add(bundle)
            else:
                self._spread(route, bundle)

    def _spread(self, route: str, bundle: Bundle) -> None:
        """Put a bundle that is too much for one request into as many as it takes; what is first in one always fits, whatever the destination says of it."""
        fill = self._fill(route)
        for fragment in bundle.fragments:
            alone = Bundle([fragment], fragment.points, len(fragment.body))
            if fill.fragments and not fill.takes(alone):
                self._full.append((route, fill.fragments))
                fill = self._fills[route] = _Fill(fill.limits)
            fill.add(alone)

    def loads(self) -> list[Load]:
        """What to send, in order."""
        oldest = min([piece.taken_unix_ns for piece in self.pieces], default=0)
        rest = [(route, fill.fragments) for route, fill in self._fills.items() if fill.fragments]
        return [Load(route, tuple(fragments), oldest) for route, fragments in (*self._full, *rest)]

    def dropped(self) -> Counter[str]:
        """Points that are in no fragment, by reason."""
        total: Counter[str] = Counter()
        for piece in self.pieces:
            total.update(piece.dropped)
        return total

    def states(self) -> dict[str, PodState | None]:
        """Each pod's state once all of it is settled: its last piece's."""
        return {piece.pod_uid: piece.pod for piece in self.pieces}

    def _fill(self, route: str) -> _Fill:
        fill = self._fills.get(route)
        if fill is None:
            fill = self._fills[route] = _Fill(self._limits_of(route))
        return fill
