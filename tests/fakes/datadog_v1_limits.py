"""What Datadog's v1 intakes take (distributions, events, service checks), as pure checks: from its client's models and API pages.

Nothing here knows HTTP: bytes and a clock reading in, accepted entries or a `RefusedError` out.
"""

from typing import Any

from tests.fakes.datadog_limits import (
    SERIES_MAX_AGE_SECONDS,
    SERIES_MAX_AHEAD_SECONDS,
    Accepted,
    age_flags,
    expect,
    is_all,
    is_int,
    is_text,
)
from tests.fakes.strict import RefusedError, parse

DISTRIBUTIONS_MAX_WIRE_BYTES = 3_200_000
DISTRIBUTIONS_MAX_RAW_BYTES = 62_914_560
EVENTS_MAX_RAW_BYTES = 512_000
CHECKS_MAX_RAW_BYTES = 3_200_000
EVENT_MAX_TEXT_CHARS = 4000
EVENT_MAX_KEY_CHARS = 100
EVENT_MAX_AGE_SECONDS = 18 * 3600

_DISTRIBUTION_FIELDS = frozenset({"metric", "points", "tags", "host", "type"})
_EVENT_FIELDS = frozenset(
    {
        *("title", "text", "date_happened", "priority", "alert_type", "tags", "host", "aggregation_key"),
        *("source_type_name", "device_name", "related_event_id"),
    }
)
_CHECK_FIELDS = frozenset({"check", "host_name", "status", "tags", "message", "timestamp"})
_ALERTS = frozenset({"error", "warning", "info", "success", "user_update", "recommendation", "snapshot"})


def check_distributions(raw: bytes, wire_bytes: int, now_unix_seconds: int) -> list[Accepted]:
    """The series of a `/api/v1/distribution_points` body; raises RefusedError 400 or 413."""
    if wire_bytes > DISTRIBUTIONS_MAX_WIRE_BYTES:
        raise RefusedError(413, f"{wire_bytes} bytes compressed")
    body = parse(raw)
    series = body.get("series") if isinstance(body, dict) else None
    expect(isinstance(series, list) and bool(series) and len(body) == 1, "not an object of one non-empty `series`")
    return [_check_distribution(one, now_unix_seconds, f"series {n}") for n, one in enumerate(series)]


def _check_distribution(one: Any, now: int, place: str) -> Accepted:
    _expect_fields(one, _DISTRIBUTION_FIELDS, place)
    expect(is_text(one.get("metric")), f"{place}: metric is not a name")
    expect(one.get("type", "distribution") == "distribution", f"{place}: type is not distribution")
    expect(is_all(one.get("tags", []), is_text), f"{place}: tags are not a list of strings")
    points = one.get("points")
    expect(bool(points) and is_all(points, _is_point), f"{place}: points are not [[seconds, [value, ...]], ...]")
    limits = (SERIES_MAX_AGE_SECONDS, SERIES_MAX_AHEAD_SECONDS)
    flags = {flag for second, _ in points for flag in age_flags(second, now, *limits)}
    return Accepted(one, 0, tuple(sorted(flags)))


def _is_point(point: Any) -> bool:
    if not isinstance(point, list) or len(point) != 2 or not is_int(point[0]):
        return False
    return bool(point[1]) and is_all(point[1], lambda value: is_int(value) or isinstance(value, float))


def check_event(raw: bytes, now_unix_seconds: int) -> list[Accepted]:
    """The one event of a `/api/v1/events` body; raises RefusedError 400."""
    event = parse(raw)
    _expect_fields(event, _EVENT_FIELDS, "the event")
    expect(is_text(event.get("title")) and isinstance(event.get("text"), str), "an event needs a title and a text")
    expect(len(event["text"]) <= EVENT_MAX_TEXT_CHARS, "text is too long")
    expect(len(event.get("aggregation_key", "")) <= EVENT_MAX_KEY_CHARS, "aggregation_key is too long")
    expect(event.get("priority", "normal") in {"normal", "low"}, "priority is neither normal nor low")
    expect(event.get("alert_type", "info") in _ALERTS, "alert_type is unknown")
    expect(is_all(event.get("tags", []), is_text), "tags are not a list of strings")
    happened = event.get("date_happened", now_unix_seconds)
    expect(is_int(happened), "date_happened is not whole seconds")
    return [Accepted(event, len(raw), tuple(age_flags(happened, now_unix_seconds, EVENT_MAX_AGE_SECONDS, 600)))]


def check_service_checks(raw: bytes) -> list[Accepted]:
    """The checks of a `/api/v1/check_run` body; raises RefusedError 400."""
    checks = parse(raw)
    expect(isinstance(checks, list) and bool(checks), "the body is not a non-empty array")
    for number, check in enumerate(checks):
        place = f"check {number}"
        _expect_fields(check, _CHECK_FIELDS, place)
        expect(is_text(check.get("check")), f"{place}: check is not a name")
        expect(isinstance(check.get("host_name"), str), f"{place}: host_name is not a string")
        expect(is_int(check.get("status")) and 0 <= check["status"] <= 3, f"{place}: status is none of 0 to 3")
        expect(is_all(check.get("tags"), is_text), f"{place}: tags are not a list of strings")
        expect(is_int(check.get("timestamp", 0)), f"{place}: timestamp is not whole seconds")
        expect(isinstance(check.get("message", ""), str), f"{place}: message is not a string")
    return [Accepted(check, 0) for check in checks]


def _expect_fields(one: Any, fields: frozenset[str], place: str) -> None:
    expect(isinstance(one, dict), f"{place} is no object")
    unknown = set(one) - fields
    expect(not unknown, f"{place}: unknown {sorted(unknown)}")
