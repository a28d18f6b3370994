"""A pattern as a tree of its own: what `re` read, with classes as ranges of code points and everything that flags say said in the nodes.

Room: aggregator core. Never enters: engines.

`re` has the only parser of its syntax; its tree (`re._parser`, the same from Python 3.11 to 3.14) is turned into this one at once and goes no further.
"""

import importlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

_parser: Any = importlib.import_module("re._parser")

MAX_CODE_POINT = 0x10FFFF
Ranges = tuple[tuple[int, int], ...]  # inclusive, ascending, apart
Place = Literal["begin", "end", "line_begin", "line_end", "boundary", "not_boundary"]

_DIGITS: Ranges = ((48, 57),)
_SPACES: Ranges = ((9, 13), (32, 32))
_WORDS: Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_CASE_GAP = ord("a") - ord("A")


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of `ranges`."""

    ranges: Ranges


@dataclass(frozen=True, slots=True)
class Row:
    """One after the other."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    """The first that leads to a match."""

    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """`most` None: without end. atomic: never given back."""

    body: "Node"
    least: int
    most: int | None
    greedy: bool
    atomic: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A group that captures. name: "" for a number only."""

    body: "Node"
    name: str


@dataclass(frozen=True, slots=True)
class At:
    """A place between two characters."""

    place: Place


@dataclass(frozen=True, slots=True)
class Look:
    """Look-around."""

    body: "Node"
    behind: bool


@dataclass(frozen=True, slots=True)
class Atomic:
    """`(?>...)`: never entered again."""

    body: "Node"


Node = Chars | Row | Choice | Repeat | Group | At | Look | Atomic


def parse(pattern: str, flags: int) -> tuple[Any, Node]:
    """What `re` read, and its tree. Raises re.error, ValueError with what is not supported; OverflowError, RecursionError."""
    try:
        read = _parser.parse(pattern, flags)
    except ValueError as error:  # flags that contradict each other
        raise re.error(str(error)) from error
    names = {number: name for name, number in read.state.groupdict.items()}
    return read, _Reading(names).row(read, read.state.flags)


def has_places(node: Node) -> bool:
    """True if it says where in the text it stands, or what is beside it (a word's boundary aside: a text's end is one like any other)."""
    match node:
        case At(place):
            return place not in {"boundary", "not_boundary"}
        case Look():
            return True
        case Row(parts) | Choice(parts):
            return any(map(has_places, parts))
        case Repeat(body) | Group(body) | Atomic(body):
            return has_places(body)
        case Chars():
            return False


def may_be_empty(node: Node) -> bool:
    """True if it may match without reading."""
    match node:
        case Row(parts):
            return all(map(may_be_empty, parts))
        case Choice(parts):
            return any(map(may_be_empty, parts))
        case Repeat(body, least):
            return least == 0 or may_be_empty(body)
        case Group(body) | Atomic(body):
            return may_be_empty(body)
        case Chars() | At() | Look():
            return not isinstance(node, Chars)


def complement(ranges: Ranges) -> Ranges:
    """All other code points."""
    gaps, at = [], 0
    for low, high in ranges:
        if at < low:
            gaps.append((at, low - 1))
        at = high + 1
    if at <= MAX_CODE_POINT:
        gaps.append((at, MAX_CODE_POINT))
    return tuple(gaps)


def united(ranges: Sequence[tuple[int, int]]) -> Ranges:
    """In order, neighbours as one."""
    made: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if made and low <= made[-1][1] + 1:
            made[-1] = (made[-1][0], max(made[-1][1], high))
        else:
            made.append((low, high))
    return tuple(made)


_NO_LINE_FEED = complement(((10, 10),))
_ANY: Ranges = ((0, MAX_CODE_POINT),)
_CATEGORIES: dict[str, Ranges] = {
    "CATEGORY_DIGIT": _DIGITS,
    "CATEGORY_NOT_DIGIT": complement(_DIGITS),
    "CATEGORY_SPACE": _SPACES,
    "CATEGORY_NOT_SPACE": complement(_SPACES),
    "CATEGORY_WORD": _WORDS,
    "CATEGORY_NOT_WORD": complement(_WORDS),
}
_PLACES: dict[str, Place] = {
    "AT_BEGINNING": "begin",
    "AT_BEGINNING_STRING": "begin",
    "AT_END": "end",
    "AT_END_STRING": "end",
    "AT_BOUNDARY": "boundary",
    "AT_NON_BOUNDARY": "not_boundary",
}
_LINE_PLACES: dict[str, Place] = {"AT_BEGINNING": "line_begin", "AT_END": "line_end"}


def _both_cases(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """ASCII letters in both cases: what IGNORECASE means with ASCII."""
    more = list(ranges)
    for low, high in ranges:
        for first, last, shift in ((65, 90, _CASE_GAP), (97, 122, -_CASE_GAP)):
            if max(low, first) <= min(high, last):
                more.append((max(low, first) + shift, min(high, last) + shift))
    return more


class _Reading:
    """From the tree of `re`: pairs of an operation's name and what belongs to it."""

    def __init__(self, names: dict[int, str]) -> None:
        self._names = names

    def row(self, items: Any, flags: int) -> Node:
        parts = tuple(self._node(str(operation), said, flags) for operation, said in items)
        return parts[0] if len(parts) == 1 else Row(parts)

    def _node(self, operation: str, said: Any, flags: int) -> Node:
        if operation in {"LITERAL", "NOT_LITERAL", "IN", "ANY"}:
            return Chars(ranges_of(operation, said, flags))
        if operation == "AT":
            places = {**_PLACES, **_LINE_PLACES} if flags & re.MULTILINE else _PLACES
            return At(places[str(said)])
        if operation == "BRANCH":
            return Choice(tuple(self.row(part, flags) for part in said[1]))
        if operation in {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}:
            least, most, body = said
            bound = None if str(most) == "MAXREPEAT" else int(most)
            is_atomic = operation == "POSSESSIVE_REPEAT"
            return Repeat(self.row(body, flags), int(least), bound, operation != "MIN_REPEAT", is_atomic)
        return self._bracket(operation, said, flags)

    def _bracket(self, operation: str, said: Any, flags: int) -> Node:
        if operation == "SUBPATTERN":
            number, added, taken, body = said
            inner = self.row(body, (flags | added) & ~taken)
            return inner if number is None else Group(inner, self._names.get(number, ""))
        if operation == "ATOMIC_GROUP":
            return Atomic(self.row(said, flags))
        if operation in {"ASSERT", "ASSERT_NOT"}:
            return Look(self.row(said[1], flags), said[0] < 0)
        if operation.startswith("GROUPREF"):
            raise ValueError("back references are not supported. Write out what may stand there")
        raise ValueError(f"{operation} is not supported. Write it in another way")


def ranges_of(operation: str, said: Any, flags: int) -> Ranges:
    """What one character of the pattern stands for: `operation` LITERAL, NOT_LITERAL, IN or ANY."""
    if operation == "ANY":
        return _ANY if flags & re.DOTALL else _NO_LINE_FEED
    items = said if operation == "IN" else [("LITERAL", said)]
    is_negated = operation == "NOT_LITERAL"
    ranges: list[tuple[int, int]] = []
    for kind, value in items:
        if str(kind) == "NEGATE":
            is_negated = True
        elif str(kind) == "LITERAL":
            ranges.append((value, value))
        elif str(kind) == "RANGE":
            ranges.append(value)
        else:
            ranges.extend(_CATEGORIES[str(value)])
    whole = united(_both_cases(ranges) if flags & re.IGNORECASE else ranges)
    return complement(whole) if is_negated else whole
