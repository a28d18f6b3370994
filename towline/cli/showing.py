"""Values and texts in the columns of a terminal: nothing that came from a log moves its cursor.

Room: the front door. Never enters: what is shown.
"""

import json
import shutil
import textwrap
from collections.abc import Iterator
from typing import Any

_NARROWEST, _WIDEST = 40, 160
_MOST_LINES = 12  # of one value: who wants all of it asks for JSON


def columns() -> int:
    """How wide to write: the terminal, or COLUMNS, or 80."""
    return min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)


def as_json(value: Any) -> str:
    """A value in one line of JSON, with what no terminal shows escaped."""
    return plain(json.dumps(value, ensure_ascii=False, default=str))


def scalar(value: Any) -> str:
    """A value as a configuration would hold it: texts with double quotes in them in single ones, where that needs no escapes."""
    if isinstance(value, str) and value.isprintable() and ('"' in value or "\\" in value):
        return "'" + value.replace("'", "''") + "'"
    return as_json(value)


def plain(text: str) -> str:
    """Text without control characters."""
    return text if text.isprintable() else "".join(char if char.isprintable() else _escaped(char) for char in text)


def wrapped(head: str, text: str, width: int, most_lines: int = _MOST_LINES) -> Iterator[str]:
    """`text` behind `head`, in as many lines as it takes, each begun below its first character."""
    room = max(width - len(head), 20)
    parts = [text[at : at + room] for at in range(0, len(text), room)] or [""]
    if len(parts) > most_lines:
        left = len(text) - room * (most_lines - 1)
        parts = [*parts[: most_lines - 1], f"... {left} more characters"]
    yield f"{head}{parts[0]}".rstrip()
    yield from (" " * len(head) + part for part in parts[1:])


def worded(head: str, text: str, width: int) -> Iterator[str]:
    """A sentence behind `head`, broken between words."""
    lines = textwrap.wrap(text, max(width - len(head), 20), break_on_hyphens=False) or [""]
    yield f"{head}{lines[0]}".rstrip()
    yield from (" " * len(head) + line for line in lines[1:])


def window(text: str, at: int, room: int) -> str:
    """The part of a long text around a place in it."""
    if len(text) <= room:
        return text
    begin = max(0, min(at - room // 3, len(text) - room))
    part = text[begin : begin + room]
    if begin:
        part = "..." + part[3:]
    return part[:-3] + "..." if begin + room < len(text) else part


def first_difference(one: str, other: str) -> int:
    """Where two texts part."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _escaped(char: str) -> str:
    number = ord(char)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
