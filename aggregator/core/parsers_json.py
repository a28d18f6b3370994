"""Lines that are JSON objects, a block at a time.

Room: aggregator core. Never enters: what the members mean.

A block becomes one JSON array, because one call costs less than one for each line. That lines are told apart exactly is what `_MARK` is for:
between two lines stands a text that no line can hold, so each line holds one value, neither more nor less.
"""

from collections.abc import Sequence
from itertools import compress
from operator import itemgetter
from typing import Any

import orjson

from aggregator.core.lines import Lines
from aggregator.core.parsers_found import Rows, Source

_MARK = "\x7f"
_RAW_MARK, _ESCAPED_MARK = b"\x7f", b"\\u007"  # how a line could hold it
_BETWEEN = b',"\x7f",'
_BACKSLASH, _LINE_FEED = b"\\", b"\n"
_OPENING, _CLOSING = b"{}"
_LAST = itemgetter(-1)
# Deeper ones are read by orjson (up to 1024 levels), but not written (254), and a destination adds some of its own.
MAX_DEPTH = 200
_LEAST_DEEP_BYTES = 2 * MAX_DEPTH


class JsonReader:
    """Objects. Of a member that is there twice the last counts; an integer beyond 64 bits becomes a double."""

    def rows(self, source: Source) -> Rows:
        """The members of each text that is one JSON object, and nothing else but white space around it."""
        lines = source.lines[:]
        if not lines:
            return Rows(fields=[])
        raw = source.lines.text()
        # A text may hold line feeds: JSON that was written over several lines, and joined.
        is_lines = isinstance(source.lines, Lines) or raw.count(_LINE_FEED) == len(lines) - 1
        found = _objects(raw.replace(_LINE_FEED, _BETWEEN), len(lines)) if is_lines and _RAW_MARK not in raw else None
        if found is not None and not _has_deep(found, lines):
            return Rows(fields=found, is_source=_are_whole(lines) and _is_text(raw))
        return _read_each(lines)


def _objects(array: bytes, count: int) -> list[dict[str, Any]] | None:
    """`count` texts with _BETWEEN between them as objects; None where one of them is none, or may be more or less than one."""
    if _BACKSLASH in array and _ESCAPED_MARK in array:
        return None
    try:
        values: list[Any] = orjson.loads(b"[%b]" % array)
    except orjson.JSONDecodeError:
        return None
    found = values[::2]
    if len(values) != 2 * count - 1 or set(map(type, found)) != {dict} or values[1::2] != [_MARK] * (count - 1):
        return None
    return found


def _read_each(lines: Sequence[bytes]) -> Rows:
    """Where texts of other kinds stand between: those that begin as an object at once if they can be, else one by one."""
    fits = [line.lstrip()[:1] == b"{" for line in lines]
    likely = list(compress(lines, fits))
    array = _BETWEEN.join(likely)
    is_marked = array.count(_RAW_MARK) == len(likely) - 1
    found: Sequence[dict[str, Any] | None] | None = _objects(array, len(likely)) if is_marked else None
    if found is None or _has_deep(found, likely):
        found = [_object(line) for line in likely]
    each = iter(found)
    fits = [fit and next(each) is not None for fit in fits]
    rows = [row for row in found if row is not None]
    taken = list(compress(lines, fits))
    is_source = _are_whole(taken) and not any(_LINE_FEED in line for line in taken) and all(map(_is_text, taken))
    return Rows(fields=rows, fits=None if all(fits) else fits, is_source=is_source)


def _are_whole(lines: Sequence[bytes]) -> bool:
    """Whether texts that are objects, white space around them perhaps, are so from their first sign to their last."""
    return (
        bool(lines) and set(map(_LAST, lines)) == {_CLOSING} and min(lines)[0] == _OPENING
    )  # white space sorts before


def _is_text(raw: bytes) -> bool:
    if raw.isascii():
        return True
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        text = line.decode("utf-8", "replace")
        try:
            value = orjson.loads(text) if "\ufffd" in text else None  # one bad byte in a text hides nothing else
        except orjson.JSONDecodeError:
            return None
    return value if isinstance(value, dict) and not (_may_be_deep(line) and _is_deep(value)) else None


def _has_deep(found: Sequence[object], lines: Sequence[bytes]) -> bool:
    """Whether any object is nested too deeply."""
    if not lines or max(map(len, lines)) <= _LEAST_DEEP_BYTES:
        return False
    return any(_may_be_deep(line) and _is_deep(value) for line, value in zip(lines, found, strict=True))


def _may_be_deep(line: bytes) -> bool:
    return len(line) > _LEAST_DEEP_BYTES and line.count(b"{") + line.count(b"[") > MAX_DEPTH


def _is_deep(value: object) -> bool:
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True
