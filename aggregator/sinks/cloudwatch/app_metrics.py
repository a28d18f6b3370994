"""Series that are none of Container Insights', as points: counters as what they grew by, histograms as values with counts, the rest as it is.

Room: aggregator sinks, pure. Never enters: dimensions, JSON, how counts became deltas.
"""

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from aggregator.core.exposition_lines import label_text
from aggregator.core.series import Row, SeriesFamily
from aggregator.sinks.cloudwatch.emf import Point, ValueSet, metric_name
from aggregator.sinks.cloudwatch.insights import Counts, LabelsOf
from aggregator.sinks.cloudwatch.metric_names import unit_of
from aggregator.sinks.cloudwatch.value_sets import set_of_buckets, set_of_sketch
from towline.wire.snapshot import Distribution

Labelled = tuple[str, Point]  # a label text as in Row, and what is said under it


def points_of(
    name: str, family: SeriesFamily, counts: Counts, spreads: Sequence[Distribution | None], labels_of: LabelsOf
) -> Iterator[Labelled]:
    """What one family says. `name`: at CloudWatch. Values that are not finite are left in: who encodes them counts them."""
    if family.spreads:
        yield from _sketches(name, family, spreads)
    elif family.kind == "histogram":
        yield from _histograms(name, family, counts, labels_of)
    elif family.kind == "summary":
        yield from _summaries(name, family, counts)
    elif family.kind == "counter":
        unit = unit_of(family, counts=True)
        yield from ((row.labels, Point(name, unit, grown)) for row, grown in _counted(family, counts))
    else:
        unit = unit_of(family)
        said = [row for row in family.rows if not row.name.endswith("_created")]
        yield from ((row.labels, Point(_named(name, family, row), unit, float(row.value))) for row in said)


def _named(name: str, family: SeriesFamily, row: Row) -> str:
    """The name of a family's row at CloudWatch, where the family's is `name`."""
    ending = row.name.removeprefix(family.name)
    return metric_name(name + ending) if ending else name


def _sketches(name: str, family: SeriesFamily, spreads: Sequence[Distribution | None]) -> Iterator[Labelled]:
    for spread, delta in zip(family.spreads, spreads, strict=True):
        found = set_of_sketch(delta) if delta is not None else None
        if found is not None:
            yield spread.labels, Point(name, unit_of(family), found)


def _counted(family: SeriesFamily, counts: Counts) -> Iterator[tuple[Row, float]]:
    for row, grown in zip(family.rows, counts, strict=True):
        if grown is not None:
            yield row, grown


def _summaries(name: str, family: SeriesFamily, counts: Counts) -> Iterator[Labelled]:
    """Quantiles as they are (their label is a dimension), sum and count as what they grew by."""
    endings = {f"{family.name}_sum": unit_of(family), f"{family.name}_count": "Count"}
    for row, grown in zip(family.rows, counts, strict=True):
        if row.name == family.name:
            value = float(row.value)
            if not math.isnan(value):  # a summary without observations says NaN
                yield row.labels, Point(name, unit_of(family), value)
        elif row.name in endings and grown is not None:
            yield row.labels, Point(_named(name, family, row), endings[row.name], grown)


class _Histogram:
    """One label set's rows. `is_whole`: each of its buckets has a delta."""

    __slots__ = ("buckets", "is_whole", "total")

    def __init__(self) -> None:
        self.buckets: list[tuple[float, float]] = []
        self.total: float | None = None
        self.is_whole = True

    def values(self) -> ValueSet | None:
        return set_of_buckets(sorted(self.buckets), self.total) if self.is_whole else None


def _histograms(name: str, family: SeriesFamily, counts: Counts, labels_of: LabelsOf) -> Iterator[Labelled]:
    found: dict[str, _Histogram] = defaultdict(_Histogram)
    bucket, total = f"{family.name}_bucket", f"{family.name}_sum"
    for row, grown in zip(family.rows, counts, strict=True):
        if row.name == bucket:
            labels = dict(labels_of(row.labels))
            bound = float(labels.pop("le"))
            one = found[label_text(labels)]
            if grown is None:
                one.is_whole = False
            else:
                one.buckets.append((bound, grown))
        elif row.name == total:
            found[row.labels].total = grown
    for labels_text, one in found.items():
        values = one.values()
        if values is not None:
            yield labels_text, Point(name, unit_of(family), values)
