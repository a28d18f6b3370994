"""What rules have counted so far: totals by series, as the journal remembers them and as they are shown.

Room: aggregator core. Never enters: lines, clocks (`now` is passed in), journals.

Totals move in two steps. `move` says what they become, for the transaction that settles the batch; until `settle`, the old ones stand and
are shown: a counter that was shown and then, after a crash, went on below that would read as reset, and be counted twice by who reads it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import msgspec

from aggregator.core.exposition_lines import label_text, number
from aggregator.core.log_metrics import Increment, Increments, Rule, SeriesKey
from aggregator.core.series import Row, SeriesFamily

REFUSED = SeriesFamily(
    name="towline_log_metrics_refused_lines_total",
    kind="counter",
    source="logs",
    help="Lines that matched a rule and are in no series of it, by reason, since the aggregator's start.",
)
_LEAST_SWEEP_SECONDS = 1.0


class Total(NamedTuple):
    """Where a series stands. value: a counter's, a gauge's, a histogram's sum. counts: by bucket, not cumulative."""

    value: float
    counts: tuple[int, ...] = ()


class _Move:
    """What a batch makes of the totals, not settled yet. None: the series ends. forgets: keys of the journal's that are told to go."""

    def __init__(self, refused: Counter[str], forgets: Sequence[str]) -> None:
        self.totals: dict[SeriesKey, Total | None] = {}
        self.refused = Counter(refused)
        self.forgets = forgets


class LogSeries:
    """All series of all rules of one sink.

    max_series: of all together; lines for further ones are refused. expire_seconds: whose lines have not come for so long, their series end.
    """

    def __init__(self, sink: str, rules: Iterable[Rule], max_series: int, expire_seconds: float) -> None:
        self._sink = sink
        self._rules = {rule.name: rule for rule in rules}
        self._max_series, self._expire_seconds = max_series, expire_seconds
        self._totals: dict[SeriesKey, Total] = {}  # as settled
        self._move: _Move | None = None
        self._rows: dict[str, dict[SeriesKey, tuple[Row, ...]]] = {rule: {} for rule in self._rules}
        self._room = _Room()
        self._heard: dict[str, float] = {}
        self._unwanted: Sequence[str] = ()  # what the journal remembers and no rule knows
        self._swept_at = -math.inf
        self._shown: dict[str, SeriesFamily] = {}  # by rule, until one of its series moves
        self._hidden: set[str] = set()  # whose series are not shown, as they will end
        self._refused: Counter[str] = Counter()

    def recall(self, memo: Mapping[str, str], now: float) -> None:
        """Take back what the journal remembers. Time that nothing ran is not time that nobody spoke."""
        unwanted: list[str] = []
        for key_text, text in memo.items():
            key, total = _recalled(key_text, text, self._rules)
            if key is None or total is None:
                unwanted.append(key_text)
                continue
            self._totals[key] = total
            self._rows[key.rule][key] = _rows_of(self._rules[key.rule], key, total)
            self._room.take(key)
            self._heard[key.identity] = now
        self._unwanted = unwanted

    def move(self, increments: Increments, now: float) -> dict[str, str]:
        """Add to the totals: what is to be remembered in the transaction that settles these lines. "" is forgotten.

        Either `settle` or `drop` comes before the next move.
        """
        move = self._move = _Move(increments.refused, self._unwanted)
        self._heard.update(dict.fromkeys(increments.heard, now))
        if now - self._swept_at >= max(_LEAST_SWEEP_SECONDS, self._expire_seconds / 10):
            self._swept_at = now
            self._end_silent(move, now)
        for key, increment in increments.series.items():
            self._add(move, key, increment)
        memo = dict.fromkeys(move.forgets, "")
        memo.update((memo_key(key), self._text(key, total)) for key, total in move.totals.items())
        return memo

    def settle(self) -> None:
        """What was moved is settled: it stands, and is shown."""
        move, self._move = self._move, None
        if move is None:
            return
        for key, total in move.totals.items():
            if total is None:
                self._end(key)
            else:
                self._totals[key] = total
                self._rows[key.rule][key] = _rows_of(self._rules[key.rule], key, total)
            self._shown.pop(key.rule, None)
        self._refused += move.refused
        if move.forgets:
            self._unwanted = ()

    def drop(self) -> None:
        """What was moved is not settled, and its lines come again: nothing of it stands."""
        move, self._move = self._move, None
        if move is not None:
            for key in move.totals.keys() - self._totals.keys():
                self._room.leave(key)

    def families(self, now: float) -> list[SeriesFamily]:
        """What is settled, a family for each rule that has counted, and what was refused. Labels hold the identity too.

        A family that has not changed is the same object.
        """
        if (silent := self._silent(now)) != self._hidden:
            self._hidden = silent
            self._shown.clear()
        families = [self._shown.get(name) or self._family(rule) for name, rule in self._rules.items()]
        if self._refused:
            counts = sorted(self._refused.items())
            labels = (label_text({"reason": reason, "sink": self._sink}) for reason, _ in counts)
            rows = tuple(
                Row(REFUSED.name, text, number(count)) for text, (_, count) in zip(labels, counts, strict=True)
            )
            families.append(msgspec.structs.replace(REFUSED, rows=rows))
        return [family for family in families if family.rows]

    def __len__(self) -> int:
        return len(self._totals)

    def _family(self, rule: Rule) -> SeriesFamily:
        by_series = self._rows[rule.name].items()
        rows = tuple(row for key, rows in by_series if key.identity not in self._hidden for row in rows)
        family = self._shown[rule.name] = SeriesFamily(
            name=rule.name, kind=rule.type, help=rule.help, source="logs", rows=rows
        )
        return family

    def _add(self, move: _Move, wanted: SeriesKey, increment: Increment) -> None:
        key = self._key_with_room(wanted, increment.other)
        if key is None:
            move.refused["max_series"] += increment.lines
            return
        before = move.totals.get(key) or self._totals.get(key)
        after = _added(self._rules[key.rule], before, increment)
        if not math.isfinite(after.value):
            move.refused["total_too_large"] += increment.lines
            return
        self._room.take(key)
        move.totals[key] = after

    def _key_with_room(self, key: SeriesKey, other: str) -> SeriesKey | None:
        """The series itself, or the one for what has no room, or None where there is no room for that either."""
        if self._room.has(key):
            return key
        if self._room.of(key) >= self._rules[key.rule].max_series:
            key = key._replace(labels=other)
        return key if self._room.has(key) or self._room.used < self._max_series else None

    def _silent(self, now: float) -> set[str]:
        return {identity for identity, at in self._heard.items() if now - at >= self._expire_seconds}

    def _end_silent(self, move: _Move, now: float) -> None:
        silent = self._silent(now)
        move.totals = dict.fromkeys(self._room.of_any(silent))
        for identity in silent:
            if not self._room.holds(identity):
                del self._heard[identity]

    def _end(self, key: SeriesKey) -> None:
        del self._totals[key]
        del self._rows[key.rule][key]
        self._room.leave(key)
        if not self._room.holds(key.identity):
            self._heard.pop(key.identity, None)

    def _text(self, key: SeriesKey, total: Total | None) -> str:
        if total is None:
            return ""
        return _encode([_shape(self._rules[key.rule]), total.value, total.counts]).decode()


class _Room:
    """Which series there are, by whose they are and by rule."""

    def __init__(self) -> None:
        self._series: dict[str, dict[str, set[SeriesKey]]] = {}
        self.used = 0

    def has(self, key: SeriesKey) -> bool:
        return key in self._series.get(key.identity, {}).get(key.rule, ())

    def of(self, key: SeriesKey) -> int:
        """How many the rule has of that one pod (or workload)."""
        return len(self._series.get(key.identity, {}).get(key.rule, ()))

    def take(self, key: SeriesKey) -> None:
        if not self.has(key):
            self._series.setdefault(key.identity, {}).setdefault(key.rule, set()).add(key)
            self.used += 1

    def leave(self, key: SeriesKey) -> None:
        by_rule = self._series[key.identity]
        by_rule[key.rule].remove(key)
        self.used -= 1
        if not by_rule[key.rule]:
            del by_rule[key.rule]
        if not by_rule:
            del self._series[key.identity]

    def holds(self, identity: str) -> bool:
        """Whether anything is of this pod (or workload)."""
        return identity in self._series

    def of_any(self, identities: Iterable[str]) -> list[SeriesKey]:
        """All that is of these."""
        return [key for one in identities for keys in self._series.get(one, {}).values() for key in keys]


_encode = msgspec.json.Encoder().encode
_decode_key = msgspec.json.Decoder(tuple[str, str, str]).decode
_decode_total = msgspec.json.Decoder(tuple[list[str | float], float, list[int]]).decode


def memo_key(key: SeriesKey) -> str:
    """A series' name in the journal."""
    return _encode(key).decode()


def _shape(rule: Rule) -> list[str | float]:
    """What makes a total go on: under another type, other labels or other buckets it is another metric."""
    return [rule.type, rule.per, *rule.stream_labels, *rule.labels, *map(float, rule.buckets)]


def _recalled(key_text: str, text: str, rules: Mapping[str, Rule]) -> tuple[SeriesKey | None, Total | None]:
    try:
        key = SeriesKey(*_decode_key(key_text))
        shape, value, counts = _decode_total(text)
    except msgspec.DecodeError:
        return None, None
    rule = rules.get(key.rule)
    if rule is None or shape != _shape(rule):
        return key, None
    return key, Total(value, tuple(counts))


def _added(rule: Rule, before: Total | None, increment: Increment) -> Total:
    if rule.type == "gauge" or before is None:
        return Total(increment.total, tuple(increment.counts))
    counts = tuple(map(sum, zip(before.counts, increment.counts, strict=True)))
    return Total(before.value + increment.total, counts)


def _rows_of(rule: Rule, key: SeriesKey, total: Total) -> tuple[Row, ...]:
    labels = ",".join(filter(None, (key.identity, key.labels)))
    if rule.type != "histogram":
        return (Row(rule.name, labels, number(total.value)),)
    before = f"{labels}," if labels else ""
    bounds = [*map(number, map(float, rule.buckets)), "+Inf"]
    counts = list(accumulate(total.counts))
    return (
        *_bucket_rows(f"{rule.name}_bucket", before, bounds, counts),
        Row(f"{rule.name}_sum", labels, number(total.value)),
        Row(f"{rule.name}_count", labels, number(counts[-1])),
    )


def _bucket_rows(name: str, before: str, bounds: Sequence[str], counts: Sequence[int]) -> Iterator[Row]:
    for bound, count in zip(bounds, counts, strict=True):
        yield Row(name, f'{before}le="{bound}"', number(count))
