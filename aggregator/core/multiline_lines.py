"""Patterns for single lines, made to be looked for in a text of many: no match ever goes past the end of its line.

Room: aggregator core. Never enters: what a match means. Users' patterns run on RE2, in time linear in the text.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, cast

from aggregator.core.regex.proof import ANY_TEXT, is_linear
from aggregator.core.regex.tree import parse
from aggregator.core.regex.wide import NotWideError, compiled
from aggregator.core.regexes import compile_regex

# A class that takes in the line feed where it need not, by what it is without it: outside brackets, and inside.
_OUTSIDE = {"s": r"[ \t\r\f\v]", "W": r"[^\w\n]", "D": r"[^\d\n]", "A": "^", "Z": "$", "z": "$"}
_INSIDE = {"s": r" \t\r\f\v", "W": r"\x00-\x09\x0b-/:-@\[-\^`{-\xff", "D": r"\x00-\x09\x0b-/:-\xff"}
_OUTER = re.compile(r"\\(?P<escaped>.)|(?P<group>\(\?P?<[A-Za-z_]\w*>|\((?!\?))|(?P<opens>\[\^?\]?)", re.DOTALL)
_INNER = re.compile(r"\\(?P<escaped>.)|(?P<named>\[:\^?\w+:\])|(?P<bracket>\[)|(?P<closes>\])", re.DOTALL)


_FEEDS = re.compile(rb"\n")


class Found(Protocol):
    """A match, of whichever engine."""

    def start(self) -> int: ...

    def end(self) -> int: ...


class Compiled(Protocol):
    """A pattern of whichever engine: `re` or RE2."""

    def match(self, text: bytes, at: int, stop: int, /) -> Found | None: ...

    def search(self, text: bytes, at: int, stop: int, /) -> Found | None: ...

    def finditer(self, text: bytes, at: int, stop: int, /) -> Iterator[Found]: ...


Look = Callable[[bytes, int, int], Found | None]


def within_a_line(pattern: str) -> str:
    """The pattern without groups to remember, and unable to match a line feed."""
    parts, at, is_inside = [], 0, False
    while (token := (_INNER if is_inside else _OUTER).search(pattern, at)) is not None:
        said = token.groupdict()
        parts.append(pattern[at : token.start()])
        if said["escaped"]:
            parts.append((_INSIDE if is_inside else _OUTSIDE).get(said["escaped"], token[0]))
        elif said.get("group"):
            parts.append("(?:")
        elif said.get("opens"):
            is_inside = True
            parts.append(token[0].replace("]", r"\]").replace("[^", r"[^\n"))
        else:
            is_inside = not said["closes"]
            parts.append("\\[" if said["bracket"] else token[0])
        at = token.end()
    return "".join([*parts, pattern[at:]])


class LinePattern:
    """Lines in which a pattern is found. `is_ours`: it is known to be linear, so the engine that starts sooner looks for it."""

    def __init__(self, pattern: str, *, is_ours: bool = False) -> None:
        """Raises ValueError with what is wrong and what to do."""
        compile_regex(pattern)
        self.inner = within_a_line(pattern)
        line = f"(?:{self.inner})" if _is_at_start(pattern) else f"[^\\n]*?(?:{self.inner})"
        # RE2 never goes back, and knows no sign for it.
        all_of, many_of = (r"[^\n]*+", "++") if is_ours else (r"[^\n]*", "+")
        self.one: Look = _compiled(f"{line}{all_of}\\n?", is_ours=is_ours).match
        self.many: Look = _compiled(f"(?:{line}{all_of}\\n){many_of}", is_ours=is_ours).match


def any_of(patterns: Iterable[LinePattern]) -> Look:
    """The first place where any is found."""
    return _compiled("|".join(f"(?:{one.inner})" for one in patterns), is_ours=False).search


def starts_of(pattern: LinePattern) -> Callable[[bytes, int], list[int]]:
    """Where lines begin in which the pattern is found, but the first line."""
    look = _compiled(f"(?:{pattern.inner})[^\\n]*", is_ours=False)

    def starts(text: bytes, stop: int) -> list[int]:
        found = [text.rfind(b"\n", 0, one.start()) + 1 for one in look.finditer(text, 0, stop)]
        return found[1:] if found and not found[0] else found

    return starts


def others_of(pattern: LinePattern) -> Callable[[bytes, int], list[int]]:
    """Where lines begin in which the pattern is not found, but the first line."""
    many, one, search = pattern.many, pattern.one, any_of([pattern])

    def starts(text: bytes, stop: int) -> list[int]:
        found, at = list[int](), 0
        while at < stop:
            place = search(text, at, stop)
            line = stop if place is None else max(at, text.rfind(b"\n", at, place.start()) + 1)
            if line > at:
                found += (at, *(feed.end() for feed in _FEEDS.finditer(text, at, line - 1)))
            run = many(text, line, stop) or one(text, line, stop) if line < stop else None
            at = run.end() if run is not None else stop
        return found[1:] if found and not found[0] else found

    return starts


def _is_at_start(pattern: str) -> bool:
    """Whether it is found at a line's start or nowhere, as far as that is seen at once."""
    return pattern.startswith("^") and "|" not in pattern.replace("\\|", "")


def _compiled(pattern: str, *, is_ours: bool) -> Compiled:
    if is_ours or _is_linear(pattern):
        return re.compile(pattern.encode(), re.MULTILINE)
    try:
        # As bytes: what is no UTF-8 is a part of a line, too.
        return cast("Compiled", compiled(b"(?m)" + pattern.encode(), captures=False))
    except NotWideError as error:
        raise ValueError(f"{error} cannot be looked for in lines. Write it without look-around, and shorter") from error


def _is_linear(pattern: str) -> bool:
    """Whether `re`, which finds the same as RE2 and starts sooner, is sure to need no longer."""
    if "[:" in pattern:  # a class that `re` would read as another
        return False
    try:
        _, node = parse(pattern, re.ASCII | re.MULTILINE)
    except (re.error, ValueError, OverflowError, RecursionError):
        return False
    return is_linear(node, ANY_TEXT, every=True)
