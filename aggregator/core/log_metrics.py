"""What rules make of lines: increments by series. Decides which lines a rule sees, which it matches, and what number they say.

Room: aggregator core. Never enters: totals (log_series.py keeps them), configuration's text, journals.

A rule costs something only for the streams it is for; a block without the text that a rule needs is not cut into lines, and a regular
expression or a parser sees only lines with it.
"""

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Literal, NamedTuple, cast

import orjson

from aggregator.core.columns import texts_of
from aggregator.core.exposition_lines import label_text
from aggregator.core.log_fields import MISSING, field_of, number_of, text_of
from aggregator.core.log_owners import Scope, StreamField, identity_of, owner_of, said_of
from aggregator.core.records import Slice
from aggregator.core.regexes import Groups, Regex
from aggregator.core.remember import Remembered
from towline.wire.identity import Origin, Pod

RuleType = Literal["counter", "gauge", "histogram"]

OTHER = "other"  # stands for every label value that came when there was no room for a series of its own
MAX_LABEL_CHARS = 256  # of one value; what is longer is cut

_NO_FIELDS: Mapping[str, Any] = {}
# A line that a rule matched: its named groups in their order, and its fields.
_Match = tuple[Groups, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One metric, and the lines that make it.

    streams: what of a stream must match. contains: lines without these bytes do not match ("" asks nothing).
    is_json: a line is a JSON object or has fields that a route found, else it does not match. hint: objects whose text is without these bytes
    do not match either. member: what of it must be there, and what `pattern` is searched in.
    value: a group of `pattern` or a member, without which a line does not match; "" is 1. labels: label -> group or member. stream_labels: labels that say of the stream what they are named.
    buckets: upper bounds of a histogram, ascending, without +Inf.
    """

    name: str
    type: RuleType
    help: str = ""
    per: Scope = "pod"
    streams: Mapping[StreamField, re.Pattern[str]] = field(default_factory=dict)
    contains: bytes = b""
    is_json: bool = False
    hint: bytes = b""
    member: str = ""
    pattern: Regex | None = None
    value: str = ""
    scale: float = 1.0
    labels: Mapping[str, str] = field(default_factory=dict)
    stream_labels: Sequence[StreamField] = ()
    buckets: Sequence[float] = ()
    max_series: int = 100


class SeriesKey(NamedTuple):
    """Which series: a rule's name, whose it is, and its own labels; the last two as label text, "" for none."""

    rule: str
    identity: str
    labels: str


@dataclass(slots=True)
class Increment:
    """What lines add to one series. other: the labels it gets where there is no room for its own.

    total: the sum of values of a counter or histogram, the last value of a gauge. counts: values by bucket, +Inf included, not cumulative.
    """

    other: str
    lines: int = 0
    total: float = 0.0
    counts: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Increments:
    """What a batch adds. refused: lines that matched and said no number of use, by reason.

    heard: whose lines there were, by identity: a pod, or as much of one as all that share the identity have in common.
    """

    series: dict[SeriesKey, Increment] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    heard: dict[str, Pod] = field(default_factory=dict)


class _Interest(NamedTuple):
    """A rule that looks at a stream: whose its series are, and the labels that the stream itself gives them."""

    rule: Rule
    identity: str
    owner: Pod
    fixed: Mapping[str, str]


class LogRules:
    """All rules of a sink. Safe to ask from several threads."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        self._interests = Remembered(self._interests_in)

    def increments(self, pieces: Sequence[Slice]) -> Increments:
        """What these lines add: the same for the same lines."""
        made = Increments()
        for piece in pieces:
            interests = self._interests(piece.pod, piece.origin)
            if interests:
                made.heard.update((interest.identity, interest.owner) for interest in interests)
                reading = _Reading(piece)
                for interest in interests:
                    _Counting(interest, made).count(reading.matches(interest.rule))
        return made

    def _interests_in(self, pod: Pod, origin: Origin) -> tuple[_Interest, ...]:
        said = said_of(pod, origin)
        return tuple(
            _Interest(
                rule,
                identity_of(rule.per, said),
                owner_of(rule.per, pod),
                {name: said[name] for name in rule.stream_labels},
            )
            for rule in self._rules
            if all(pattern.match(said[name]) for name, pattern in rule.streams.items())
        )


class _Reading:
    """One slice as its rules read it: cut into lines once, and a line parsed once, however many rules want its fields.

    A line is an event: what a route has joined is one, and what it found in it are its fields. The beginning of one that is no beginning
    was looked at before: whoever looked at its rest would count it twice.
    """

    def __init__(self, piece: Slice) -> None:
        self._piece = piece
        self._text = piece.lines.text()
        self._first = int(piece.continues)
        self._lines: list[str] | None = None
        self._objects: dict[str, Mapping[str, Any] | None] = {}

    def matches(self, rule: Rule) -> list[_Match]:
        """What the lines that a rule matches say, in their order."""
        details = self._piece.details
        is_looked_into = rule.is_json and details is not None and not details.is_source
        contains = rule.contains or (b"" if is_looked_into else rule.hint)
        if contains not in self._text:
            return []
        if rule.is_json:
            return self._matches_in_objects(rule, contains.decode())
        if rule.pattern is None and not contains:
            return [((), _NO_FIELDS)] * (len(self._piece) - self._first)
        lines = self._lines_with(contains.decode())
        if rule.pattern is None:
            return [((), _NO_FIELDS)] * len(lines)
        return [(found, _NO_FIELDS) for found in rule.pattern.all_groups(lines) if found is not None]

    def _matches_in_objects(self, rule: Rule, contains: str) -> list[_Match]:
        matches: list[_Match] = []
        for line, fields in self._objects_with(contains):
            subject = line
            if rule.member:
                said = field_of(fields, rule.member)
                if said is None or said is MISSING:
                    continue
                subject = text_of(said)
            found = rule.pattern.groups(subject) if rule.pattern is not None else ()
            if found is not None:
                matches.append((found, fields))
        return matches

    def _objects_with(self, contains: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Lines that hold a text, and their fields: those that a route found, else those of a JSON object."""
        details = self._piece.details
        if details is None:
            found = ((line, self._object(line)) for line in self._lines_with(contains))
        else:
            pairs = zip(self._all_lines(), details.fields[self._first :], strict=True)
            found = (
                (line, self._object(line) if known is None else known) for line, known in pairs if contains in line
            )
        return ((line, fields) for line, fields in found if fields is not None)

    def _lines_with(self, contains: str) -> Sequence[str]:
        lines = self._all_lines()
        return [line for line in lines if contains in line] if contains else lines

    def _all_lines(self) -> Sequence[str]:
        if self._lines is None:
            self._lines = texts_of(self._piece)[self._first :]
        return self._lines

    def _object(self, line: str) -> Mapping[str, Any] | None:
        known = self._objects.get(line, MISSING)
        if known is MISSING:
            try:
                known = orjson.loads(line)
            except orjson.JSONDecodeError:
                known = None
            self._objects[line] = known = known if isinstance(known, dict) else None
        return cast("Mapping[str, Any] | None", known)


class _Counting:
    """Adds up what one rule matched in one slice."""

    def __init__(self, interest: _Interest, made: Increments) -> None:
        self._rule, self._identity, _, self._fixed = interest
        self._made = made
        self._known: dict[Any, Increment] = {}
        self._labels = _labels_reader(self._rule)

    def count(self, matches: Sequence[_Match]) -> None:
        if self._rule.value:
            self._count_values(matches)
            return
        for said, lines in Counter(map(self._labels, matches)).items():
            increment = self._increment(said)
            increment.lines += lines
            increment.total += lines

    def _count_values(self, matches: Sequence[_Match]) -> None:
        rule, bounds, is_gauge = self._rule, self._rule.buckets, self._rule.type == "gauge"
        value_of = _reader(rule, rule.value)
        for match in matches:
            said = value_of(match)
            if said is None or said is MISSING:  # a line that does not say the number is none of the rule's
                continue
            value = number_of(said) * rule.scale
            fault = _fault_of(rule, value)
            if fault:
                self._made.refused[fault] += 1
                continue
            increment = self._increment(self._labels(match))
            total = value if is_gauge else increment.total + value
            if total == math.inf:
                self._made.refused["total_too_large"] += 1
                continue
            increment.lines += 1
            increment.total = total
            if increment.counts:
                increment.counts[bisect_left(bounds, value)] += 1

    def _increment(self, said: Any) -> Increment:
        known = self._known.get(said)
        if known is None:
            known = self._known[said] = self._begun(said if isinstance(said, tuple) else (said,))
        return known

    def _begun(self, said: Sequence[str | None]) -> Increment:
        rule = self._rule
        values = ((text or "")[:MAX_LABEL_CHARS] for text in said)
        own = label_text({**self._fixed, **dict(zip(rule.labels, values, strict=True))})
        other = label_text({**self._fixed, **dict.fromkeys(rule.labels, OTHER)})
        counts = [0] * (len(rule.buckets) + 1) if rule.type == "histogram" else []
        key = SeriesKey(rule.name, self._identity, own)
        return self._made.series.setdefault(key, Increment(other, counts=counts))


def _labels_reader(rule: Rule) -> Callable[[_Match], Any]:
    """What makes the values of a rule's labels, in their order, of a match: a tuple, or the one value."""
    names = tuple(rule.labels.values())
    if not names:
        return lambda _: ()
    groups = rule.pattern.names if rule.pattern is not None else ()
    if all(name in groups for name in names):
        pick = itemgetter(*map(groups.index, names))
        return lambda match: pick(match[0])
    readers = tuple(_reader(rule, name) for name in names)
    return lambda match: tuple(text_of(reader(match)) for reader in readers)


def _reader(rule: Rule, name: str) -> Callable[[_Match], object]:
    """What reads a group or, where there is none of that name, a field: MISSING or None where the line has neither."""
    if rule.pattern is not None and name in rule.pattern.names:
        at = rule.pattern.names.index(name)
        return lambda match: match[0][at]
    return lambda match: field_of(match[1], name)


def _fault_of(rule: Rule, value: float) -> str:
    if not math.isfinite(value):
        return "value_no_number"
    # A counter that falls reads as one that began again, and so does a histogram's sum.
    return "value_negative" if rule.type != "gauge" and value < 0 else ""
