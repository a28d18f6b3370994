"""Options of `type: log_metrics`, and the rules that they say.

Room: aggregator sinks, pure. Never enters: lines, totals.
"""

import fnmatch
import math
import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, cast

import msgspec

from aggregator.core.counted import AGGREGATOR
from aggregator.core.exposition_lines import claimed_names, label_name, metric_name
from aggregator.core.log_metrics import Rule, RuleType
from aggregator.core.log_owners import Scope, StreamField
from aggregator.core.regexes import compile_regex
from towline.plumbing.sizes import PositiveSeconds, Seconds

PositiveCount = Annotated[int, msgspec.Meta(gt=0)]

DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)  # as in Prometheus' client libraries
MAX_BUCKETS = 100
REPLICA = "{replica}"
_FILTERS: Sequence[StreamField] = ("namespace", "workload", "container", "source", "service", "path")
_OURS = frozenset({"namespace", "pod", "workload", AGGREGATOR, "le"})
_HELPS: Mapping[RuleType, str] = {"counter": "Sum of", "gauge": "Last", "histogram": "Values of"}
_RESERVED = ("aggregator_", "towline_")
_TAKES_MORE = frozenset(".^$*+?{}[]\\|()\n")
_QUANTIFIERS = frozenset("*+?{")


class LogRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    r"""One metric, and the lines that make it.

    name: as it is exposed; a counter's ends in `_total`.
    namespace, workload, container, source, service, path: of the streams that are looked at; `*` and `?` stand for others, "" for any.
    match: a regular expression that is searched in the line, or in `field`; its named groups are what `value` and `labels` may name.
    contains: lines without this text are passed over. `match` often needs one anyway, which is found by itself: say it where it does not begin with it.
    json: lines are JSON objects, or have fields that the route's parser found; others do not match. `field`, `value` and `labels` may name members (`http.status` for one inside another).
    field: a line without it does not match.
    value: what is counted, set or observed, multiplied by `scale`; a line without it does not match. Without this option a counter counts lines.
    labels: label to group or field. stream_labels: labels that say where the line is from: container, source, service, path.
    per: whose the series are: every `pod` has its own, every `workload`, or there is one of `all`.
    max_series: of each pod (or workload); lines for further ones are counted under the label value `other`.
    buckets: of a histogram, ascending. help: without it, one is made.
    """

    name: str
    type: RuleType
    help: str = ""
    namespace: str = ""
    workload: str = ""
    container: str = ""
    source: str = ""
    service: str = ""
    path: str = ""
    match: str = ""
    contains: str = ""
    json: bool = False
    field: str = ""
    value: str = ""
    scale: float = 1.0
    labels: Mapping[str, str] = {}
    stream_labels: tuple[Literal["container", "source", "service", "path"], ...] = ()
    per: Scope = "pod"
    max_series: PositiveCount = 100
    buckets: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check_name(self)
        _check_pattern(self)
        _check_value(self)
        _check_labels(self)
        _check_buckets(self)

    def rule(self) -> Rule:
        """As the core knows it."""
        filters = {name: cast("str", getattr(self, name)) for name in _FILTERS}
        return Rule(
            name=self.name,
            type=self.type,
            help=self.help or _usual_help(self),
            per=self.per,
            streams={name: re.compile(fnmatch.translate(glob)) for name, glob in filters.items() if glob},
            contains=(self.contains or ("" if self.json else literal_start(self.match))).encode(),
            is_json=self.json,
            hint=_hint(self).encode(),
            member=self.field,
            pattern=compile_regex(self.match) if self.match else None,
            value=self.value,
            scale=self.scale,
            labels=self.labels,
            stream_labels=self.stream_labels,
            buckets=(self.buckets or DEFAULT_BUCKETS) if self.type == "histogram" else (),
            max_series=self.max_series,
        )


class LogMetricsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Metrics that are made of lines.

    rules: one for each metric; the sink is not built without any.
    max_series: of all rules and pods; lines for further ones are refused and counted.
    expire_seconds: a pod (or workload) whose lines have not come for so long takes its series with it.
    push_seconds: how often the totals are told to the destinations that metrics are pushed to; 0 never.
    aggregator: the label `aggregator` that they have there, as several aggregators may count lines of one workload; "" for none.
    """

    rules: tuple[LogRule, ...] = ()
    max_series: PositiveCount = 100_000
    expire_seconds: PositiveSeconds = 3600.0
    push_seconds: Seconds = 15.0
    aggregator: str = REPLICA

    def __post_init__(self) -> None:
        owners: dict[str, str] = {}
        for rule in self.rules:
            for name in sorted(claimed_names(rule.name, rule.type)):
                if name in owners:
                    raise ValueError(
                        f"rules: {owners[name]!r} and {rule.name!r} both expose {name!r}. Rename one of them"
                    )
                owners[name] = rule.name


def _usual_help(rule: LogRule) -> str:
    """A page without HELP lines reads as unfinished, to people and to promtool."""
    if not rule.value:
        return "Log lines that matched."
    return f"{_HELPS[rule.type]} {rule.value} in log lines that matched."


def _check_name(rule: LogRule) -> None:
    name = rule.name
    if not name or metric_name(name) != name or ":" in name:
        raise ValueError(
            f"name: {name!r} is no metric name. Use letters, digits and underscores, as in nginx_requests_total"
        )
    if name.startswith(_RESERVED):
        raise ValueError(f"name: {name!r} begins as the aggregator's own metrics do. Choose another beginning")
    if (rule.type == "counter") != name.endswith("_total"):
        if rule.type == "counter":
            raise ValueError(f"name: a counter's ends in _total. Write {name}_total")
        raise ValueError(f"name: only a counter's ends in _total. Write {name.removesuffix('_total')}")


def _check_pattern(rule: LogRule) -> None:
    try:
        compile_regex(rule.match)
    except ValueError as error:
        raise ValueError(f"match: {error}") from None
    if "\n" in rule.contains:
        raise ValueError("contains: holds a line end, and no line does. Remove it")
    if rule.field and not rule.json:
        raise ValueError("field: is of a JSON object, and json is false. Set json to true, or use match")


def _check_value(rule: LogRule) -> None:
    if rule.type != "counter" and not rule.value:
        raise ValueError(
            f"value: is missing, and a {rule.type} needs one. Name a group of match, or a field with json: true"
        )
    if not math.isfinite(rule.scale) or not rule.scale:
        raise ValueError("scale: must be a number other than 0, such as 0.001")
    if rule.scale != 1 and not rule.value:
        raise ValueError("scale: has nothing to multiply. Set value, or remove it")
    _check_known(rule, "value", rule.value)


def _check_labels(rule: LogRule) -> None:
    for label, said in rule.labels.items():
        if label_name(label) != label or not label:
            raise ValueError(f"labels: {label!r} is no label name. Use letters, digits and underscores")
        if label in _OURS or label in rule.stream_labels:
            raise ValueError(f"labels: {label!r} is set by the aggregator. Choose another name")
        if not said:
            raise ValueError(f"labels: {label!r} names nothing. Name a group of match, or a field with json: true")
        _check_known(rule, "labels", said)


def _check_known(rule: LogRule, key: str, said: str) -> None:
    """Without JSON only groups can be named: a misspelt one would never match, and never say so."""
    groups = compile_regex(rule.match).names
    if said and not rule.json and said not in groups:
        known = ", ".join(groups) or "none"
        raise ValueError(
            f"{key}: match has no group {said!r} (it has: {known}). Write (?P<{said}>...) in it, or set json to true for fields"
        )


def _check_buckets(rule: LogRule) -> None:
    bounds = rule.buckets
    if bounds and rule.type != "histogram":
        raise ValueError("buckets: only a histogram has them. Set type to histogram, or remove them")
    if len(bounds) > MAX_BUCKETS:
        raise ValueError(f"buckets: are {len(bounds)}. Use at most {MAX_BUCKETS}: each is a series")
    if list(bounds) != sorted(set(bounds)) or not all(map(math.isfinite, bounds)):
        raise ValueError("buckets: must ascend, and be finite: +Inf is there anyway. Sort them")


def _hint(rule: LogRule) -> str:
    """A text that every matching JSON object holds: a member's name; "" where none is known."""
    wanted = (rule.field or rule.value).partition(".")[0] if rule.json else ""
    # Writers may escape what is not ASCII, and must escape these.
    is_plain = wanted.isascii() and wanted.isprintable() and not set(wanted) & set('"\\/')
    return f'"{wanted}' if wanted and is_plain and wanted not in compile_regex(rule.match).names else ""


def literal_start(pattern: str) -> str:
    """What every match of a regular expression begins with, as far as it is plain text; "" where that is hard to say."""
    if "|" in pattern:
        return ""
    pattern = pattern.removeprefix("^")
    length = next((index for index, char in enumerate(pattern) if char in _TAKES_MORE), len(pattern))
    if pattern[length : length + 1] and pattern[length] in _QUANTIFIERS:
        length -= 1  # the character before it may be missing
    return pattern[: max(length, 0)]
