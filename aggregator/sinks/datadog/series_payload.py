"""Series, distributions, events and service checks as Datadog's bodies have them, and whole bodies of them.

Room: aggregator sinks, pure. Never enters: what they are made of. Forms: Datadog's OpenAPI document, operations SubmitMetrics,
SubmitDistributionPoints, CreateEvent, SubmitServiceCheck.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson
from isal import isal_zlib

from aggregator.metric_sink import Limits
from aggregator.sinks.datadog.encodings import Encoding, Packer, unpack
from aggregator.sinks.datadog.metric_values import Drawn
from towline.wire.snapshot import Event, ServiceCheck

SERIES, DISTRIBUTIONS, EVENTS, CHECKS = "series", "distributions", "events", "checks"
PATHS: Mapping[str, str] = {
    SERIES: "/api/v2/series",
    DISTRIBUTIONS: "/api/v1/distribution_points",
    EVENTS: "/api/v1/events",
    CHECKS: "/api/v1/check_run",
}
COUNT, RATE, GAUGE = 1, 2, 3

MAX_SERIES_BYTES = 512_000  # compressed
MAX_SERIES_RAW_BYTES = 5_242_880
MAX_VALUES = 100_000  # of one distribution in one snapshot
MAX_VALUES_TOGETHER = 1_000_000  # of all distributions in one
_VALUES_IN_ONE = 10_000
_MAX_POINTS = 10_000  # as the Agent has it
_MAX_EVENT_TEXT_CHARS = 4000
_MAX_AGGREGATION_KEY_CHARS = 100
_DEFLATE_LEVEL = 1
_LIMITS: Mapping[str, Limits] = {
    SERIES: Limits(_MAX_POINTS, 5_000_000),
    DISTRIBUTIONS: Limits(_MAX_POINTS, 3_000_000),
    EVENTS: Limits(1, MAX_SERIES_BYTES, max_fragments=1),
    CHECKS: Limits(1000, 1_000_000),
}
_AROUND: Mapping[str, tuple[bytes, bytes]] = {
    SERIES: (b'{"series":[', b"]}"),
    DISTRIBUTIONS: (b'{"series":[', b"]}"),
    EVENTS: (b"", b""),
    CHECKS: (b"[", b"]"),
}
_FORMAT = b'{"metric":"%b","type":%d,%b"points":[{"timestamp":%d,"value":%b}],"tags":[%b]}'


class Packed(NamedTuple):
    """A body as it travels. `raw_bytes`: its size before compression."""

    body: bytes
    encoding: Encoding
    raw_bytes: int

    @property
    def is_too_large(self) -> bool:
        """Over what an intake of series takes: known without asking."""
        return self.raw_bytes > MAX_SERIES_RAW_BYTES or len(self.body) > MAX_SERIES_BYTES


class MetricsPacker:
    """Fragments to bodies; the same fragments give the same bytes."""

    def __init__(self) -> None:
        self._packer = Packer()

    def pack(self, route: str, fragments: Sequence[bytes], encoding: Encoding) -> Packed:
        """The body of one request. Distributions know only deflate; events and checks go as they are."""
        before, after = _AROUND[route]
        raw = before + b",".join(fragments) + after
        if route == SERIES:
            body = b"" if len(raw) > MAX_SERIES_RAW_BYTES else self._packer.pack(raw, encoding)
            return Packed(body, encoding, len(raw))
        if route == DISTRIBUTIONS and encoding != "identity":
            return Packed(isal_zlib.compress(raw, _DEFLATE_LEVEL), "deflate", len(raw))
        return Packed(raw, "identity", len(raw))

    def recode(self, packed: Packed, encoding: Encoding) -> Packed:
        """The same series in another encoding."""
        raw = unpack(packed.body, packed.encoding)
        return Packed(self._packer.pack(raw, encoding), encoding, len(raw))


def limits_of(route: str) -> Limits:
    """How large a request may be; about what the intakes take, for how far a body shrinks is known only later."""
    return _LIMITS[route]


class Stamp(NamedTuple):
    """When a snapshot's points are: in seconds, and the interval that counts are said to be of."""

    second: int
    interval_seconds: int


def series_body(name: str, kind: int, stamp: Stamp, value: float, tags: bytes) -> bytes:
    """One point. `value` is finite; a count is what was counted, a rate is per second."""
    interval = b"" if kind == GAUGE else b'"interval":%d,' % stamp.interval_seconds
    return _FORMAT % (name.encode(), kind, interval, stamp.second, value_text(value), tags)


def distribution_bodies(name: str, second: int, drawn: Sequence[Drawn], tags: bytes) -> Iterator[bytes]:
    """One point of all values, in pieces: Datadog adds up what has the same time."""
    for values in _in_pieces(drawn):
        yield (
            b'{"metric":"%b","type":"distribution","points":[[%d,[' % (name.encode(), second)
            + b"".join([b"%.12g," % one.value * one.times for one in values])[:-1]
            + b']]],"tags":[%b]}' % tags
        )


def event_body(event: Event, tags: list[str]) -> bytes:
    """One event."""
    body: dict[str, Any] = {
        "title": event.title,
        "text": event.text[:_MAX_EVENT_TEXT_CHARS],
        "date_happened": event.unix_seconds,
        "priority": event.priority,
        "alert_type": event.alert_type,
        "tags": tags,
    }
    optional = {
        "host": event.hostname,
        "aggregation_key": event.aggregation_key[:_MAX_AGGREGATION_KEY_CHARS],
        "source_type_name": event.source_type,
    }
    return _json(body | {key: value for key, value in optional.items() if value})


def check_body(check: ServiceCheck, tags: list[str]) -> bytes:
    """One service check. Without a node there is no host, and the Agent on Fargate says none either."""
    body: dict[str, Any] = {
        "check": check.name,
        "host_name": check.hostname,
        "status": check.status,
        "timestamp": check.unix_seconds,
        "tags": tags,
    }
    return _json(body | ({"message": check.message} if check.message else {}))


def value_text(value: float) -> bytes:
    """The shortest JSON number that reads back as exactly this value."""
    return b"%d" % value if -1e15 < value < 1e15 and value == int(value) else repr(value).encode()


def _in_pieces(drawn: Sequence[Drawn]) -> Iterator[list[Drawn]]:
    piece: list[Drawn] = []
    room = _VALUES_IN_ONE
    for value, times in drawn:
        left = times
        while left:
            taken = min(left, room)
            piece.append(Drawn(value, taken))
            left, room = left - taken, room - taken
            if not room:
                yield piece
                piece, room = [], _VALUES_IN_ONE
    if piece:
        yield piece


def _json(body: dict[str, Any]) -> bytes:
    # Texts may hold what is no text (a lone surrogate): replaced, as in lines.
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError:
        return orjson.dumps(_cleaned(body))


def _cleaned(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _cleaned(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
