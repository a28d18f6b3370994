"""What samplers measured and DogStatsD counted, as rows: names made valid, labels and tags written, distributions as buckets.

Room: aggregator core. Never enters: scraped text, other families of the pod.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import repeat
from typing import get_args

from aggregator.core.buckets import BOUND, bucket_rows
from aggregator.core.exposition_lines import (
    IDENTITY,
    MAX_LABELS_CHARS,
    LabelWriter,
    label_name,
    metric_name,
    number,
    numbers,
)
from aggregator.core.groups import sound_rows
from aggregator.core.series import Row, SeriesFamily, Spread
from towline.wire.snapshot import Distribution, Family, FamilySource, Sample

TAG_WITHOUT_VALUE = "true"  # a label's empty value would be no label
_MAX_HELP_CHARS = 2_048
_MAX_CHARS = 16 << 20  # of all label texts that are remembered
_SOURCES: tuple[FamilySource, ...] = get_args(FamilySource)

WriteLabels = Callable[[Mapping[str, str]], str]
Raw = tuple[Sample | Distribution, ...]
Made = tuple[SeriesFamily, list[Row], Sequence[Spread]]


class Writers:
    """What writes label sets. Kept from snapshot to snapshot: a pod says the same sets every time, and its neighbours say them too."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._all = [LabelWriter(IDENTITY) for _ in _SOURCES], [LabelWriter(IDENTITY | {"le"}) for _ in _SOURCES]

    def plain(self, source: FamilySource) -> WriteLabels:
        """Everything but the pod's identity. Of DogStatsD, a tag without a value gets one."""
        return _writing(source, self._all[0][_SOURCES.index(source)])

    def plain_texts(self, family: Family, room: int) -> list[str]:
        """The same of a family's first samples, at once."""
        sets = [sample.labels for sample in family.samples[:room]]
        if family.source == "dogstatsd":
            sets = list(map(_valued, sets))
        return self._all[0][_SOURCES.index(family.source)].write_all(sets)

    def unbounded(self, source: FamilySource) -> WriteLabels:
        """The same without `le`, which is a histogram's own."""
        return _writing(source, self._all[1][_SOURCES.index(source)])

    def bound_memory(self) -> None:
        """Forget everything once it is too much."""
        if sum(writer.chars for kind in self._all for writer in kind) > _MAX_CHARS:
            self._forget()


def exposed_name(family: Family) -> str:
    """The name under which a family is shown: what the format allows, and of a DogStatsD counter with `_total`; "" where nothing is left of it."""
    name = metric_name(family.name)
    if name and family.source == "dogstatsd" and family.type == "counter" and not name.endswith("_total"):
        return f"{name}_total"
    return name


def made_of_samples(name: str, family: Family, room: int, writers: Writers, refused: Counter[str]) -> Made:
    """Gauges and counters. Looks at no more than `room` of them."""
    texts = writers.plain_texts(family, room)
    values = numbers([sample.value for sample in family.samples[:room]])
    rows = list(map(tuple.__new__, repeat(Row), zip(repeat(name), texts, values, repeat(""), strict=False)))
    refused["series_cap"] += len(family.samples) - len(rows)
    if rows and max(map(len, texts)) > MAX_LABELS_CHARS:
        short = [row for row in rows if len(row.labels) <= MAX_LABELS_CHARS]
        refused["too_long"] += len(rows) - len(short)
        rows = short
    raw = family.samples[:room] if family.source == "dogstatsd" else ()
    return _header(name, family, raw), sound_rows(family.type, name, rows, refused), ()


def made_of_buckets(name: str, family: Family, room: int, writers: Writers, refused: Counter[str]) -> Made:
    """Histograms that are samples: buckets, and a sum for each. Looks at no more than `room` of them."""
    texts = writers.plain_texts(family, room)
    refused["series_cap"] += max(len(family.samples) - room, 0)
    bucket, total = f"{name}_bucket", f"{name}_sum"
    rows = [
        Row(bucket if "le" in sample.labels else total, text, number(sample.value))
        for text, sample in zip(texts, family.samples, strict=False)
        if len(text) <= MAX_LABELS_CHARS
    ]
    refused["too_long"] += len(texts) - len(rows)
    return _header(name, family), sound_rows("histogram", name, rows, refused), ()


def made_of_distributions(name: str, family: Family, room: int, writers: Writers, refused: Counter[str]) -> Made:
    """Distributions. Looks at no more than `room` of them."""
    write, write_bounded = writers.unbounded(family.source), writers.plain(family.source)
    rows: list[Row] = []
    spreads: dict[str, Spread] = {}
    raw: list[Distribution] = []
    for sketch in family.distributions[:room]:
        labels = write(sketch.labels)
        made = _rows_of(name, labels, write_bounded, sketch)
        if isinstance(made, str):
            refused[made] += 1
            continue
        raw.append(sketch)
        if labels in spreads:
            refused["duplicate"] += 1
        else:
            rows += made
            spreads[labels] = Spread(labels, sketch)
    refused["series_cap"] += max(len(family.distributions) - room, 0)
    return _header(name, family, tuple(raw) if family.source == "dogstatsd" else ()), rows, list(spreads.values())


def _writing(source: FamilySource, writer: LabelWriter) -> WriteLabels:
    if source != "dogstatsd":
        return writer.write

    return lambda tags: writer.write(_valued(tags))


def _valued(tags: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value or TAG_WITHOUT_VALUE for name, value in tags.items()} if "" in tags.values() else tags


def _header(name: str, family: Family, raw: Raw = ()) -> SeriesFamily:
    return SeriesFamily(
        name=name,
        kind=family.type,
        help=_help_of(family)[:_MAX_HELP_CHARS],
        unit=metric_name(family.unit),
        said=family.name,
        source=family.source,
        flavour=family.flavour,
        from_zero=family.from_zero,
        raw=raw,
    )


def _help_of(family: Family) -> str:
    """DogStatsD knows no help; linters ask for one."""
    if family.help or family.source != "dogstatsd":
        return family.help
    return f"{(family.flavour or family.type).capitalize()} {family.name} of DogStatsD."


def _rows_of(name: str, labels: str, write_bounded: WriteLabels, sketch: Distribution) -> list[Row] | str:
    """A distribution's rows, or why there are none."""
    if len(labels) > MAX_LABELS_CHARS:
        return "too_long"
    own = {key: value for key, value in sketch.labels.items() if label_name(key) != "le"}
    rows = bucket_rows(name, labels, write_bounded({**own, "le": BOUND}), sketch)
    return "value" if rows is None else rows
