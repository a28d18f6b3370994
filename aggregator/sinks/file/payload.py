"""A batch as JSON lines: one object a line, with all that is known of where it came from.

Room: aggregator sinks, pure. Never enters: files, clocks.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson

from aggregator.core.columns import MESSAGE
from aggregator.core.events import Details, Fields
from aggregator.core.json_of import json_of
from aggregator.core.members import has_own_members, own_members
from aggregator.core.records import Batch, Slice
from aggregator.core.remember import Remembered
from aggregator.core.text import Frame, decode_each, escape, escape_each, join_lines, splice
from towline.wire.identity import Origin, Pod


class LineMaker:
    """Batches to bytes, every line ended by LF; the same batch gives the same bytes."""

    def __init__(self, *, event_ids: bool) -> None:
        self._event_ids = event_ids
        self._constants = Remembered(constants_of)

    def make(self, batch: Batch) -> bytes:
        parts: list[bytes] = []
        for piece in batch.slices:
            parts += self._lines(piece)
        return b"".join(parts)

    def _lines(self, piece: Slice) -> Sequence[bytes]:
        after = self._constants(piece.pod, piece.origin)
        if piece.details is not None:
            return self._events(piece, piece.details, after)
        before = b'{"timestamp":"%b","message":' % rfc3339(piece.read_unix_ns).encode()
        if not has_own_members(piece, event_ids=self._event_ids):
            spliced = splice(escape(join_lines(piece.lines)), len(piece), Frame(before, after + b"}\n", b""))
            if spliced is not None:
                return spliced
        texts = zip(escape_each(piece.lines), own_members(piece, event_ids=self._event_ids), strict=True)
        return [b'%b"%b"%b%b}\n' % (before, text, after, own) for text, own in texts]

    def _events(self, piece: Slice, details: Details, constants: bytes) -> list[bytes]:
        """Events that a route has looked into: with their own time and level, and their fields as one member."""
        texts = decode_each(piece.lines)
        own = own_members(piece, event_ids=self._event_ids)
        columns = zip(texts, details.fields, details.times_unix_ns, details.levels, own, strict=True)
        return [
            b"%b%b%b}\n" % (json_of(_members(text, fields, time, level))[:-1], constants, mine)
            for text, fields, time, level, mine in columns
        ]


def _members(text: str, fields: Fields | None, time_unix_ns: int, level: str) -> dict[str, object]:
    """What is an event's own. `message` is a text, and not among the fields as well; an object that says none has none."""
    message = text if fields is None else fields.get(MESSAGE)
    members: dict[str, object] = {"timestamp": rfc3339(time_unix_ns)}
    if level:
        members["level"] = level
    if isinstance(message, str):
        members[MESSAGE] = message
    if fields is not None:
        members["fields"] = {key: value for key, value in fields.items() if not (key == MESSAGE and MESSAGE in members)}
    return members


def constants_of(pod: Pod, origin: Origin) -> bytes:
    """The JSON members that all lines of a stream share, each with a comma before it. Empty ones are left out."""
    members = {
        "namespace": pod.namespace,
        "pod": pod.name,
        "container": origin.container,
        "workload": pod.workload,
        "source": origin.source,
        "service": origin.service,
        "path": origin.path,
    }
    known: dict[str, object] = {key: _clean(value) for key, value in members.items() if value}
    if origin.tags:
        known["tags"] = [_clean(tag) for tag in origin.tags]
    text = orjson.dumps(known)[1:-1]
    return b"," + text if text else b""


def rfc3339(unix_ns: int) -> str:
    """UTC with nanoseconds: `2026-11-22T21:52:35.123456789Z`. What no calendar holds (before 1970, after 9999) becomes its nearest end."""
    seconds, nanoseconds = divmod(min(max(unix_ns, 0), 253402300799_999999999), 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


def _clean(value: str) -> str:
    """A path may hold what is no text (a lone surrogate): replaced, as in lines."""
    return value.encode("utf-8", "replace").decode()
