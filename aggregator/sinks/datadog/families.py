"""Families of rows as Datadog's points: each kind in its way.

Room: aggregator sinks, pure. Never enters: JSON, states. Prometheus kinds: docs.datadoghq.com/integrations/guide/prometheus-metrics;
DogStatsD kinds: the Agent's defaults (`histogram_aggregates`, `histogram_percentiles`); what the pod measures: core/vendor_names.py.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aggregator.core.relabel import pairs_of
from aggregator.core.series import Row, SeriesFamily, Spread
from aggregator.core.vendor_names import DATADOG, DatadogName, chosen_scope
from aggregator.sinks.datadog.gathering import Gathering
from aggregator.sinks.datadog.metric_options import DatadogMetricsConfig
from aggregator.sinks.datadog.metric_tags import SeriesTags
from aggregator.sinks.datadog.metric_values import drawn_of, drawn_of_buckets, summary_of
from towline.wire.snapshot import Distribution

WARM_SECONDS = 300  # for so long the Agent says 0 of a DogStatsD counter that counts no more

Deltas = Sequence[float | None]
_FLAVOURS_WITH_SUMMARY = frozenset({"histogram", "timing"})


class Span(NamedTuple):
    """What the deltas are of: seconds since they were last sent."""

    seconds: float


class Families:
    """Makes the points of one snapshot's families. `warm`: DogStatsD counters that counted lately, and when; the new ones are in `still_warm`."""

    def __init__(
        self, config: DatadogMetricsConfig, out: Gathering, tags: SeriesTags, span: Span, warm: Mapping[str, int]
    ) -> None:
        self._config, self._out, self._tags, self._span, self._warm = config, out, tags, span, warm
        self.still_warm: dict[str, int] = {}

    def add(self, family: SeriesFamily, counts: Deltas, spreads: Sequence[Distribution | None]) -> None:
        """The points of one family."""
        if family.source == "pod" and family.name in DATADOG:
            self._measured(family, counts)
        elif family.spreads:
            self._spreads(family, spreads)
        elif family.source == "dogstatsd":
            self._statsd(family, counts)
        elif family.kind == "counter":
            self._counters(family, counts)
        elif family.kind == "histogram":
            self._histograms(family, counts)
        elif family.kind == "summary":
            self._summaries(family, counts)
        else:
            for row in family.rows:
                self._out.gauge(row.name, float(row.value), self._tags.of_labels(row.labels))

    def _measured(self, family: SeriesFamily, counts: Deltas) -> None:
        labels = [dict(pairs_of(row.labels)) for row in family.rows]
        present = {own.get("scope", "") for own in labels}
        deltas: Deltas = counts or [None] * len(labels)
        for name in DATADOG[family.name]:
            scope = chosen_scope(name.scopes, present) if name.scopes else None
            for row, own, delta in zip(family.rows, labels, deltas, strict=True):
                if name.scopes and own.get("scope") != scope:
                    continue
                if all(own.get(label) == value for label, value in name.where.items()):
                    self._say_measured(name, row, own, delta)

    def _say_measured(self, name: DatadogName, row: Row, labels: Mapping[str, str], delta: float | None) -> None:
        tags = self._tags.of_pod_metric(labels, name.where)
        if name.kind == "gauge":
            self._out.gauge(name.name, float(row.value) * name.scale, tags)
        elif delta is not None and name.kind == "rate":
            self._out.gauge(name.name, delta * name.scale / self._span.seconds, tags)
        elif delta is not None:
            self._out.count(name.name, delta * name.scale, tags)

    def _statsd(self, family: SeriesFamily, counts: Deltas) -> None:
        said = family.said or family.name
        if family.kind != "counter":
            for row, sample in zip(family.rows, family.raw, strict=True):
                self._out.gauge(said, float(row.value), self._tags.of_said(sample.labels, row.labels))
            return
        for row, sample, delta in zip(family.rows, family.raw, counts, strict=True):
            if delta is not None and self._is_warm(f"{row.name}{{{row.labels}", delta):
                self._out.statsd_count(said, delta, self._tags.of_said(sample.labels, row.labels))

    def _is_warm(self, series: str, delta: float) -> bool:
        """True where it counted something lately: an idle series is billed as long as it is said."""
        now = self._out.stamp.second
        last = now if delta else self._warm.get(series)
        if last is None or now - last > WARM_SECONDS:
            return False
        self.still_warm[series] = last
        return True

    def _spreads(self, family: SeriesFamily, deltas: Sequence[Distribution | None]) -> None:
        said = family.said or family.name
        for spread, delta in zip(family.spreads, deltas, strict=True):
            if delta is None:
                continue
            tags = self._tags.of_said(spread.sketch.labels)
            if family.flavour in _FLAVOURS_WITH_SUMMARY:
                self._summary(said, delta, tags)
            else:
                self._distribution(said, spread, delta, tags)

    def _distribution(self, said: str, spread: Spread, delta: Distribution, tags: bytes) -> None:
        drawn = drawn_of(delta, spread.sketch)
        if drawn:
            self._out.distribution(said, drawn, tags)

    def _summary(self, said: str, delta: Distribution, tags: bytes) -> None:
        summary = summary_of(delta)
        if summary is None:
            return
        self._out.statsd_count(f"{said}.count", summary.observed, tags)
        self._out.gauge(f"{said}.avg", summary.avg, tags)
        self._out.gauge(f"{said}.median", summary.median, tags)
        self._out.gauge(f"{said}.95percentile", summary.p95, tags)
        self._out.gauge(f"{said}.max", summary.most, tags)

    def _counters(self, family: SeriesFamily, counts: Deltas) -> None:
        renames = self._config.counter_names == "openmetrics"
        for row, delta in zip(family.rows, counts, strict=True):
            if delta is not None:
                name = f"{row.name.removesuffix('_total')}.count" if renames else row.name
                self._out.count(name, delta, self._tags.of_labels(row.labels))

    def _summaries(self, family: SeriesFamily, counts: Deltas) -> None:
        for row, delta in zip(family.rows, counts, strict=True):
            if row.name == family.name:
                tags = self._tags.of_pairs(_plain_number(pairs_of(row.labels), "quantile", "quantile"))
                self._out.gauge(f"{family.name}.quantile", float(row.value), tags)
            else:
                self._whole_count(family, row, delta)

    def _histograms(self, family: SeriesFamily, counts: Deltas) -> None:
        buckets: dict[str, list[tuple[float, float]]] = {}
        bucket_name = f"{family.name}_bucket"
        for row, delta in zip(family.rows, counts, strict=True):
            if row.name != bucket_name:
                self._whole_count(family, row, delta)
            elif delta is not None:
                rest, bound = _without_bound(row.labels)
                buckets.setdefault(rest, []).append((bound, delta))
                if self._config.histograms == "buckets" and bound != float("inf"):  # that one is `.count`
                    tags = self._tags.of_pairs(_plain_number(pairs_of(row.labels), "le", "upper_bound"))
                    self._out.count(f"{family.name}.bucket", delta, tags)
        if self._config.histograms == "distributions":
            for rest, bounds in buckets.items():
                if drawn := drawn_of_buckets(bounds):
                    self._out.distribution(family.name, drawn, self._tags.of_labels(rest))

    def _whole_count(self, family: SeriesFamily, row: Row, delta: float | None) -> None:
        """`_count` and `_sum` of a histogram or a summary."""
        if delta is not None:
            ending = row.name.removeprefix(family.name).lstrip("_")
            self._out.count(f"{family.name}.{ending}", delta, self._tags.of_labels(row.labels))


def _without_bound(labels: str) -> tuple[str, float]:
    """A bucket's canonical label text without `le`, and the bound."""
    left, _, right = f",{labels}".partition(',le="')
    bound, _, rest = right.partition('"')
    return (left + rest).removeprefix(","), float(bound)


def _plain_number(pairs: Sequence[tuple[str, str]], label: str, tag: str) -> list[tuple[str, str]]:
    """Labels with one that holds a number written as the Agent's check writes it: `1.0`, whatever the app wrote."""
    return [(tag, str(float(value) or 0.0)) if name == label else (name, value) for name, value in pairs]
