"""What CloudWatch Logs takes, as pure checks: numbers from the service's own API model, none from the product.

A body that breaks a limit raises AwsRefusedError `InvalidParameterException`; a value of the wrong type, `SerializationException`.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from tests.fakes.aws import AwsRefusedError

MAX_BATCH_BYTES = 1_048_576  # sum of len(utf8 message) + 26
MAX_EVENT_BYTES = 1_048_576  # raised from 256 KB; counted with the 26, so the batch's limit is the real one
EVENT_OVERHEAD_BYTES = 26
MAX_EVENTS = 10_000
DAY_MS = 24 * 3600 * 1000
MAX_SPAN_MS = DAY_MS
MAX_AGE_MS = 14 * DAY_MS
MAX_AHEAD_MS = 2 * 3600 * 1000
RETENTION_DAYS = frozenset(
    {1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}
)

_GROUP = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
_STREAM = re.compile(r"[^:*]{1,512}")
_CLASSES = {"STANDARD", "INFREQUENT_ACCESS", "DELIVERY"}
_MEMBERS = {
    "PutLogEvents": {"logGroupName", "logStreamName", "logEvents", "sequenceToken", "entity"},
    "CreateLogGroup": {"logGroupName", "kmsKeyId", "tags", "logGroupClass", "deletionProtectionEnabled"},
    "CreateLogStream": {"logGroupName", "logStreamName"},
    "PutRetentionPolicy": {"logGroupName", "retentionInDays"},
}


@dataclass(frozen=True)
class Rejected:
    """Which of a batch's events are too old, expired or too new: `end` is exclusive, `start` inclusive, None where there are none."""

    too_old_end: int | None
    expired_end: int | None
    too_new_start: int | None

    def split(self, events: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """The events kept and the events rejected."""
        first = max(self.too_old_end or 0, self.expired_end or 0)
        end = len(events) if self.too_new_start is None else self.too_new_start
        return events[first:end], events[:first] + events[end:]

    def as_json(self) -> dict[str, int]:
        named = {
            "tooNewLogEventStartIndex": self.too_new_start,
            "tooOldLogEventEndIndex": self.too_old_end,
            "expiredLogEventEndIndex": self.expired_end,
        }
        return {name: index for name, index in named.items() if index is not None}


def rejected_of(timestamps: Sequence[int], now_unix_ms: int, retention_days: int | None) -> Rejected:
    """What a 200 names in `rejectedLogEventsInfo`; `timestamps` are in order."""
    too_old = sum(one < now_unix_ms - MAX_AGE_MS for one in timestamps)
    too_new = sum(one > now_unix_ms + MAX_AHEAD_MS for one in timestamps)
    expired = 0
    if retention_days is not None:
        expired = sum(one < now_unix_ms - retention_days * DAY_MS for one in timestamps)
    return Rejected(
        too_old or None,
        expired if expired > too_old else None,
        len(timestamps) - too_new if too_new else None,
    )


def check_request(operation: str, body: Any, now_unix_ms: int, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
    """Judge the body of one of the four operations; others pass (moto judges them)."""
    if not isinstance(body, dict):
        raise AwsRefusedError("SerializationException", "the body is not an object")
    if operation not in _MEMBERS:
        return
    _expect(not set(body) - _MEMBERS[operation], f"unknown members {sorted(set(body) - _MEMBERS[operation])}")
    _check_name(body, "logGroupName", _GROUP)
    if operation in {"PutLogEvents", "CreateLogStream"}:
        _check_name(body, "logStreamName", _STREAM)
    if operation == "PutLogEvents":
        _check_events(body.get("logEvents"), max_event_bytes)
        _check_time([event["timestamp"] for event in body["logEvents"]], now_unix_ms)
        _check_entity(body.get("entity", {}))
    elif operation == "CreateLogGroup":
        _check_group(body)
    elif operation == "PutRetentionPolicy":
        _expect_type(_is_int(body.get("retentionInDays")), "retentionInDays is not an integer")
        _expect(body["retentionInDays"] in RETENTION_DAYS, f"retentionInDays is none of {sorted(RETENTION_DAYS)}")


def _check_name(body: Mapping[str, Any], member: str, pattern: re.Pattern[str]) -> None:
    name = body.get(member, "")
    _expect_type(isinstance(name, str), f"{member} is not a string")
    _expect(pattern.fullmatch(name) is not None, f"{member} is not 1 to 512 of the characters allowed")


def _check_group(body: Mapping[str, Any]) -> None:
    _expect(not body["logGroupName"].startswith("aws/"), "logGroupName starts with aws/")
    _expect(body.get("logGroupClass", "STANDARD") in _CLASSES, f"logGroupClass is none of {sorted(_CLASSES)}")
    _expect_type(_all_text(body.get("tags", {})), "tags are not strings by name")


def _check_events(events: Any, max_event_bytes: int) -> None:
    _expect_type(isinstance(events, list), "logEvents is not a list")
    _expect(1 <= len(events) <= MAX_EVENTS, f"{len(events)} events: 1 to {MAX_EVENTS} are taken")
    batch_bytes = 0
    for number, event in enumerate(events):
        size_bytes = _check_event(event, f"logEvents.{number}") + EVENT_OVERHEAD_BYTES
        _expect(size_bytes <= max_event_bytes, f"logEvents.{number}: {size_bytes} bytes: {max_event_bytes} are taken")
        batch_bytes += size_bytes
    _expect(batch_bytes <= MAX_BATCH_BYTES, f"Upload too large: {batch_bytes} bytes exceeds limit of {MAX_BATCH_BYTES}")


def _check_event(event: Any, place: str) -> int:
    """The message's length in bytes of UTF-8."""
    _expect_type(isinstance(event, dict), f"{place} is not an object")
    _expect(set(event) == {"timestamp", "message"}, f"{place} has not just timestamp and message")
    _expect_type(_is_int(event["timestamp"]), f"{place}: timestamp is not an integer")
    _expect(0 <= event["timestamp"] < 1 << 63, f"{place}: timestamp is out of range")
    _expect_type(isinstance(event["message"], str), f"{place}: message is not a string")
    _expect(event["message"] != "", f"{place}: message is empty")
    return len(event["message"].encode())


def _check_time(timestamps: list[int], now_unix_ms: int) -> None:
    _expect(all(one <= after for one, after in pairwise(timestamps)), "events are not in chronological order")
    valid = [one for one in timestamps if now_unix_ms - MAX_AGE_MS <= one <= now_unix_ms + MAX_AHEAD_MS]
    if valid:
        _expect(valid[-1] - valid[0] <= MAX_SPAN_MS, "the batch spans more than 24 hours")


def _check_entity(entity: Any) -> None:
    _expect_type(isinstance(entity, dict), "entity is not an object")
    _expect(set(entity) <= {"keyAttributes", "attributes"}, "entity has unknown members")
    _expect_type(all(map(_all_text, entity.values())), "entity's attributes are not strings by name")


def _all_text(mapping: Any) -> bool:
    return isinstance(mapping, dict) and all(isinstance(value, str) for value in mapping.values())


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _refuser(kind: str) -> Callable[[bool, str], None]:
    def expect(fine: bool, message: str) -> None:
        if not fine:
            raise AwsRefusedError(kind, message)

    return expect


_expect = _refuser("InvalidParameterException")
_expect_type = _refuser("SerializationException")
