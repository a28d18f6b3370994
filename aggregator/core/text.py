"""Lines to JSON, many at a time: joined, decoded and escaped once, then cut apart again by replacing what stood between them.

Room: aggregator core. Never enters: vendors, sockets, clocks. The bytes depend on the lines alone: a retry sends the same.
"""

import bisect
from collections.abc import Sequence
from typing import NamedTuple

import orjson

from aggregator.core.events import Texts
from aggregator.core.lines import SEPARATOR, Lines

_LINE_FEED = b"\n"
TRUNCATION_MARK = "...TRUNCATED..."  # as the Datadog Agent writes it


def join_lines(lines: Sequence[bytes], blank: bytes = b"") -> bytes:
    """All lines with SEPARATOR between them, each without its one trailing CR; empty ones become `blank`.

    A line may hold SEPARATOR, too: whoever cuts the text apart again finds more pieces than lines, and does it line by line.
    """
    if isinstance(lines, Lines | Texts) and not blank and b"\r" not in (joined := lines.joined()):
        return joined
    if isinstance(lines, Texts):  # they may hold line feeds
        return SEPARATOR.join(text.removesuffix(b"\r") or blank for text in lines)
    whole = lines.text() if isinstance(lines, Lines) else _LINE_FEED.join(lines)
    returns = b"\r" in whole
    if returns:
        whole = whole.replace(b"\r\n", _LINE_FEED).removesuffix(b"\r")
    # Looked for in the list: to find two line feeds in a row takes seven times as long.
    if blank and (b"" in lines or (returns and b"\r" in lines)):
        whole = _fill(whole, blank)
    return whole.replace(_LINE_FEED, SEPARATOR)


def decode_each(lines: Sequence[bytes], blank: str = "") -> list[str]:
    """Each line as text: U+FFFD for what is not UTF-8, without its one trailing CR; empty ones become `blank`."""
    return [line.removesuffix(b"\r").decode("utf-8", "replace") or blank for line in lines]


def escape_each(lines: Sequence[bytes]) -> list[bytes]:
    """Each line as a JSON string, without its quotes."""
    escaped = escape(join_lines(lines))[1:-1].split(SEPARATOR)
    return escaped if len(escaped) == len(lines) else [orjson.dumps(text)[1:-1] for text in decode_each(lines)]


def escape(joined: bytes) -> bytes:
    """What `join_lines` made, as one JSON string with its quotes; SEPARATOR still stands between the lines."""
    return orjson.dumps(joined.decode("utf-8", "replace"))


def utf8_bytes(joined: bytes) -> int:
    """What `joined` is long once what is no UTF-8 has become U+FFFD."""
    try:
        joined.decode()
    except UnicodeDecodeError:
        return len(joined.decode("utf-8", "replace").encode())
    return len(joined)


class Frame(NamedTuple):
    """What stands around each line, and between two of them."""

    before: bytes
    after: bytes
    between: bytes


def splice(escaped: bytes, lines: int, frame: Frame) -> tuple[bytes, bytes, bytes] | None:
    """`before"line"after` for every line of what `escape` made, in three parts that are to be joined with others.

    None where a line holds SEPARATOR: `lines`, the number there should be, tells.
    """
    instead = b"".join((b'"', frame.after, frame.between, frame.before, b'"'))
    spliced = escaped.replace(SEPARATOR, instead)
    # The growth tells how many separators there were: counting them beforehand would cost as much again.
    if len(spliced) - len(escaped) != (lines - 1) * (len(instead) - 1):
        return None
    return frame.before, spliced, frame.after


def truncate(text: str, room_bytes: int) -> str:
    """The longest start of `text` that, with the mark behind it, takes at most `room_bytes` as a JSON string (quotes included)."""
    room = room_bytes - len(TRUNCATION_MARK)
    kept = bisect.bisect_right(range(len(text) + 1), room, key=lambda count: len(orjson.dumps(text[:count])))
    return text[: max(kept - 1, 0)] + TRUNCATION_MARK


def parts_of(text: str, max_bytes: int) -> list[str]:
    """`text` in as few parts as fit `max_bytes` (4 or more) of UTF-8 each, cut between characters."""
    if len(text) * 4 <= max_bytes:  # no character takes more than 4 bytes: nearly every line ends here
        return [text]
    raw, parts, at = text.encode(), [], 0
    while at < len(raw):
        end = min(at + max_bytes, len(raw))
        while end < len(raw) and raw[end] & 0xC0 == 0x80:  # never between the bytes of one character
            end -= 1
        parts.append(raw[at:end].decode())
        at = end
    return parts


def _fill(whole: bytes, blank: bytes) -> bytes:
    """`whole` with `blank` for every empty line."""
    empty, filled = b"\n\n", b"\n" + blank + b"\n"
    if empty in whole:
        whole = whole.replace(empty, filled).replace(empty, filled)  # twice: the line feeds of neighbours overlap
    if whole.startswith(_LINE_FEED) or not whole:
        whole = blank + whole
    return whole + blank if whole.endswith(_LINE_FEED) else whole
