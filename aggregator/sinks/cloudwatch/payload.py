"""A batch as bodies of PutLogEvents: chronological, each within the limits of one call.

Room: aggregator sinks, pure. Never enters: the network, clocks. Limits: PutLogEvents in botocore's service model.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from aggregator.core.records import Batch, Slice
from aggregator.core.text import Frame, decode_each, escape, join_lines, parts_of, splice, utf8_bytes
from aggregator.sink import Refusal
from aggregator.sinks.cloudwatch.events import messages_of

MAX_BATCH_BYTES = 1_048_576  # sum over events of its UTF-8 bytes and EVENT_OVERHEAD_BYTES
EVENT_OVERHEAD_BYTES = 26
MAX_EVENT_BYTES = MAX_BATCH_BYTES - EVENT_OVERHEAD_BYTES
MAX_EVENTS = 10_000
MAX_SPAN_MS = 24 * 3600 * 1000 - 1
_BLANK = " "  # CloudWatch wants at least one character


@dataclass(frozen=True, slots=True)
class Chunk:
    """Consecutive events of one time, as JSON objects with commas between them. `indexes`: the line of each event, in the batch."""

    parts: Sequence[bytes]
    indexes: Sequence[int]
    size_bytes: int
    time_ms: int


class Event(NamedTuple):
    """One log event. `message`: UTF-8, not empty, at most MAX_EVENT_BYTES."""

    time_ms: int
    message: bytes


class Body(NamedTuple):
    """A request's JSON and its SHA-256 in hex, made once for all attempts."""

    content: bytes
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> "Body":
        return cls(content, hashlib.sha256(content).hexdigest())


@dataclass(frozen=True, slots=True)
class PutRequest:
    """One call. `indexes`: which line of the batch each event is (a line in several parts has several events)."""

    body: Body = field(repr=False)
    indexes: Sequence[Sequence[int]]

    def lines(self, first: int, last: int) -> list[int]:
        """The lines that the events `[first, last)` belong to, each once."""
        flat = [index for run in self.indexes for index in run]
        return list(dict.fromkeys(flat[first:last]))


@dataclass(slots=True)
class CloudWatchPayload:
    """The calls of a batch: nearly always one. `sent` and `refusals` are what is done of them: a retry goes on where it stopped."""

    group: str
    stream: str
    requests: Sequence[PutRequest]
    sent: int = 0
    refusals: list[Refusal] = field(default_factory=list)


def make_payload(batch: Batch, group: str, stream: str, *, event_ids: bool) -> CloudWatchPayload:
    """The same batch gives the same bodies. Slices are put in the order of their times; lines of one time keep theirs."""
    chunks = [chunk for piece, first in _in_order(batch) for chunk in _chunks(piece, first, event_ids=event_ids)]
    if any(piece.details is not None for piece in batch.slices):  # each event has a time of its own
        chunks.sort(key=lambda chunk: chunk.time_ms)
    return _payload(group, stream, chunks)


def payload_of_events(events: Sequence[Event], group: str, stream: str) -> CloudWatchPayload:
    """Whole events, put in the order of their times; `indexes` of the requests count through `events`."""
    ordered = sorted(enumerate(events), key=lambda one: one[1].time_ms)
    return _payload(group, stream, [_chunk_of(event, index) for index, event in ordered])


def _payload(group: str, stream: str, chunks: Sequence[Chunk]) -> CloudWatchPayload:
    head = b'{"logGroupName":%b,"logStreamName":%b,"logEvents":[' % (orjson.dumps(group), orjson.dumps(stream))
    return CloudWatchPayload(group, stream, [_request(head, fitting) for fitting in _grouped(chunks)])


def _chunk_of(event: Event, index: int) -> Chunk:
    time_ms = max(event.time_ms, 0)
    before, after, _ = _frame(time_ms)
    size = len(event.message) + EVENT_OVERHEAD_BYTES
    return Chunk((before, orjson.dumps(event.message.decode()), after), (index,), size, time_ms)


def _in_order(batch: Batch) -> list[tuple[Slice, int]]:
    """Every slice with the index of its first line, oldest first."""
    placed, first = [], 0
    for piece in batch.slices:
        if piece.lines:
            placed.append((piece, first))
        first += len(piece)
    return sorted(placed, key=lambda one: one[0].read_unix_ns // 1_000_000)


def _chunks(piece: Slice, first: int, *, event_ids: bool) -> Iterator[Chunk]:
    """The slice as few chunks, none above what one call may hold."""
    if piece.details is not None:
        yield from _chunks_of_events(piece, first, event_ids=event_ids)
        return
    time_ms = max(piece.read_unix_ns // 1_000_000, 0)
    if not event_ids and len(piece) <= MAX_EVENTS:
        joined = join_lines(piece.lines, _BLANK.encode())
        size = utf8_bytes(joined) - (len(piece) - 1) + EVENT_OVERHEAD_BYTES * len(piece)
        parts = splice(escape(joined), len(piece), _frame(time_ms)) if size <= MAX_BATCH_BYTES else None
        if parts is not None:
            yield Chunk(parts, range(first, first + len(piece)), size, time_ms)
            return
    texts = _texts_with_ids(piece) if event_ids else decode_each(piece.lines, _BLANK)
    yield from _exact_chunks(texts, first, time_ms)


def _chunks_of_events(piece: Slice, first: int, *, event_ids: bool) -> Iterator[Chunk]:
    """One chunk per event, with the event's own time."""
    for index, (time_unix_ns, text) in enumerate(messages_of(piece, event_ids=event_ids), first):
        yield from _exact_chunks([text or _BLANK], index, max(time_unix_ns // 1_000_000, 0))


def _exact_chunks(texts: Sequence[str], first: int, time_ms: int) -> Iterator[Chunk]:
    """One chunk per event: a slice that is more than one call may hold, or whose lines carry their ids."""
    before, after, _ = _frame(time_ms)
    for index, text in enumerate(texts, first):
        for part in parts_of(text, MAX_EVENT_BYTES):
            size = len(part.encode()) + EVENT_OVERHEAD_BYTES
            yield Chunk((before, orjson.dumps(part), after), (index,), size, time_ms)


def _grouped(chunks: Sequence[Chunk]) -> Iterator[list[Chunk]]:
    """As many chunks in a row as one call may hold."""
    fitting: list[Chunk] = []
    size = events = 0
    for chunk in chunks:
        full = size + chunk.size_bytes > MAX_BATCH_BYTES or events + len(chunk.indexes) > MAX_EVENTS
        if fitting and (full or chunk.time_ms - fitting[0].time_ms > MAX_SPAN_MS):
            yield fitting
            fitting, size, events = [], 0, 0
        fitting.append(chunk)
        size += chunk.size_bytes
        events += len(chunk.indexes)
    if fitting:
        yield fitting


def _request(head: bytes, chunks: Sequence[Chunk]) -> PutRequest:
    parts = [head]
    for chunk in chunks:
        parts += chunk.parts
        parts.append(b",")
    parts[-1] = b"]}"
    return PutRequest(Body.of(b"".join(parts)), [chunk.indexes for chunk in chunks])


def _texts_with_ids(piece: Slice) -> list[str]:
    """Each line as a JSON object that carries its id: an event has no other place for it, and Logs Insights reads JSON."""
    texts = zip(decode_each(piece.lines), piece.event_ids(), strict=True)
    return [orjson.dumps({"evt_id": event_id, "message": text}).decode() for text, event_id in texts]


def _frame(time_ms: int) -> Frame:
    return Frame(b'{"timestamp":%d,"message":' % time_ms, b"}", b",")
