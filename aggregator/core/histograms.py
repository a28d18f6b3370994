"""Classic histograms: whether their rows are whole, and what can be put right of them.

Room: aggregator core. Never enters: where the rows come from, the page. Rules: OpenMetrics 1.0, as `prometheus_client`'s parser enforces them.

Put right: the order, a missing `+Inf` bucket (it is the `_count`), a `_count` that is not the last bucket. Refused: buckets that shrink, count in
parts or have no bound; and of a histogram without a sum, or with one that may be negative, `_sum` and `_count`.
"""

import math
from collections import Counter
from collections.abc import Sequence
from operator import itemgetter

from aggregator.core.exposition_lines import number_of
from aggregator.core.series import Row

_INFINITE = "+Inf"
_MARK = ',le="'
_name_of, _labels_of, _value_of = itemgetter(0), itemgetter(1), itemgetter(2)


def is_count(text: str) -> bool:
    """Whether it counts something: whole, not negative."""
    return text.isdigit() or (0 <= number_of(text) < math.inf and number_of(text).is_integer())


class Group:
    """The rows of one label set, `le` or `quantile` left out. parts: by bound, as it was written."""

    __slots__ = ("count", "parts", "sum")

    def __init__(self) -> None:
        self.parts: dict[str, Row] = {}
        self.sum: Row | None = None
        self.count: Row | None = None

    def size(self) -> int:
        return len(self.parts) + (self.sum is not None) + (self.count is not None)

    def rows(self) -> list[Row]:
        rows = list(self.parts.values())
        if self.sum is not None:
            rows.append(self.sum)
        if self.count is not None:
            rows.append(self.count)
        return rows


def grouped(part_name: str, sum_name: str, mark: str, rows: list[Row]) -> list[Group]:
    """Rows by label set; of rows that were said twice the first."""
    groups: dict[str, Group] = {}
    group, before, behind = Group(), "", ""
    for row in rows:
        name, labels, _, _ = row
        if name == part_name:
            left, _, right = labels.partition(mark)
            if not right:  # it stands first, or not at all
                left, _, right = f",{labels}".partition(mark)
            bound, _, rest = right.partition('"')
            if left != before or rest != behind or not group.parts:
                group = groups.setdefault(_key(left + rest), Group())
                before, behind = left, rest
            group.parts.setdefault(bound, row)
            continue
        other = groups.setdefault(_key(labels), Group())
        if name == sum_name:
            other.sum = other.sum or row
        else:
            other.count = other.count or row
    return list(groups.values())


def _key(labels: str) -> str:
    return labels.removeprefix(",")


def sound_histograms(name: str, rows: list[Row], refused: Counter[str]) -> list[Row]:
    """A family's histograms, whole and in order. `refused` counts the rows that are of none."""
    size = usual_size(name, rows)
    if size and are_sound(list(map(_value_of, rows)), size):
        return rows
    sound: list[Row] = []
    bounds: dict[str, float] = {}
    known = 0
    for group in grouped(f"{name}_bucket", f"{name}_sum", ',le="', rows):
        size = group.size()
        known += size
        if _make_histogram(name, group, bounds):
            kept = group.rows()
            refused["value"] += max(size - len(kept), 0)
            sound += kept
        else:
            refused["histogram"] += size
    refused["duplicate"] += len(rows) - known
    return sound


def _make_histogram(name: str, group: Group, bounds: dict[str, float]) -> bool:
    """Put a histogram right, or say that it is none. `bounds` remembers how bounds read."""
    parts = group.parts
    for bound in parts.keys() - bounds.keys():
        bounds[bound] = number_of(bound)
    at = [bounds[bound] for bound in parts]
    if (
        not at
        or math.isnan(sum(at))
        or len(set(at)) < len(at)
        or not (group.count is None or is_count(group.count.value))
    ):
        return False
    if at != sorted(at):
        parts = group.parts = dict(sorted(parts.items(), key=lambda part: bounds[part[0]]))
    if _INFINITE not in parts and not _put_last_right(name, group, max(at)):
        return False
    values = [row.value for row in group.parts.values()]
    if not "".join(values).isdigit() and not all(map(is_count, values)):
        return False
    counts = [float(value) for value in values]
    if counts != sorted(counts):
        return False
    _put_sum_right(name, group, min(at), values[-1])
    return True


def _put_last_right(name: str, group: Group, largest: float) -> bool:
    """The `+Inf` bucket, where it is written otherwise, or is not there: then the `_count` is what it would say."""
    bound, last = next(reversed(group.parts.items()))
    labels = _infinite(last.labels)
    if largest == math.inf:
        del group.parts[bound]
        group.parts[_INFINITE] = last._replace(labels=labels)
        return True
    if group.count is None:
        return False
    group.parts[_INFINITE] = Row(f"{name}_bucket", labels, group.count.value)
    return True


def _put_sum_right(name: str, group: Group, smallest: float, count: str) -> None:
    """`_sum` and `_count` come together, and `_count` is the last bucket: without a sum that may stand, neither does."""
    if group.sum is None or group.sum.value[0] in "-N" or smallest < 0:
        group.sum = group.count = None
    elif group.count is None or group.count.value != count:
        group.count = Row(f"{name}_count", group.sum.labels, count)


def _infinite(labels: str) -> str:
    """The label text of a bucket as that of the last one."""
    left, _, right = f",{labels}".partition(',le="')
    _, _, rest = right.partition('"')
    return f'{left},le="{_INFINITE}"{rest}'[1:]


def usual_size(name: str, rows: list[Row]) -> int:
    """Of how many rows each histogram is, where all have the same bounds in order, then sum and count, as client libraries write them; else 0.

    The values are not looked at.
    """
    names = list(map(_name_of, rows))
    size = names.index(f"{name}_sum") + 2 if f"{name}_sum" in names else 0
    if size < 3 or len(rows) % size:
        return 0
    groups = len(rows) // size
    if names != [*[f"{name}_bucket"] * (size - 2), f"{name}_sum", f"{name}_count"] * groups:
        return 0
    bounds = [labels.partition(_MARK)[2].partition('"')[0] for labels in map(_labels_of, rows[: size - 2])]
    at = list(map(number_of, bounds))
    if bounds[-1] != _INFINITE or not at[0] >= 0 or at != sorted(set(at)):
        return 0
    labels = list(map(_labels_of, rows))
    is_usual = all(_has_usual_labels(labels[start : start + size], bounds) for start in range(0, len(labels), size))
    return size if is_usual and groups == len(set(labels[size - 1 :: size])) else 0


def _has_usual_labels(labels: list[str], bounds: list[str]) -> bool:
    left, _, right = labels[0].partition(_MARK)
    _, _, rest = right.partition('"')
    own = left + rest
    return labels == [*[f'{left}{_MARK}{bound}"{rest}' for bound in bounds], own, own]


def are_sound(values: Sequence[str], size: int) -> bool:
    """Whether the values of such histograms are sound as they stand, so that nothing is to be done."""
    try:
        return all(
            _is_sound(values[start : start + size - 2], values[start + size - 2], values[start + size - 1])
            for start in range(0, len(values), size)
        )
    except ValueError:  # a bucket counts in parts, or is written as a float
        return False


def _is_sound(buckets: Sequence[str], total: str, count: str) -> bool:
    counts = list(map(int, buckets))
    return counts[0] >= 0 and counts == sorted(counts) and count == buckets[-1] and total[0] not in "-N"
