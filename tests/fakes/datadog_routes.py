"""The addresses of Datadog's intakes, and what each of them takes."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.datadog_limits import (
    LOGS_MAX_RAW_BYTES,
    SERIES_MAX_RAW_BYTES,
    Accepted,
    check_logs,
    check_series,
)
from tests.fakes.datadog_v1_limits import (
    CHECKS_MAX_RAW_BYTES,
    DISTRIBUTIONS_MAX_RAW_BYTES,
    EVENTS_MAX_RAW_BYTES,
    check_distributions,
    check_event,
    check_service_checks,
)


@dataclass(frozen=True)
class Route:
    """One intake. `check`: raw body, its size on the wire, the time in Unix milliseconds. `schema`: of its items or its body, in the document.

    `words`: what a poison is looked for in.
    """

    kind: str
    max_raw_bytes: int
    check: Callable[[bytes, int, int], list[Accepted]]
    encodings: frozenset[str] = frozenset({"identity"})
    media: str = "application/json"
    schema: str = ""
    answer: Mapping[str, Any] = field(default_factory=lambda: {"status": "ok"})
    words: Callable[[dict[str, Any]], str] = json.dumps


ROUTES: Mapping[str, Route] = {
    "/api/v2/logs": Route(
        "logs",
        LOGS_MAX_RAW_BYTES,
        lambda raw, _, now_ms: check_logs(raw, now_ms),
        schema="HTTPLog",
        answer={},
        words=lambda entry: entry["message"],
    ),
    "/api/v2/series": Route(
        "series",
        SERIES_MAX_RAW_BYTES,
        lambda raw, wire_bytes, now_ms: check_series(raw, wire_bytes, now_ms // 1000),
        frozenset({"identity", "gzip", "deflate", "zstd", "zstd1"}),
        schema="MetricPayload",
        answer={"errors": []},
    ),
    "/api/v1/distribution_points": Route(
        "distributions",
        DISTRIBUTIONS_MAX_RAW_BYTES,
        lambda raw, wire_bytes, now_ms: check_distributions(raw, wire_bytes, now_ms // 1000),
        frozenset({"identity", "deflate"}),
        media="text/json",
        schema="DistributionPointsPayload",
    ),
    "/api/v1/events": Route("events", EVENTS_MAX_RAW_BYTES, lambda raw, _, now_ms: check_event(raw, now_ms // 1000)),
    "/api/v1/check_run": Route("checks", CHECKS_MAX_RAW_BYTES, lambda raw, _, __: check_service_checks(raw)),
}
