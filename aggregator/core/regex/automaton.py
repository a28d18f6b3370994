"""A pattern as an automaton: what it reads, step by step, and where it goes on, in the order in which a backtracking engine tries.

Room: aggregator core. Never enters: engines, texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from aggregator.core.regex.tree import At, Atomic, Chars, Choice, Group, Look, Node, Ranges, Repeat, Row, may_be_empty

MAX_STEPS = 3000
MATCH, DEAD_END = 0, 1


class UnprovenError(Exception):
    """It may be linear: that cannot be shown within bounds."""


@dataclass(slots=True)
class Step:
    """Reads one of `ranges`; or None: goes on at once, with `place` only where that holds. nexts: in order of preference."""

    nexts: Sequence[int]
    ranges: Ranges | None = None
    place: str = ""


class Automaton:
    """Steps of a pattern; MATCH and DEAD_END are two of them."""

    def __init__(self, node: Node) -> None:
        """Raises UnprovenError where it is too large."""
        self.steps = [Step(()), Step(())]
        self.start = self._add(node, MATCH)

    def _new(self, nexts: Sequence[int], ranges: Ranges | None = None, place: str = "") -> int:
        if len(self.steps) >= MAX_STEPS:
            raise UnprovenError
        self.steps.append(Step(nexts, ranges, place))
        return len(self.steps) - 1

    def _add(self, node: Node, then: int) -> int:
        match node:
            case Chars(ranges):
                then = self._new([then], ranges=ranges)
            case At(place):
                then = self._new([then], place=place)
            case Row(parts):
                for part in reversed(parts):
                    then = self._add(part, then)
            case Choice(parts):
                then = self._new([self._add(part, then) for part in parts])
            case Repeat():
                then = self._add_repeat(node, then)
            case Group() | Atomic() | Look():
                then = self._add_bracket(node, then)
        return then

    def _add_bracket(self, node: Group | Atomic | Look, then: int) -> int:
        if isinstance(node, Look):
            return self._add_look(node, then)
        if isinstance(
            node, Atomic
        ):  # tries fewer ways than a group, never more: but which of them it keeps is not known
            then = self._new([then], place="atomic")
        return self._add(node.body, then)

    def _add_repeat(self, node: Repeat, then: int) -> int:
        if node.most != node.least and may_be_empty(node.body):
            raise UnprovenError  # engines go on from such a round, or turn it back, each by rules of its own
        if node.atomic:
            then = self._new([then], place="atomic")
        if node.most is None:
            loop = self._new(())
            self.steps[loop].nexts = _in_order(node, self._add(node.body, loop), then)
            then = loop
        else:
            behind = then
            for _ in range(node.most - node.least):
                then = self._new(_in_order(node, self._add(node.body, then), behind))
        for _ in range(node.least):
            first = self._add(node.body, then)
            if first == then:  # an empty body, however often
                break
            then = first
        return then

    def _add_look(self, node: Look, then: int) -> int:
        """Looking ahead is a way that leads nowhere, tried before the one that goes on. What looks behind reads a fixed, short piece once more."""
        on = self._new([then], place="look")
        if not node.behind:
            return self._new([self._add(node.body, DEAD_END), on])
        parts = node.body.parts if isinstance(node.body, Row) else (node.body,)
        if not all(isinstance(part, Chars) for part in parts):
            raise UnprovenError
        return on


def _in_order(node: Repeat, again: int, on: int) -> tuple[int, int]:
    return (again, on) if node.greedy else (on, again)
