"""Which rows of a family can stand on a page that a strict reader reads: each series once, histograms and summaries whole and in order.

Room: aggregator core. Never enters: where the rows come from, the page. Rules: OpenMetrics 1.0, as `prometheus_client`'s parser enforces them.

What can be put right without a guess is put right (order, a missing `+Inf` bucket, a `_count` beside it); the rest is refused, by reason.
"""

from collections import Counter
from collections.abc import Sequence
from operator import itemgetter

from aggregator.core.exposition_lines import number_of
from aggregator.core.histograms import grouped, is_count, sound_histograms
from aggregator.core.series import Kind, Row

COMPOUND = frozenset({"histogram", "summary"})
_labels_of, _value_of = itemgetter(1), itemgetter(2)


def sound_rows(kind: Kind, name: str, rows: list[Row], refused: Counter[str]) -> list[Row]:
    """The rows of one family that are shown, those of one label set side by side where they belong together. `refused` counts the others."""
    if kind == "histogram":
        return sound_histograms(name, rows, refused)
    if kind == "summary":
        return _summaries(name, rows, refused)
    rows = without_copies(rows, refused)
    if kind == "counter":
        if not rows or (min(map(_value_of, rows)) >= "0" and max(map(_value_of, rows)) < ":"):
            return rows  # all begin with a digit, which is quickly seen
        kept = [row for row in rows if row[2][0] not in "-N"]
    elif kind in {"info", "stateset"}:
        kept = [row for row in rows if _is_state(kind, name, row)]
    else:
        return rows
    refused["value"] += len(rows) - len(kept)
    return kept


def without_copies(rows: list[Row], refused: Counter[str]) -> list[Row]:
    """Each series of one sample name once: the first that was said stays."""
    if len(set(map(_labels_of, rows))) == len(rows):
        return rows
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.labels, row)
    refused["duplicate"] += len(rows) - len(first)
    return list(first.values())


def fitting(kind: Kind, rows: Sequence[Row], room: int) -> Sequence[Row]:
    """As many of a family's sound rows, from its first on, as there is room for. A histogram or a summary is never cut through."""
    if len(rows) <= room or kind not in COMPOUND:
        return rows[: max(room, 0)]
    mark = ',le="' if kind == "histogram" else ',quantile="'
    keys = [_without(row.labels, mark) for row in rows[: room + 1]]
    while room > 0 and keys[room] == keys[room - 1]:
        room -= 1
    return rows[: max(room, 0)]


def _without(labels: str, mark: str) -> str:
    """A canonical label text, a comma before each label, without the label of `mark`."""
    left, _, right = f",{labels}".partition(mark) if labels else ("", "", "")
    return left + right.partition('"')[2]


def _is_state(kind: Kind, name: str, row: Row) -> bool:
    if kind == "info":
        return number_of(row.value) == 1
    return number_of(row.value) in {0, 1} and f',{name}="' in f",{row.labels}"


def _summaries(name: str, rows: list[Row], refused: Counter[str]) -> list[Row]:
    sound: list[Row] = []
    known = 0
    for group in grouped(name, f"{name}_sum", ',quantile="', rows):
        size = group.size()
        known += size
        group.parts = {at: row for at, row in group.parts.items() if 0 <= number_of(at) <= 1 and row.value[0] != "-"}
        if group.sum is not None and group.sum.value[0] in "-N":
            group.sum = None
        if group.count is not None and not is_count(group.count.value):
            group.count = None
        kept = group.rows()
        refused["value"] += size - len(kept)
        sound += kept
    refused["duplicate"] += len(rows) - known
    return sound
