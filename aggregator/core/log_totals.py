"""One total of lines: how it grows, how it is shown, how the journal remembers it; and the life that totals of one owner belong to.

Room: aggregator core. Never enters: which series there are (log_series.py), lines, clocks, journals.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

import msgspec

from aggregator.core.exposition_lines import number
from aggregator.core.log_metrics import Increment, Rule, SeriesKey
from aggregator.core.series import Row
from towline.wire.identity import Pod

_LIFE = ""  # in the place of a rule's name, which is never empty
_encode = msgspec.json.Encoder().encode


class Total(NamedTuple):
    """Where a series stands. value: a counter's, a gauge's, a histogram's sum. counts: by bucket, not cumulative."""

    value: float
    counts: tuple[int, ...] = ()


class Life(msgspec.Struct, frozen=True, array_like=True):
    """What the totals of one owner have in common, from their first line until they end.

    run: names it for destinations; "" where none was to be told when it began. is_whole: they were to be told of all of it.
    pod: the owner, as its lines came with it last.
    """

    run: str
    is_whole: bool
    pod: Pod


_decode_key = msgspec.json.Decoder(tuple[str, str, str]).decode
_decode_total = msgspec.json.Decoder(tuple[list[str | float], float, list[int]]).decode
_decode_life = msgspec.json.Decoder(Life).decode


class Recalled(NamedTuple):
    """What a journal's memo says that can be gone on from; unwanted: the keys of the rest."""

    totals: Mapping[SeriesKey, Total]
    lives: Mapping[str, Life]
    unwanted: Sequence[str]


def recalled(memo: Mapping[str, str], rules: Mapping[str, Rule]) -> Recalled:
    """Totals of rules that are still the same, each with its life, and lives with totals."""
    totals: dict[SeriesKey, tuple[str, Total]] = {}
    lives: dict[str, Life] = {}
    for key_text, text in memo.items():
        try:
            key = SeriesKey(*_decode_key(key_text))
            if key.rule == _LIFE:
                lives[key.identity] = _decode_life(text)
            elif (total := _total_of(rules.get(key.rule), text)) is not None:
                totals[key] = key_text, total
        except msgspec.DecodeError:
            continue
    kept = {key: total for key, (_, total) in totals.items() if key.identity in lives}
    owners = {key.identity for key in kept}
    wanted = {totals[key][0] for key in kept} | set(map(life_key, owners))
    return Recalled(
        kept, {identity: lives[identity] for identity in owners}, [key for key in memo if key not in wanted]
    )


def memo_key(key: SeriesKey) -> str:
    """A series' name in the journal."""
    return _encode(key).decode()


def life_key(identity: str) -> str:
    """The name in the journal of an owner's life."""
    return memo_key(SeriesKey(_LIFE, identity, ""))


def text_of_total(rule: Rule, total: Total) -> str:
    """As the journal keeps it."""
    return _encode([_shape(rule), total.value, total.counts]).decode()


def text_of_life(life: Life) -> str:
    """As the journal keeps it."""
    return _encode(life).decode()


def added(rule: Rule, before: Total | None, increment: Increment) -> Total:
    """A total after an increment."""
    if rule.type == "gauge" or before is None:
        return Total(increment.total, tuple(increment.counts))
    counts = tuple(map(sum, zip(before.counts, increment.counts, strict=True)))
    return Total(before.value + increment.total, counts)


def rows_of(rule: Rule, key: SeriesKey, total: Total) -> tuple[Row, ...]:
    """As the page shows it, the owner among the labels."""
    labels = ",".join(filter(None, (key.identity, key.labels)))
    if rule.type != "histogram":
        return (Row(rule.name, labels, number(total.value)),)
    before = f"{labels}," if labels else ""
    buckets = buckets_of(rule, total)
    return (
        *_bucket_rows(f"{rule.name}_bucket", before, buckets),
        Row(f"{rule.name}_sum", labels, number(total.value)),
        Row(f"{rule.name}_count", labels, number(buckets[-1][1])),
    )


def buckets_of(rule: Rule, total: Total) -> list[tuple[str, int]]:
    """A histogram's bounds, each with how many values were at or below it."""
    bounds = [*map(number, map(float, rule.buckets)), "+Inf"]
    return list(zip(bounds, accumulate(total.counts), strict=True))


def _bucket_rows(name: str, before: str, buckets: Sequence[tuple[str, int]]) -> Iterator[Row]:
    for bound, count in buckets:
        yield Row(name, f'{before}le="{bound}"', number(count))


def _shape(rule: Rule) -> list[str | float]:
    """What makes a total go on: under another type, other labels or other buckets it is another metric."""
    return [rule.type, rule.per, *sorted((*rule.stream_labels, *rule.labels)), *map(float, rule.buckets)]


def _total_of(rule: Rule | None, text: str) -> Total | None:
    """None where the rule is no more what it was. Raises msgspec.DecodeError."""
    shape, value, counts = _decode_total(text)
    return None if rule is None or shape != _shape(rule) else Total(value, tuple(counts))
