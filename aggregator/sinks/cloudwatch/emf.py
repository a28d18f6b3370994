"""Log events in CloudWatch's embedded metric format: what is a metric, under which dimensions, and its value.

Room: aggregator sinks, pure. Never enters: snapshots, the network. Rules: "Specification: Embedded metric format" of the CloudWatch user guide,
MetricDatum of its API; values with counts as AWS' own exporters write them (awsemfexporter, CloudWatch agent).
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from aggregator.core.template import shorten

MAX_METRICS = 100  # of a directive
MAX_VALUES = 100  # of a metric
MAX_VALUE = 2.0**360
MAX_NAME_CHARS = 255
_MAX_DIMENSION_CHARS = 1024
_MAX_EVENT_VALUES = 2_000  # so that an event stays far below 256 KB, which was the limit of one for long
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]")
_META = "_aws"


class ValueSet(NamedTuple):
    """How often which values were there. `total`: their sum, which may be known better than the values; None where it is not."""

    values: Sequence[float]
    counts: Sequence[float]
    total: float | None = None


class Point(NamedTuple):
    """One metric of an event. unit: CloudWatch's word."""

    name: str
    unit: str
    value: float | ValueSet


class Frame(NamedTuple):
    """What the events of one label set have in common. `dimensions`: names among `fields`, each with a text that is not empty."""

    time_ms: int
    namespace: str
    dimensions: Sequence[Sequence[str]]
    fields: Mapping[str, Any]


class EmfEvent(NamedTuple):
    """A log event's message, and how many metrics are in it."""

    message: bytes
    points: int


def events_of(
    frame: Frame, points: Sequence[Point], beside: Mapping[str, float], dropped: Counter[str]
) -> Iterator[EmfEvent]:
    """As few events as the format allows. `beside`: values that are fields of the first event and no metrics.

    Dropped: `not_finite`, `out_of_range` (beyond 2^360), `name_taken` (by a label or by another metric of the event).
    """
    taken = {_META, *frame.fields}
    kept = []
    for point in points:
        reason = "name_taken" if point.name in taken else _fault_of(point.value)
        if reason:
            dropped[reason] += 1
        else:
            taken.add(point.name)
            kept.append(point)
    extra = {name: value for name, value in beside.items() if name not in taken and math.isfinite(value)}
    for part in _parts(kept):
        yield _event(frame, part, extra)
        extra = {}


def metric_name(name: str) -> str:
    """`name` as CloudWatch takes it: printable ASCII, at most 255, no colon in front; "" where nothing is left of it."""
    return shorten(_NOT_PRINTABLE.sub("_", name).strip().lstrip(": "), MAX_NAME_CHARS)


def dimension_value(value: str) -> str:
    """`value` as CloudWatch takes it: printable ASCII, at most 1024, not only blanks (else "")."""
    return shorten(_NOT_PRINTABLE.sub("_", value).strip().lstrip(": "), _MAX_DIMENSION_CHARS)


def _fault_of(value: float | ValueSet) -> str:
    if not isinstance(value, ValueSet):
        return _fault_among(value)
    given = () if value.total is None else (value.total,)
    # What is worked out of numbers that are in range overflows nothing; it may be out of range itself.
    return _fault_among(*value.values, *value.counts, *given) or _fault_among(*_sums_of(value))


def _fault_among(*numbers: float) -> str:
    if not all(map(math.isfinite, numbers)):
        return "not_finite"
    return "out_of_range" if max(map(abs, numbers)) > MAX_VALUE else ""


def _sums_of(value: ValueSet) -> tuple[float, float, float]:
    """Count, sum and mean."""
    count, total = math.fsum(value.counts), value.total
    if total is None:
        total = math.fsum(one * times for one, times in zip(value.values, value.counts, strict=True))
    return count, total, total / count


def _parts(points: Sequence[Point]) -> Iterator[list[Point]]:
    part: list[Point] = []
    values = 0
    for point in points:
        size = 2 * len(point.value.values) if isinstance(point.value, ValueSet) else 1
        if part and (len(part) == MAX_METRICS or values + size > _MAX_EVENT_VALUES):
            yield part
            part, values = [], 0
        part.append(point)
        values += size
    if part:
        yield part


def _event(frame: Frame, points: Sequence[Point], extra: Mapping[str, float]) -> EmfEvent:
    directive = {
        "Namespace": frame.namespace,
        "Dimensions": frame.dimensions,
        "Metrics": [{"Name": point.name, "Unit": point.unit} for point in points],
    }
    root: dict[str, Any] = {_META: {"Timestamp": frame.time_ms, "CloudWatchMetrics": [directive]}}
    root |= frame.fields
    root |= {name: _short(value) for name, value in extra.items()}
    root |= {point.name: _told(point.value) for point in points}
    return EmfEvent(orjson.dumps(root), len(points))


def _told(value: float | ValueSet) -> Any:
    if not isinstance(value, ValueSet):
        return _short(value)
    count, total, mean = _sums_of(value)
    return {
        "Values": list(map(_short, value.values)),
        "Counts": list(map(_short, value.counts)),
        # The values are near what was seen, the sum is exact: what a mean contradicts is nearer still.
        "Max": _short(max(*value.values, mean)),
        "Min": _short(min(*value.values, mean)),
        "Count": _short(count),
        "Sum": _short(total),
    }


def _short(value: float) -> float | int:
    """Whole numbers without `.0`: most are."""
    return int(value) if abs(value) < 1e15 and value == int(value) else value
