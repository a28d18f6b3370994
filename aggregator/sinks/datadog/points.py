"""One snapshot into fragments, and the pod's next state: pure, so that after a crash the same points are sent again.

Room: aggregator sinks, pure. Never enters: the network, clocks.
"""

from collections import Counter
from collections.abc import Iterator

from aggregator.core.deltas import advance
from aggregator.core.joining import Join
from aggregator.core.series import Opened, SeriesFamily
from aggregator.metric_sink import Fragment, Made, Moment
from aggregator.sinks.datadog.families import Families, Span
from aggregator.sinks.datadog.gathering import Gathering
from aggregator.sinks.datadog.metric_names import Chosen
from aggregator.sinks.datadog.metric_options import MAX_AGE_SECONDS, DatadogMetricsConfig
from aggregator.sinks.datadog.metric_state import PodState, state_of, text_of_state
from aggregator.sinks.datadog.metric_tags import SeriesTags
from aggregator.sinks.datadog.raw_tags import as_said
from aggregator.sinks.datadog.series_payload import CHECKS, EVENTS, Stamp, check_body, event_body

_SECOND_NS = 1_000_000_000
_MAX_AHEAD_SECONDS = 600  # Datadog drops later points behind a 2xx
_MAX_EVENT_AGE_SECONDS = 18 * 3600
_NEAR_SECONDS = 60
_LONGEST_INTERVAL_SECONDS = 3600
_NOT_ADDED_UP = frozenset({"gauge", "unknown", "info", "stateset", "gaugehistogram"})


class PointsMaker:
    """Makes fragments of snapshots. Safe to call from several threads."""

    def __init__(self, config: DatadogMetricsConfig) -> None:
        self._config = config
        self._sources = frozenset(config.sources)
        self._chosen = Chosen(config.include, config.exclude)

    def make(self, opened: Opened, text: str | None, moment: Moment) -> Made:
        """All families go into the book, chosen or not: a choice that is changed must not make old counts new ones."""
        opened = as_said(opened)
        state, book = state_of(text)
        deltas, after = advance(book, opened, moment.join, hold=moment.too_old)
        if moment.too_old:
            counted_ns = opened.taken_unix_ns if moment.join is Join.UNKNOWN else state.counted_unix_ns
            kept = PodState(state.second, counted_ns, state.warm)
            return Made((), text_of_state(kept, after), deltas.skipped + self._too_old(opened))
        stamp = Stamp(_second_of(opened, state), _interval_of(opened))
        out = Gathering(self._chosen, stamp, statsd_rates=self._config.statsd_counts == "rate")
        tags = SeriesTags(opened.pod, self._config.tags)
        families = Families(self._config, out, tags, _span(opened, state), state.warm)
        for family, counts, spreads in zip(opened.families, deltas.rows, deltas.spreads, strict=True):
            if family.source in self._sources:
                families.add(family, counts, spreads)
        if "dogstatsd" in self._sources:
            self._add_said(opened, out, tags)
        out.finish()
        now = PodState(stamp.second, opened.taken_unix_ns, families.still_warm)
        return Made(out.fragments, text_of_state(now, after), +(out.dropped + deltas.skipped))

    def _add_said(self, opened: Opened, out: Gathering, tags: SeriesTags) -> None:
        """What has a time of its own."""
        taken = opened.taken_unix_ns // _SECOND_NS
        for said in opened.stamped:
            late = _untimely(said.unix_seconds, taken, MAX_AGE_SECONDS)
            if late:
                out.dropped[late] += 1
            elif said.type == "counter":
                out.statsd_count(said.name, said.value, tags.of_said(said.labels), said.unix_seconds)
            else:
                out.gauge(said.name, said.value, tags.of_said(said.labels), said.unix_seconds)
        for event in opened.events:
            late = _untimely(event.unix_seconds, taken, _MAX_EVENT_AGE_SECONDS)
            if late:
                out.dropped[late] += 1
            else:
                out.fragments.append(Fragment(EVENTS, event_body(event, tags.of_tags(event.tags))))
        out.fragments += [Fragment(CHECKS, check_body(check, tags.of_tags(check.tags))) for check in opened.checks]

    def _too_old(self, opened: Opened) -> Counter[str]:
        """What has a time, and is not sent any more."""
        lost = sum(map(len, self._timed(opened)))
        return Counter({"too_old": lost}) if lost else Counter()

    def _timed(self, opened: Opened) -> Iterator[tuple[object, ...]]:
        for family in opened.families:
            if family.source in self._sources:
                yield _gauges_of(family)
        if "dogstatsd" in self._sources:
            yield from (opened.stamped, opened.events, opened.checks)


def _gauges_of(family: SeriesFamily) -> tuple[object, ...]:
    if family.kind in _NOT_ADDED_UP:
        return family.rows
    return tuple(row for row in family.rows if row.name == family.name) if family.kind == "summary" else ()


def _second_of(opened: Opened, state: PodState) -> int:
    """Of two points at the same second the later one would overwrite the other. A clock that was set back far is believed."""
    taken = opened.taken_unix_ns // _SECOND_NS
    return state.second + 1 if taken <= state.second <= taken + _NEAR_SECONDS else taken


def _interval_of(opened: Opened) -> int:
    """Whole seconds, whatever the pod says."""
    said = opened.interval_seconds
    return round(said) if 1 <= said <= _LONGEST_INTERVAL_SECONDS else 1


def _span(opened: Opened, state: PodState) -> Span:
    """Since when the deltas count: a snapshot that was shed, or came too late, is part of the next one's."""
    seconds = (opened.taken_unix_ns - state.counted_unix_ns) / _SECOND_NS
    return Span(seconds if state.counted_unix_ns and seconds > 0 else float(_interval_of(opened)))


def _untimely(unix_seconds: int, taken_seconds: int, max_age_seconds: float) -> str:
    if unix_seconds < taken_seconds - max_age_seconds:
        return "too_old"
    return "too_new" if unix_seconds > taken_seconds + _MAX_AHEAD_SECONDS else ""
