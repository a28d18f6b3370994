r"""A pattern as text again: for `re`, as it was but for what would mean something else; for RE2, with everything written out.

Room: aggregator core. Never enters: engines.

RE2 knows no `\Z`, its `\s` lacks U+000B, and it folds case in Unicode where `re` was told ASCII: classes are written as ranges, so that both mean the same.
"""

import re
from typing import Any, NamedTuple

from aggregator.core.regex.tree import (
    MAX_CODE_POINT,
    At,
    Chars,
    Choice,
    Group,
    Look,
    Node,
    Ranges,
    Repeat,
    Row,
    ranges_of,
)

_FLAGS = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s"}
_REPEATS = {"MAX_REPEAT": "", "MIN_REPEAT": "?", "POSSESSIVE_REPEAT": "+"}
_CLASSES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}
_PLACES = {
    "AT_BEGINNING": "^",
    "AT_BEGINNING_STRING": r"\A",
    "AT_END": r"\Z",  # `$` would also match before a last line feed, where RE2's does not
    "AT_END_STRING": r"\Z",
    "AT_BOUNDARY": r"\b",
    "AT_NON_BOUNDARY": r"\B",
}
_ONE_CHARACTER = frozenset({"LITERAL", "NOT_LITERAL", "IN", "ANY"})
_RE2_PLACES = {
    "begin": r"\A",
    "end": r"\z",
    "line_begin": "(?m:^)",
    "line_end": "(?m:$)",
    "boundary": r"\b",
    "not_boundary": r"\B",
}


class Run(NamedTuple):
    """The loop over one class that a pattern begins with: its place in what `re` read, and the class."""

    said: Any
    ranges: Ranges


def leading_run(read: Any) -> Run | None:
    """The loop without end that a pattern begins with, where it does.

    The first match never begins inside a run of such characters: it could have begun with the run. Saying so makes the search linear.
    """
    flags, items = read.state.flags, read
    while len(items):
        operation, said = items[0]
        if str(operation) == "SUBPATTERN" and not said[1] and not said[2]:
            items = said[3]
            continue
        if str(operation) not in _REPEATS or str(said[1]) != "MAXREPEAT":
            return None
        body = said[2]
        if len(body) != 1 or str(body[0][0]) not in _ONE_CHARACTER:
            return None
        return Run(said, ranges_of(str(body[0][0]), body[0][1], flags))
    return None


def is_anchored(read: Any) -> bool:
    """True if nothing matches but at the text's begin."""
    operation, said = read[0] if len(read) else ("", "")
    is_line = str(said) == "AT_BEGINNING" and read.state.flags & re.MULTILINE
    return str(operation) == "AT" and str(said).startswith("AT_BEGINNING") and not is_line


def python_text(read: Any, run: Run | None = None) -> str:
    """For `re`, with re.ASCII. run: a match is not to begin inside such a run."""
    flags = read.state.flags
    names = {number: name for name, number in read.state.groupdict.items()}
    body = _Writing(names, run).row(read, flags)
    said = _letters(flags)
    return f"(?{said}){body}" if said else body


def re2_text(node: Node) -> str:
    """For RE2. Raises ValueError with what it cannot do."""
    match node:
        case Chars(ranges):
            return _re2_class(ranges)
        case Row(parts):
            return "".join(map(re2_text, parts))
        case Choice(parts):
            return f"(?:{'|'.join(map(re2_text, parts))})"
        case Group(body, name):
            return f"(?P<{name}>{re2_text(body)})" if name else f"({re2_text(body)})"
        case Repeat(body, least, most, greedy, atomic=False):
            return f"(?:{re2_text(body)}){_count(least, most)}{'' if greedy else '?'}"
        case At(place):
            return _RE2_PLACES[place]
    raise ValueError("look-ahead and look-behind" if isinstance(node, Look) else "atomic groups and possessive repeats")


def _count(least: int, most: int | None) -> str:
    known = {(0, None): "*", (1, None): "+", (0, 1): "?"}.get((least, most))
    if known is not None:
        return known
    return f"{{{least},{'' if most is None else most}}}" if least != most else f"{{{least}}}"


def _re2_class(ranges: Ranges) -> str:
    if ranges == ((0, MAX_CODE_POINT),):
        return "(?s:.)"
    if not ranges:
        return r"[^\x{0}-\x{10FFFF}]"
    return "[" + "".join(rf"\x{{{low:x}}}-\x{{{high:x}}}" for low, high in ranges) + "]"


def _letters(flags: int) -> str:
    return "".join(letter for flag, letter in _FLAGS.items() if flags & flag)


class _Writing:
    def __init__(self, names: dict[int, str], run: Run | None) -> None:
        self._names, self._run = names, run

    def row(self, items: Any, flags: int) -> str:
        return "".join(self._item(str(operation), said, flags) for operation, said in items)

    def _item(self, operation: str, said: Any, flags: int) -> str:
        if operation in _ONE_CHARACTER:
            return _one(operation, said)
        if operation == "AT":
            return "$" if str(said) == "AT_END" and flags & re.MULTILINE else _PLACES[str(said)]
        if operation == "BRANCH":
            return f"(?:{'|'.join(self.row(part, flags) for part in said[1])})"
        if operation in _REPEATS:
            return self._repeat(operation, said, flags)
        return self._bracket(operation, said, flags)

    def _repeat(self, operation: str, said: Any, flags: int) -> str:
        least, most, body = int(said[0]), None if str(said[1]) == "MAXREPEAT" else int(said[1]), said[2]
        text = self.row(body, flags)
        if len(body) != 1 or str(body[0][0]) not in _ONE_CHARACTER:
            text = f"(?:{text})"
        before = ""
        if self._run is not None and said is self._run.said:
            # Behind the first character where there must be one: so `re` still looks for that quickly.
            before = f"{text}(?<!{text}{text})" if least else f"(?<!{text})"
            least = max(least - 1, 0)
        return f"{before}{text}{_count(least, most)}{_REPEATS[operation]}"

    def _bracket(self, operation: str, said: Any, flags: int) -> str:
        if operation == "SUBPATTERN":
            number, added, taken, body = said
            inner = self.row(body, (flags | added) & ~taken)
            if number is not None:
                return f"(?P<{self._names[number]}>{inner})" if number in self._names else f"({inner})"
            off = f"-{_letters(taken)}" if taken else ""
            return f"(?{_letters(added)}{off}:{inner})"
        if operation == "ATOMIC_GROUP":
            return f"(?>{self.row(said, flags)})"
        sign = "=" if operation == "ASSERT" else "!"
        return f"(?{'<' if said[0] < 0 else ''}{sign}{self.row(said[1], flags)})"


def _one(operation: str, said: Any) -> str:
    if operation == "ANY":
        return "."
    if operation == "LITERAL":
        return re.escape(chr(said))
    if operation == "NOT_LITERAL":
        return f"[^{re.escape(chr(said))}]"
    return f"[{''.join(_member(str(kind), value) for kind, value in said)}]"


def _member(kind: str, value: Any) -> str:
    if kind == "NEGATE":
        return "^"
    if kind == "LITERAL":
        return re.escape(chr(value))
    if kind == "RANGE":
        return f"{re.escape(chr(value[0]))}-{re.escape(chr(value[1]))}"
    return _CLASSES[str(value)]
