"""The form of cases: lines as an app writes them, and what is to become of them. cases.py runs them.

Room: aggregator. Never enters: routes, sinks.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec


class PodGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who writes: the pod's identity, as far as the case needs it."""

    namespace: str = "default"
    name: str = "pod"
    uid: str = "uid"
    ip: str = ""
    node: str = ""
    service_account: str = ""
    workload: str = ""
    cluster: str = ""
    region: str = ""
    account: str = ""
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}


class OriginGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where it is written."""

    path: str = "/var/log/app.log"
    container: str = ""
    source: str = ""
    service: str = ""
    tags: tuple[str, ...] = ()


class Given(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """lines: a list, or one text with line ends. read: when the collector read them (RFC 3339)."""

    lines: str | tuple[str, ...]
    pod: PodGiven = PodGiven()
    origin: OriginGiven = OriginGiven()
    read: str = "2026-01-01T00:00:00Z"

    def __post_init__(self) -> None:
        try:
            unix_ns_of(self.read)
        except ValueError:
            raise ValueError(f"read: {self.read!r} is no time. Write one such as 2026-01-01T00:00:00Z") from None


class CaseConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One case.

    expect: by sink what reaches it, in order: a text is its message; keys and values are fields that must be so (null: must not be there).
    dropped: how many lines each rule drops, on the way to any one sink.
    """

    name: str
    given: Given
    expect: Mapping[str, tuple[Any, ...]] = {}
    dropped: Mapping[str, int] = {}

    def __post_init__(self) -> None:
        if not self.expect and not self.dropped:
            raise ValueError("expect: is missing. Say what reaches which sink, such as {out: [a line]}; [] is nothing")
        odd = [
            f"{sink}[{number}]"
            for sink, events in self.expect.items()
            for number, event in enumerate(events)
            if not isinstance(event, str | Mapping)
        ]
        if odd:
            raise ValueError(
                f"expect: {odd[0]} is neither text nor keys and values. Write a message, in quotes, or {{FIELD: VALUE}}"
            )


def unix_ns_of(text: str) -> int:
    """Nanoseconds of an RFC 3339 time. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
