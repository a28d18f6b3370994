"""What Datadog's intakes take, as pure checks: numbers from its OpenAPI document and API pages, none from the product.

Nothing here knows HTTP: bytes and a clock reading in, accepted entries or a `RefusedError` out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.fakes.strict import RefusedError, parse, parse_array

LOGS_MAX_RAW_BYTES = 5_000_000  # "5MB uncompressed"; the Agent cuts at this very number
LOGS_MAX_ENTRIES = 1000
LOGS_MAX_ENTRY_BYTES = 1_000_000  # larger is accepted and truncated
LOGS_MAX_AGE_MS = 18 * 3600 * 1000
LOGS_MAX_AHEAD_MS = 2 * 3600 * 1000

SERIES_MAX_WIRE_BYTES = 512_000
SERIES_MAX_RAW_BYTES = 5_242_880
SERIES_MAX_POINTS = 10_000  # the Agent's own cap: the intake names none
SERIES_MAX_AGE_SECONDS = 3600
SERIES_MAX_AHEAD_SECONDS = 600

_STRINGS = ("ddsource", "ddtags", "hostname", "service")
_SERIES_TYPES = {0: "unspecified", 1: "count", 2: "rate", 3: "gauge"}
_SERIES_FIELDS = frozenset(
    {"metric", "type", "interval", "points", "resources", "tags", "unit", "source_type_name", "metadata"}
)


@dataclass(frozen=True)
class Accepted:
    """An entry as Datadog keeps it. `flags`: `truncated` (cut to 1 MB), `too_old`, `too_new` (a 2xx, and yet dropped)."""

    entry: dict[str, Any]
    size_bytes: int
    flags: tuple[str, ...] = ()


def check_logs(raw: bytes, now_unix_ms: int) -> list[Accepted]:
    """The entries of an uncompressed `/api/v2/logs` body; raises RefusedError 400 or 413."""
    if len(raw) > LOGS_MAX_RAW_BYTES:
        raise RefusedError(413, f"{len(raw)} bytes uncompressed, {LOGS_MAX_RAW_BYTES} are taken")
    items = parse_array(raw)
    if not items:
        raise RefusedError(400, "an empty array")
    if len(items) > LOGS_MAX_ENTRIES:
        raise RefusedError(413, f"{len(items)} entries, {LOGS_MAX_ENTRIES} are taken")
    return [_check_entry(entry, size, now_unix_ms, f"entry {n}") for n, (entry, size) in enumerate(items)]


def _check_entry(entry: Any, size_bytes: int, now_unix_ms: int, place: str) -> Accepted:
    if not isinstance(entry, dict):
        raise RefusedError(400, f"{place} is no object")
    expect(isinstance(entry.get("message"), str), f"{place}: message is not a string")
    for name in _STRINGS:
        expect(isinstance(entry.get(name, ""), str), f"{place}: {name} is not a string")
    flags: list[str] = []
    if "timestamp" in entry:
        flags += age_flags(_unix_ms(entry["timestamp"], place), now_unix_ms, LOGS_MAX_AGE_MS, LOGS_MAX_AHEAD_MS)
    if size_bytes > LOGS_MAX_ENTRY_BYTES:
        flags.append("truncated")
        entry = {**entry, "message": _shorten(entry["message"], size_bytes - LOGS_MAX_ENTRY_BYTES)}
    return Accepted(entry, size_bytes, tuple(flags))


def _unix_ms(value: Any, place: str) -> int:
    """Epoch milliseconds from an int or an ISO 8601 string (without a zone: UTC)."""
    if isinstance(value, int) and not isinstance(value, bool):
        expect(0 <= value < 1 << 63, f"{place}: timestamp out of range")
        return value
    expect(isinstance(value, str), f"{place}: timestamp is neither epoch milliseconds (int) nor ISO 8601")
    try:
        moment = datetime.fromisoformat(value)
    except ValueError as error:
        raise RefusedError(400, f"{place}: timestamp is not ISO 8601") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def age_flags(moment: int, now: int, max_age: int, max_ahead: int) -> list[str]:
    if moment < now - max_age:
        return ["too_old"]
    return ["too_new"] if moment > now + max_ahead else []


def _shorten(message: str, excess_bytes: int) -> str:
    encoded = message.encode()
    return encoded[: max(0, len(encoded) - excess_bytes)].decode(errors="ignore")


def check_series(raw: bytes, wire_bytes: int, now_unix_seconds: int) -> list[Accepted]:
    """The series of an uncompressed `/api/v2/series` body; raises RefusedError 400 or 413."""
    if wire_bytes > SERIES_MAX_WIRE_BYTES or len(raw) > SERIES_MAX_RAW_BYTES:
        raise RefusedError(413, f"{wire_bytes} bytes compressed, {len(raw)} uncompressed")
    body = parse(raw)
    series = body.get("series") if isinstance(body, dict) else None
    if not isinstance(series, list) or not series or len(body) != 1:
        raise RefusedError(400, "the body is not an object of one non-empty `series`")
    accepted = [_check_one_series(one, now_unix_seconds, f"series {n}") for n, one in enumerate(series)]
    points = sum(len(one["points"]) for one in series)
    if points > SERIES_MAX_POINTS:
        raise RefusedError(413, f"{points} points, {SERIES_MAX_POINTS} are taken")
    return accepted


def _check_one_series(one: Any, now: int, place: str) -> Accepted:
    if not isinstance(one, dict):
        raise RefusedError(400, f"{place} is no object")
    unknown = set(one) - _SERIES_FIELDS
    expect(not unknown, f"{place}: unknown {sorted(unknown)}")
    expect(is_text(one.get("metric")), f"{place}: metric is not a name")
    kind = one.get("type", 0)
    expect(is_int(kind) and kind in _SERIES_TYPES, f"{place}: type is none of {_SERIES_TYPES}")
    if kind in {1, 2} or "interval" in one:
        interval = one.get("interval")
        expect(is_int(interval) and interval > 0, f"{place}: interval is not whole seconds above 0")
    for name in ("unit", "source_type_name"):
        expect(isinstance(one.get(name, ""), str), f"{place}: {name} is not a string")
    expect(is_all(one.get("tags", []), is_text), f"{place}: tags are not a list of strings")
    expect(is_all(one.get("resources", []), _is_resource), f"{place}: resources are not {{type, name}}")
    points = one.get("points")
    expect(bool(points) and is_all(points, _is_point), f"{place}: points are not {{timestamp: int, value: number}}")
    flags = {flag for point in one["points"] for flag in _point_age(point, now)}
    return Accepted(one, 0, tuple(sorted(flags)))


def _point_age(point: dict[str, Any], now: int) -> list[str]:
    return age_flags(point["timestamp"], now, SERIES_MAX_AGE_SECONDS, SERIES_MAX_AHEAD_SECONDS)


def _is_point(point: Any) -> bool:
    if not isinstance(point, dict) or set(point) != {"timestamp", "value"}:
        return False
    return is_int(point["timestamp"]) and (is_int(point["value"]) or isinstance(point["value"], float))


def _is_resource(resource: Any) -> bool:
    return isinstance(resource, dict) and set(resource) == {"type", "name"} and is_all(list(resource.values()), is_text)


def is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def is_all(values: Any, predicate: Callable[[Any], bool]) -> bool:
    return isinstance(values, list) and all(predicate(value) for value in values)


def expect(fine: bool, reason: str) -> None:
    if not fine:
        raise RefusedError(400, reason)
