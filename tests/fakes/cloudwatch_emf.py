"""What CloudWatch makes of a log event in the embedded metric format: a strict reading of its specification, none of it the product's.

Sources: "Specification: Embedded metric format" and the API's MetricDatum (units, 30 dimensions, 2^360, lengths); the form with Values and
Counts as AWS' own exporters send it (awsemfexporter's cWMetricHistogram). CloudWatch itself says nothing where a document breaks a rule: it
keeps the log event, and there is no metric. Here that is an EmfFaultError.
"""

import math
import re
from collections import Counter
from typing import Any, NamedTuple

from tests.fakes.strict import RefusedError, parse

MAX_DOCUMENT_BYTES = 262_144  # what the specification says; events may be larger now
DAY_MS = 86_400_000
_UNITS = re.compile(
    r"Seconds|Microseconds|Milliseconds|Percent|None|Count(/Second)?|(Bytes|Bits|(Kilo|Mega|Giga|Tera)(bytes|bits))(/Second)?"
)
_ASCII = re.compile(r"[\x20-\x7e]*[\x21-\x7e][\x20-\x7e]*")
_NAMESPACE = re.compile(r"[A-Za-z0-9._/#: -]+")
_SET_MEMBERS = {"Values", "Counts", "Max", "Min", "Count", "Sum"}


class EmfFaultError(Exception):
    """The document is not what CloudWatch makes metrics of."""


class Datum(NamedTuple):
    """What one metric gains under one set of dimensions: how many samples, and what they sum up to."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    unit: str
    time_ms: int
    values: tuple[tuple[float, float], ...]  # (value, how often)
    count: float
    total: float
    low: float
    high: float


def read(message: str, now_unix_ms: int) -> list[Datum]:
    """Every metric of a document, once for each of its sets of dimensions. EmfFaultError where it breaks a rule."""
    try:
        root = parse(message.encode())
    except RefusedError as refused:
        raise EmfFaultError(refused.reason) from refused
    expect(len(message.encode()) <= MAX_DOCUMENT_BYTES, "the document is too large")
    expect(isinstance(root, dict) and isinstance(root.get("_aws"), dict), "there is no _aws")
    meta = root["_aws"]
    expect(set(meta) == {"Timestamp", "CloudWatchMetrics"}, "_aws has not just Timestamp and CloudWatchMetrics")
    stamp = meta["Timestamp"]
    expect(isinstance(stamp, int) and not isinstance(stamp, bool), "Timestamp is no integer")
    expect(now_unix_ms - 14 * DAY_MS <= stamp <= now_unix_ms + DAY_MS // 12, "Timestamp is too old or too new")
    expect(isinstance(meta["CloudWatchMetrics"], list) and meta["CloudWatchMetrics"], "there is no directive")
    data = [datum for directive in meta["CloudWatchMetrics"] for datum in _of_directive(root, directive, stamp)]
    doubles = Counter((datum.namespace, datum.name, datum.dimensions) for datum in data)
    expect(max(doubles.values()) == 1, "a metric stands twice in one document")
    return data


def expect(fine: Any, message: str) -> None:
    if not fine:
        raise EmfFaultError(message)


def _of_directive(root: dict[str, Any], directive: Any, stamp: int) -> list[Datum]:
    expect(isinstance(directive, dict), "a directive is no object")
    expect(set(directive) == {"Namespace", "Dimensions", "Metrics"}, "a directive has other members")
    namespace, sets, metrics = directive["Namespace"], directive["Dimensions"], directive["Metrics"]
    expect(isinstance(namespace, str) and 1 <= len(namespace) <= 255, "Namespace is not 1 to 255 characters")
    expect(_NAMESPACE.fullmatch(namespace) and not namespace.startswith((":", "AWS/")), "Namespace is none")
    expect(isinstance(sets, list) and sets, "there is no set of dimensions")
    expect(isinstance(metrics, list) and 1 <= len(metrics) <= 100, "there are not 1 to 100 metrics")
    dimensions = [_set(root, names) for names in sets]
    expect(len(set(dimensions)) == len(dimensions), "a set of dimensions stands twice")
    return [_datum(root, metric, (namespace, one), stamp) for metric in metrics for one in dimensions]


def _set(root: dict[str, Any], names: Any) -> frozenset[tuple[str, str]]:
    expect(isinstance(names, list) and len(names) <= 30, "a set of dimensions has more than 30")
    for name in names:
        expect(isinstance(name, str) and 1 <= len(name) <= 250, "a dimension's name is not 1 to 250 characters")
        expect(_ASCII.fullmatch(name) and not name.startswith(":"), f"the dimension {name!r} cannot be named so")
        value = root.get(name)
        expect(isinstance(value, str) and 1 <= len(value) <= 1024, f"{name} is not 1 to 1024 characters")
        expect(_ASCII.fullmatch(value) and not value.startswith(":"), f"{name} has characters that it cannot have")
    expect(len(set(names)) == len(names), "a dimension stands twice in a set")
    return frozenset((name, root[name]) for name in names)


def _datum(root: dict[str, Any], metric: Any, place: tuple[str, frozenset[tuple[str, str]]], stamp: int) -> Datum:
    expect(isinstance(metric, dict) and {"Name"} <= set(metric), "a metric has no Name")
    expect(set(metric) <= {"Name", "Unit", "StorageResolution"}, "a metric has other members")
    name, unit = metric["Name"], metric.get("Unit", "None")
    expect(isinstance(name, str) and 1 <= len(name) <= 255 and _ASCII.fullmatch(name), "Name is none")
    expect(isinstance(unit, str) and _UNITS.fullmatch(unit), f"there is no unit {unit!r}")
    expect(metric.get("StorageResolution", 60) in {1, 60}, "StorageResolution is neither 1 nor 60")
    expect(name in root, f"{name} is not in the document")
    values, count, total, low, high = _target(name, root[name])
    return Datum(place[0], name, place[1], unit, stamp, values, count, total, low, high)


def _target(name: str, target: Any) -> tuple[tuple[tuple[float, float], ...], float, float, float, float]:
    if isinstance(target, dict):
        return _value_set(name, target)
    values = [_number(name, one) for one in (target if isinstance(target, list) else [target])]
    expect(1 <= len(values) <= 100, f"{name} has not 1 to 100 values")
    return tuple((one, 1.0) for one in values), len(values), math.fsum(values), min(values), max(values)


def _value_set(name: str, target: dict[str, Any]) -> tuple[tuple[tuple[float, float], ...], float, float, float, float]:
    expect(set(target) == _SET_MEMBERS, f"{name} has not just {sorted(_SET_MEMBERS)}")
    expect(isinstance(target["Values"], list) and isinstance(target["Counts"], list), f"{name} has no lists")
    values, counts = ([_number(name, one) for one in target[member]] for member in ("Values", "Counts"))
    expect(1 <= len(values) <= 100, f"{name} has not 1 to 100 values")
    expect(len(counts) == len(values) == len(set(values)), f"{name}: values and counts do not belong together")
    expect(min(counts) > 0, f"{name} counts what was not there")
    count, total, low, high = (_number(name, target[member]) for member in ("Count", "Sum", "Min", "Max"))
    expect(math.isclose(count, math.fsum(counts)), f"{name}: Count is not what the counts sum up to")
    expect(low <= min(values) and max(values) <= high, f"{name}: a value is not between Min and Max")
    slack = 1e-9 * max(abs(total), 1.0)
    expect(low * count - slack <= total <= high * count + slack, f"{name}: Sum cannot be")
    return tuple(zip(values, counts, strict=True)), count, total, low, high


def _number(name: str, value: Any) -> float:
    expect(isinstance(value, int | float) and not isinstance(value, bool), f"{name} is no number")
    expect(abs(value) <= 2**360, f"{name} is out of range")
    return float(value)
