"""DogStatsD's families by the tags that the app said: the page's labels are fewer, and several tags may have become one.

Room: aggregator sinks, pure. Never enters: how a tag stands at Datadog (metric_tags.py), deltas.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from aggregator.core.exposition_lines import MAX_LABELS_CHARS, LabelWriter, label_name, number
from aggregator.core.series import Opened, Row, SeriesFamily, Spread
from towline.wire.snapshot import Distribution, Sample


def as_said(opened: Opened) -> Opened:
    """The same with a row, or a spread, for each of `raw`, in its order. Names and labels of these only tell series apart."""
    if not any(family.raw for family in opened.families):
        return opened
    keys = _Keys()
    families = tuple([_by_tags(family, keys) if family.raw else family for family in opened.families])
    return replace(opened, families=families)


class _Keys:
    """A text for each set of tags, the same whatever is said beside it. Those of one snapshot's families are mostly the same."""

    def __init__(self) -> None:
        self._writer = LabelWriter()
        self._are_labels: dict[tuple[str, ...], bool] = {}

    def of(self, tags: Mapping[str, str]) -> str:
        """What is no label set is written so that it reads as none."""
        names = tuple(tags)
        are_labels = self._are_labels.get(names)
        if are_labels is None:
            are_labels = self._are_labels[names] = all(label_name(name) == name for name in names)
        if are_labels and "" not in tags.values():
            return self._writer.write(tags)
        return repr(sorted(tags.items()))


def _by_tags(family: SeriesFamily, keys: _Keys) -> SeriesFamily:
    keyed = [(keys.of(one.labels), one) for one in family.raw]
    if len(max([key for key, _ in keyed], key=len)) > MAX_LABELS_CHARS:  # that is refused everywhere
        keyed = [(key, one) for key, one in keyed if len(key) <= MAX_LABELS_CHARS]
    raw = tuple([one for _, one in keyed])
    # Of two names that are shown as one, series are two as well.
    if family.kind == "histogram":
        spreads = [Spread(f"{family.said}{{{key}", one) for key, one in keyed if isinstance(one, Distribution)]
        return replace(family, rows=(), spreads=tuple(spreads), raw=raw)
    name = f"{family.said}_total"  # not `_created`, whatever the app calls it
    rows = [Row(name, key, number(one.value)) for key, one in keyed if isinstance(one, Sample)]
    return replace(family, rows=tuple(rows), raw=raw)
