"""Events that a route has looked into, as entries of Datadog's logs intake: their fields are attributes beside what we know of the stream.

Room: aggregator sinks, pure. Never enters: the network, clocks. Reserved attributes: docs.datadoghq.com/logs/log_configuration/attributes_naming_convention.
"""

from collections.abc import Container, Sequence
from typing import Any

import orjson

from aggregator.core.columns import MESSAGE
from aggregator.core.events import Details, Fields
from aggregator.core.json_of import json_of, json_of_each
from aggregator.core.levels import DATADOG_STATUS, LEVELS, UNKNOWN
from aggregator.core.members import OWN, has_own_members, own_members
from aggregator.core.own_time import Span
from aggregator.core.records import Slice
from aggregator.core.text import decode_each, truncate
from aggregator.sinks.datadog.splicing import (
    APP,
    INSTEAD,
    RESERVED,
    THEIRS,
    all_say,
    names_in,
    sendable,
    spliced,
    stamps_of,
)

MAX_ENTRY_BYTES = 1_000_000  # Datadog takes longer ones with a 2xx and cuts them without a word
_TAKEN = RESERVED | OWN
_MARGIN_BYTES = 100  # a time, and names that grow
_STAMP_BYTES = 20  # a time, and the last brace
_SURELY_FITS = 900_000
_NOTHING: frozenset[str] = frozenset()
_SPAN = Span(
    before_ns=(18 * 3600 - 120) * 10**9, after_ns=(2 * 3600 - 120) * 10**9
)  # what Datadog keeps, and the way there


def timely(piece: Slice) -> Slice:
    """The slice with times of its events that Datadog keeps, if it keeps the time at which they were read."""
    return _SPAN.within(piece)


def entries_of(piece: Slice, details: Details, constants: bytes, *, event_ids: bool) -> tuple[Sequence[bytes], int]:
    """An object for each event, with commas between them, in parts; and how many were cut. `constants`: what tags.py made for the stream."""
    making = _Making(constants)
    has_own = has_own_members(piece, event_ids=event_ids)
    if details.is_source and not has_own:
        room = MAX_ENTRY_BYTES - len(constants) - _MARGIN_BYTES
        fits = piece.lines.span_bytes <= room or max(map(len, piece.lines)) <= room
        lines = sendable(piece.lines, details.fields) if fits else None
        if lines is not None:
            return spliced(lines, making.ends(details.levels), details.times_unix_ns), 0
    own = list(own_members(piece, event_ids=event_ids)) if has_own else [b""] * len(piece)
    return making.entries(piece.lines, details, own), making.cuts


class _Making:
    """Entries of one stream."""

    def __init__(self, constants: bytes) -> None:
        self._constants: dict[str, str] = orjson.loads(b"{" + constants[1:] + b"}")
        self.cuts = 0

    def end(self, said: Container[str], level: str) -> bytes:
        """What we say of an event, up to its time: but for the names that the app has said itself."""
        ours = self._constants | {"status": DATADOG_STATUS.get(level, "info")}
        members = orjson.dumps({name: value for name, value in ours.items() if name not in said})[1:-1]
        return b'%b,"timestamp":' % (b"," + members if members else b"")

    def ends(self, levels: Sequence[str]) -> list[bytes]:
        """`end` of each event, where the app has said nothing of it."""
        by_level = {level: self.end((), level) for level in (UNKNOWN, *LEVELS)}
        return [by_level[level] for level in levels]

    def entries(self, texts: Sequence[bytes], details: Details, own: Sequence[bytes]) -> list[bytes]:
        """Objects with commas between them, in parts, each cut to what Datadog takes. `own`: members of each event, with commas before them."""
        ends = self.ends(details.levels)
        events = [one for one in details.fields if one is not None]
        if len(events) == len(texts) and _TAKEN.isdisjoint(names_in(events)) and all_say(MESSAGE, events):
            bodies = json_of_each(events)
        else:
            bodies = [self._body(index, text, details, ends) for index, text in enumerate(texts)]
        if max(map(len, bodies), default=0) > _SURELY_FITS:
            bodies = [self._cut(body, len(mine) + len(end)) for body, mine, end in zip(bodies, own, ends, strict=True)]
        stamps = stamps_of(details.times_unix_ns)
        parts = [b"},"] * (5 * len(bodies))
        parts[0::5] = [body[:-1] for body in bodies]
        parts[1::5] = own
        parts[2::5] = ends
        parts[3::5] = stamps
        parts[-1] = b"}"
        return parts

    def _body(self, index: int, text: bytes, details: Details, ends: list[bytes]) -> bytes:
        """An event's own part. What it says of what we would say is taken out of its end in `ends`."""
        fields = details.fields[index]
        attributes: Fields = {MESSAGE: decode_each([text])[0]} if fields is None else fields
        if type(attributes.get(MESSAGE)) is not str or not _TAKEN.isdisjoint(attributes):
            attributes, said = attributes_of(attributes)
            if said:
                ends[index] = self.end(said, details.levels[index])
        return json_of(attributes)

    def _cut(self, body: bytes, ours_bytes: int) -> bytes:
        """An entry's own part, cut to what is left beside ours: of an over-long one a message is left."""
        room = MAX_ENTRY_BYTES - ours_bytes - _STAMP_BYTES
        if len(body) <= room:
            return body
        self.cuts += 1
        attributes = orjson.loads(body)
        whole = attributes[MESSAGE] if len(attributes) == 1 else body.decode()
        return b'{"message":%b}' % orjson.dumps(truncate(whole, room - len(b'{"message":}')))


def attributes_of(fields: Fields) -> tuple[dict[str, Any], frozenset[str]]:
    """What an app says, and the names among it that we need not say any more.

    `service`, `ddsource` and a `status` in words are the app's to say; any other name that we need is kept as `app_NAME`.
    """
    attributes, said = dict(fields), _NOTHING
    for name in () if _TAKEN.isdisjoint(fields) else _TAKEN.intersection(fields):
        value = fields[name]
        if name in THEIRS and isinstance(value, str) and value and (name != "status" or value.isalpha()):
            said |= {name}
        else:
            attributes[_free(APP + name, attributes)] = attributes.pop(name)
    if MESSAGE in attributes:
        if not isinstance(message := attributes[MESSAGE], str):  # Datadog's schema wants a text
            attributes[MESSAGE] = json_of(message).decode()
        return attributes, said
    for name in INSTEAD:
        if isinstance(attributes.get(name), str):
            attributes[MESSAGE] = attributes.pop(name)
            return attributes, said
    attributes[MESSAGE] = ""
    return attributes, said


def _free(name: str, taken: Container[str]) -> str:
    """A name like this one that is not taken."""
    while name in taken:
        name = APP + name
    return name
