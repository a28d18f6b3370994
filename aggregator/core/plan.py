"""What the routes of one sink ask for, for the lines of one stream: decided once, applied to each of its blocks.

Room: aggregator core. Never enters: how a step works; configuration; sinks.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from aggregator.core.events import Count, Tally, Texts
from aggregator.core.events import joined as joined_details
from aggregator.core.multiline import Joining
from aggregator.core.records import Slice


class Step(Protocol):
    """One thing that is done to events. Pure, but for what a rate limit remembers; called on worker threads."""

    def apply(self, piece: Slice) -> Slice:
        """The same events, or fewer, with their offsets; what is to be counted is added to its `tally`."""


class Parse(Step, Protocol):
    """A step that finds fields."""

    key: str  # two that have the same find the same: what one found is remembered for the other


class Where(Protocol):
    """A condition."""

    def met(self, piece: Slice) -> Sequence[bool]:
        """Of each event, whether it is met."""


Parser = Callable[[Parse, Slice], Slice]


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One route that matches the stream. `leads_here`: it names the sink; one that does not takes lines away (`routing: first`)."""

    name: str
    leads_here: bool = True
    parse: Parse | None = None
    where: Where | None = None
    rules: Sequence[Step] = ()

    @property
    def asks_nothing(self) -> bool:
        return self.leads_here and self.parse is None and self.where is None and not self.rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Branches in their order; all but the last have a condition. `joining`: None where lines are events."""

    branches: Sequence[Branch]
    joining: Joining | None = None

    @property
    def asks_nothing(self) -> bool:
        """True where lines go as they came."""
        return self.joining is None and len(self.branches) == 1 and self.branches[0].asks_nothing

    def apply(self, piece: Slice, parsed: Parser = lambda parse, piece: parse.apply(piece)) -> Slice:
        """The events of a slice (joined already) that reach the sink, as its rules left them, in their order.

        `parsed` applies a branch's parse: whoever remembers what others had parsed passes it in.
        """
        if len(self.branches) == 1 and self.branches[0].where is None:
            return _ruled(self.branches[0], _parsed(self.branches[0], piece, parsed))
        left, reached, tally, counted = piece, list[Slice](), Tally(piece.tally), set[str]()
        for branch in self.branches:
            seen = _parsed(branch, left, parsed)
            if (
                branch.parse is not None and branch.parse.key not in counted
            ):  # the same again would count the same lines
                counted.add(branch.parse.key)
                tally = tally.with_all(_added(seen.tally, left.tally))
            taken, left = _divided(branch, seen, left)
            if branch.leads_here:
                made = _ruled(branch, replace(taken, tally={}))
                tally = tally.with_all(made.tally)
                reached.append(made)
        return replace(merged(piece, reached), tally=tally)


def _parsed(branch: Branch, piece: Slice, parsed: Parser) -> Slice:
    return parsed(branch.parse, piece) if branch.parse is not None else piece


def _ruled(branch: Branch, piece: Slice) -> Slice:
    for rule in branch.rules:
        if not len(piece):
            break
        piece = rule.apply(piece)
    return piece


def _divided(branch: Branch, seen: Slice, piece: Slice) -> tuple[Slice, Slice]:
    """What a branch takes, as its parse left it in `seen`, and what it leaves, as it was."""
    if branch.where is None:
        return seen, piece.kept([False] * len(piece))
    met = branch.where.met(seen)
    return seen.kept(met), piece.kept([not one for one in met])


def _added(after: Mapping[Count, int], before: Mapping[Count, int]) -> dict[Count, int]:
    return {count: events - before.get(count, 0) for count, events in after.items()}


def merged(piece: Slice, parts: Sequence[Slice]) -> Slice:
    """The events of all parts in the order of the stream, as one slice that stands for all of `piece`."""
    filled = [part for part in parts if len(part)]
    if not filled:
        return piece.kept([False] * len(piece))
    if len(filled) == 1:
        return replace(filled[0], start=piece.start, end=piece.end, covers=piece.covers)
    ends = [end for part in filled for end in part.known_ends()]
    order = sorted(range(len(ends)), key=ends.__getitem__)
    texts = [text for part in filled for text in part.lines]
    looked_into = any(part.details is not None for part in filled)
    details = joined_details([part.known_details() for part in filled]) if looked_into else None
    return replace(
        piece,
        lines=Texts(texts[index] for index in order),
        ends=[ends[index] for index in order],
        details=details and details.picked(order),
        partial=any(part.partial for part in filled),
        continues=any(part.continues for part in filled),
    )
