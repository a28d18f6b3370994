"""What one line of a DogStatsD datagram says: a metric, an event or a service check.

Room: collector core. Never enters: sockets, clocks, what values add up to (core/statsd.py).

Source of the format: Datadog's "Datagram Format", versions 1.0 to 1.6. A sign is part of a gauge's value: unlike StatsD, DogStatsD knows no
deltas of gauges. The container id (`c:`), external data (`e:`) and cardinality (`card:`) tell a Datadog Agent which pod a packet came from;
here the pod is known, so they are read over, and so is every field that a later version may add.
"""

import math
import sys
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

from towline.wire.snapshot import Event, ServiceCheck

_shared = sys.intern

Kind = Literal["counter", "gauge", "set", "histogram", "timing", "distribution"]
Reason = Literal[
    "form",  # no `name:value|type`
    "type",  # a type that DogStatsD does not know
    "type_changed",  # the name is in use for another type
    "value",  # no number
    "not_finite",  # NaN, infinite, or a sum that would be
    "rate",  # a sample rate outside (0, 1]
    "timestamp",
    "event",
    "check",
    "too_long",  # a name or fields beyond what a series may have
    "series_limit",
    "memory_limit",  # series whose tags, buckets and values take more than there is room for
    "set_limit",
    "pending_limit",  # too many events, checks or values with a time of their own in one interval
    "truncated",  # a datagram longer than any client sends
]

KINDS: Mapping[bytes, Kind] = {
    b"c": "counter",
    b"g": "gauge",
    b"s": "set",
    b"h": "histogram",
    b"ms": "timing",
    b"d": "distribution",
}
MAX_NAME_BYTES = 200  # Datadog's own limit
MAX_FIELDS_BYTES = 4096  # tags and all
LEAST_RATE = 1e-9  # below it one value would count for more than a float's exact range has room for
MAX_UNIX_SECONDS = 1 << 33  # the year 2242
# Tags by which clients talk to a Datadog Agent, not to people.
INTERNAL_TAG = "dd.internal."
# What clients may write behind a check's message, which is the last field of people's own.
AFTER_MESSAGE = (b"c:", b"e:", b"card:")


class MalformedError(ValueError):
    """A line that counts as refused, for `reason`."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


class Fields(NamedTuple):
    """All of a metric but its name and values. weight: how many values one stands for. unix_seconds: its own time; 0 where it has none."""

    kind: Kind
    weight: float
    labels: dict[str, str]
    unix_seconds: int


class Metric(NamedTuple):
    """One line: all values share the rest. Values that are not a set's are known to be finite numbers, also when weighed."""

    name: bytes
    values: list[bytes]
    tail: bytes
    fields: Fields


def parse_metric(line: bytes) -> Metric:
    """Raises MalformedError. `a:1:2:3|h` holds three values; a set's value may hold colons."""
    name, _, rest = line.partition(b":")
    packed, bar, tail = rest.partition(b"|")
    if not name or not packed or not bar:
        raise MalformedError("form")
    if len(name) > MAX_NAME_BYTES or len(tail) > MAX_FIELDS_BYTES:
        raise MalformedError("too_long")
    fields = parse_fields(tail)
    if fields.kind == "set":
        return Metric(name, [packed], tail, fields)
    return Metric(name, numbers_of(packed, fields.weight), tail, fields)


def numbers_of(packed: bytes, weight: float) -> list[bytes]:
    """The values of `1:2:3`, each a finite number, also when weighed. Raises MalformedError: all of them count, or none."""
    values = [value for value in packed.split(b":") if value]
    try:
        finite = [math.isfinite(float(value) * weight) for value in values]
    except ValueError:
        raise MalformedError("value") from None
    if not values:
        raise MalformedError("value")
    if not all(finite):
        raise MalformedError("not_finite")
    return values


def parse_fields(tail: bytes) -> Fields:
    """What follows `name:value|`. Raises MalformedError. Only counts and gauges have times of their own; elsewhere `T` is read over."""
    raw_kind, *fields = tail.split(b"|")
    kind = KINDS.get(raw_kind)
    if kind is None:
        raise MalformedError("type")
    weight, labels, unix_seconds = 1.0, {}, 0
    for field in fields:
        if field[:1] == b"#":
            labels = labels_of(tags_of(field[1:]))
        elif field[:1] == b"@":
            weight = weight_of(field[1:])
        elif field[:1] == b"T" and kind in {"counter", "gauge"}:
            unix_seconds = time_of(field[1:], "timestamp")
    return Fields(kind, 1.0 if kind in {"gauge", "set"} else weight, labels, unix_seconds)


def weight_of(rate: bytes) -> float:
    """How many values stand behind one, at a sample rate. Raises MalformedError."""
    try:
        share = float(rate)
    except ValueError:
        raise MalformedError("rate") from None
    if not LEAST_RATE <= share <= 1.0:
        raise MalformedError("rate")
    return 1.0 / share


def time_of(text: bytes, reason: Reason) -> int:
    """Unix seconds. Raises MalformedError with `reason`."""
    if not text.isdigit() or not 0 < (seconds := int(text[:20])) < MAX_UNIX_SECONDS:
        raise MalformedError(reason)
    return seconds


def tags_of(field: bytes) -> tuple[str, ...]:
    """Tags in their order, without those that are empty or meant for an Agent."""
    tags = field.decode("utf-8", "replace").split(",")
    return tuple(tag for tag in tags if tag and not tag.startswith(INTERNAL_TAG))


def labels_of(tags: Iterable[str]) -> dict[str, str]:
    """Tags as labels, in the order of their names, so that equal sets of tags are equal whatever order they were sent in.

    A tag without a value has the value "". A key that is there twice has both values, sorted, with a comma between: no tag holds a comma.
    """
    found: dict[str, str | set[str]] = {}
    for tag in tags:
        key, _, value = tag.partition(":")
        before = found.get(key)
        if before is None:
            found[_shared(key)] = value  # most keys are in thousands of series
        elif before != value:
            found[key] = {value, *([before] if isinstance(before, str) else before)}
    found.pop("", None)
    return {key: value if isinstance(value, str) else ",".join(sorted(value)) for key, value in sorted(found.items())}


def parse_event(line: bytes, now_unix_seconds: int) -> Event:
    """`_e{<bytes of title>,<bytes of text>}:title|text|fields`; its time is now where it says none. Raises MalformedError.

    A field that makes no sense leaves its default, as an Agent does: an event is worth more than its priority.
    """
    header, _, content = line.partition(b":")
    title_bytes, comma, text_bytes = header[3:-1].partition(b",")
    if header[-1:] != b"}" or not comma or not title_bytes.isdigit() or not text_bytes.isdigit():
        raise MalformedError("event")
    middle = int(title_bytes[:9])
    end = middle + 1 + int(text_bytes[:9])
    if not middle or len(content) < end or content[middle : middle + 1] != b"|" or content[end : end + 1] not in b"|":
        raise MalformedError("event")
    said = _said_of(content[end + 1 :].split(b"|"))
    return Event(
        title=_unescaped(content[:middle]),
        text=_unescaped(content[middle + 1 : end]),
        unix_seconds=_time_or(said.get(b"d"), now_unix_seconds),
        hostname=_text(said.get(b"h")),
        aggregation_key=_text(said.get(b"k")),
        priority="low" if said.get(b"p") == b"low" else "normal",
        source_type=_text(said.get(b"s")),
        alert_type=_ALERTS.get(said.get(b"t", b""), "info"),
        tags=tags_of(said.get(b"#", b"")),
    )


def parse_check(line: bytes, now_unix_seconds: int) -> ServiceCheck:
    """`_sc|name|status|fields`, the message being the last field and free to hold bars. Raises MalformedError."""
    _, *parts = line.split(b"|")
    name, status, *fields = parts if len(parts) > 1 else (b"", b"")
    if not name or status not in {b"0", b"1", b"2", b"3"}:
        raise MalformedError("check")
    while fields and fields[-1].startswith(AFTER_MESSAGE):
        fields.pop()
    begins = next((place for place, field in enumerate(fields) if field.startswith(b"m:")), len(fields))
    message = b"|".join(fields[begins:])[2:]
    said = _said_of(fields[:begins])
    return ServiceCheck(
        name=_text(name),
        status=int(status),
        unix_seconds=_time_or(said.get(b"d"), now_unix_seconds),
        hostname=_text(said.get(b"h")),
        message=_unescaped(message).replace("m\\:", "m:"),
        tags=tags_of(said.get(b"#", b"")),
    )


_ALERTS: Mapping[bytes, Literal["info", "success", "warning", "error"]] = {
    b"success": "success",
    b"warning": "warning",
    b"error": "error",
}


def _said_of(fields: Iterable[bytes]) -> dict[bytes, bytes]:
    """Fields `x:value` by their letter, the tags by `#`."""
    return {
        field[:1]: field[1:] if field[:1] == b"#" else field[2:]
        for field in fields
        if field[:1] == b"#" or field[1:2] == b":"
    }


def _time_or(text: bytes | None, now_unix_seconds: int) -> int:
    try:
        return now_unix_seconds if text is None else time_of(text, "timestamp")
    except MalformedError:
        return now_unix_seconds


def _text(raw: bytes | None) -> str:
    return "" if raw is None else raw.decode("utf-8", "replace")


def _unescaped(raw: bytes) -> str:
    """Clients write a newline as a backslash and an n: a real one ends the line."""
    return _text(raw).replace("\\n", "\n")
