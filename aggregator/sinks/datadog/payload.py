"""A batch as the body of Datadog's logs intake: a JSON array, one object a line.

Room: aggregator sinks, pure. Never enters: the network, clocks. Limits: Datadog's OpenAPI document, operation SubmitLog.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson

from aggregator.core.members import has_own_members, own_members
from aggregator.core.records import Batch, Slice
from aggregator.core.remember import Remembered
from aggregator.core.text import Frame, decode_each, escape, escape_each, join_lines, splice, truncate
from aggregator.sinks.datadog.encodings import Encoding, Packer, unpack
from aggregator.sinks.datadog.events import MAX_ENTRY_BYTES, entries_of, timely
from aggregator.sinks.datadog.tags import constants_of

MAX_BODY_BYTES = 5_000_000  # uncompressed
MAX_ENTRIES = 1000
_BEFORE = b'{"message":'
_WORST_GROWTH = 6  # a control character becomes \u00XX


@dataclass(frozen=True, slots=True)
class DatadogPayload:
    """A body as it travels. `raw_bytes` is its size before compression; `truncated` counts the lines that were cut to fit."""

    body: bytes
    encoding: Encoding
    raw_bytes: int
    lines: int
    truncated: int
    oldest_unix_ns: int
    newest_unix_ns: int

    @property
    def too_large(self) -> bool:
        """Over what one request may hold: known without asking Datadog."""
        return self.raw_bytes > MAX_BODY_BYTES or self.lines > MAX_ENTRIES


class PayloadMaker:
    """Batches to bodies; the same batch gives the same bytes. Keeps what streams have in common."""

    def __init__(self, event_ids: bool) -> None:
        self._event_ids = event_ids
        self._constants = Remembered(constants_of)
        self._packer = Packer()

    def make(self, batch: Batch, encoding: Encoding) -> DatadogPayload:
        """The body of one request, compressed unless it is too large to be sent anyway."""
        parts, truncated, lines = [b"["], 0, 0
        slices = [timely(piece) for piece in batch.slices if piece.lines]
        for piece in slices:
            entries, cut = self._entries(piece)
            parts += entries
            parts.append(b",")
            truncated += cut
            lines += len(piece)
        if not lines:
            return DatadogPayload(b"", "identity", 0, 0, 0, 0, 0)
        parts[-1] = b"]"
        raw = b"".join(parts)
        times = [time for piece in slices for time in _ends_of_times(piece)]
        body = b"" if len(raw) > MAX_BODY_BYTES else self._packer.pack(raw, encoding)
        return DatadogPayload(body, encoding, len(raw), lines, truncated, min(times), max(times))

    def recode(self, payload: DatadogPayload, encoding: Encoding) -> DatadogPayload:
        """The same payload in another encoding."""
        body = self._packer.pack(unpack(payload.body, payload.encoding), encoding)
        return replace(payload, body=body, encoding=encoding)

    def _entries(self, piece: Slice) -> tuple[Sequence[bytes], int]:
        """The objects of one slice with commas between them, in parts, and how many lines were truncated."""
        if piece.details is not None:
            constants = self._constants(piece.pod, piece.origin)
            return entries_of(piece, piece.details, constants, event_ids=self._event_ids)
        after = b'%b,"timestamp":%d' % (self._constants(piece.pod, piece.origin), piece.read_unix_ns // 1_000_000)
        if not has_own_members(piece, event_ids=self._event_ids):
            escaped = escape(join_lines(piece.lines))
            if _none_over_long(escaped, piece, MAX_ENTRY_BYTES - len(_BEFORE) - len(after) - 1):
                spliced = splice(escaped, len(piece), Frame(_BEFORE, after + b"}", b","))
                if spliced is not None:
                    return spliced, 0
        return self._exact_entries(piece, after)

    def _exact_entries(self, piece: Slice, after: bytes) -> tuple[Sequence[bytes], int]:
        """Line by line: members that differ between lines, over-long lines, lines that hold the separator."""
        entries, cut = [], 0
        for index, (text, own) in enumerate(
            zip(escape_each(piece.lines), own_members(piece, event_ids=self._event_ids), strict=True)
        ):
            entry = b'%b"%b"%b%b}' % (_BEFORE, text, after, own)
            if len(entry) > MAX_ENTRY_BYTES:
                kept = truncate(
                    decode_each(piece.lines[index : index + 1])[0], MAX_ENTRY_BYTES - len(entry) + len(text) + 2
                )
                entry = b"%b%b%b%b}" % (_BEFORE, orjson.dumps(kept), after, own)
                cut += 1
            entries.append(entry)
        return [b",".join(entries)], cut


def times_of(piece: Slice) -> Sequence[int]:
    """The time that each line is sent with, in Unix nanoseconds."""
    details = timely(piece).details
    return [piece.read_unix_ns] * len(piece) if details is None else details.times_unix_ns


def _ends_of_times(piece: Slice) -> tuple[int, int]:
    """The oldest and the newest time in a slice."""
    times = piece.details.times_unix_ns if piece.details is not None else (piece.read_unix_ns,)
    return min(times), max(times)


def _none_over_long(escaped: bytes, piece: Slice, room_bytes: int) -> bool:
    """True where it is certain without looking at each line's JSON: all lines together fit, or the longest would, were it all escapes."""
    return len(escaped) <= room_bytes or max(map(len, piece.lines)) * _WORST_GROWTH + 2 <= room_bytes
