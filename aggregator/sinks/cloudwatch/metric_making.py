"""A pod's snapshot as log events in the embedded metric format, and the pod's next state. Pure: the same three give the same bytes.

Room: aggregator sinks, pure but for label texts that it remembers. Never enters: the network, clocks.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

import msgspec

from aggregator.core.counted import AGGREGATOR
from aggregator.core.deltas import Deltas, advance
from aggregator.core.exposition_lines import IDENTITY, LabelWriter, label_text
from aggregator.core.groups import fitting
from aggregator.core.joining import Join
from aggregator.core.measured import TAG_WITHOUT_VALUE
from aggregator.core.relabel import pairs_of
from aggregator.core.series import Opened, SeriesFamily
from aggregator.core.vendor_names import CONTAINER_INSIGHTS
from aggregator.metric_sink import Fragment, Made, Moment
from aggregator.sinks.cloudwatch.app_metrics import Labelled, points_of
from aggregator.sinks.cloudwatch.emf import EmfEvent, Point, events_of
from aggregator.sinks.cloudwatch.insights import Insights
from aggregator.sinks.cloudwatch.metric_config import CloudWatchMetricsConfig
from aggregator.sinks.cloudwatch.metric_frames import Frames
from aggregator.sinks.cloudwatch.metric_names import Chosen, said_name
from aggregator.sinks.cloudwatch.metric_state import PodState, state_of, text_of_state, without_unseen
from aggregator.sinks.cloudwatch.payload import Event

_NS_PER_MS = 1_000_000
_KEPT_LABELS = 20_000
_GOES_ON = (Join.SAME_RUN, Join.NEW_RUN)

TimedEvent = tuple[int, EmfEvent]


class Making:
    """Dropped, by reason: those of `advance` and of emf.py; `too_old`; `dimensions`, where a series has no set of them that CloudWatch takes; `series_cap`."""

    def __init__(self, config: CloudWatchMetricsConfig) -> None:
        self._chosen = Chosen(config.include, config.exclude)
        self._config = config
        self._labels_of = lru_cache(_KEPT_LABELS)(_labels_of)

    def make(self, route: str, opened: Opened, state: str | None, moment: Moment) -> Made:
        """Fragments of one route, and the state."""
        before = state_of(state)
        if before.book is not None and before.fingerprint != self._chosen.fingerprint:
            # Of what is newly chosen the book knows nothing, whatever it knows of the endpoint.
            before = before._replace(book=msgspec.structs.replace(before.book, seen={}, is_whole_run=False))
        families = tuple([family for family in opened.families if self._wants(family)])
        wanted = msgspec.structs.replace(opened, families=families)
        join = Join.UNKNOWN if before.book is None and moment.join in _GOES_ON else moment.join
        deltas, book = advance(before.book, wanted, join, hold=moment.too_old)
        if before.book is not None and before.fingerprint != self._chosen.fingerprint:
            deltas = without_unseen(deltas, families, before.book, join)
        dropped = deltas.skipped.copy()
        events = list(self._events(wanted, deltas, _seconds(opened, before, join), dropped))
        counted = opened.taken_unix_ns
        if moment.too_old:  # what was counted is held in the book, and counts from when it did
            dropped["too_old"] += sum([event.points for _, event in events])
            events, counted = [], before.counted_unix_ns or opened.taken_unix_ns
        text = text_of_state(self._chosen.fingerprint, counted, book)
        return Made([_fragment(route, *one) for one in events], text, +dropped)

    def _wants(self, family: SeriesFamily) -> bool:
        is_measured = family.source == "pod" and family.name in self._chosen.families
        return is_measured or self._chosen.name(said_name(family)) is not None

    def _events(self, opened: Opened, deltas: Deltas, seconds: float, dropped: Counter[str]) -> Iterator[TimedEvent]:
        time_ms, frames = max(opened.taken_unix_ns // _NS_PER_MS, 0), Frames(self._config, opened.pod)
        if self._chosen.insights:
            points, beside = self._of_insights(opened, deltas, seconds)
            for event in events_of(frames.of_insights(time_ms), points, beside, dropped):
                yield time_ms, event
        yield from self._of_labelled(frames, time_ms, self._of_app(opened, deltas, dropped), dropped)
        stamped: dict[int, list[Labelled]] = defaultdict(list)
        for second, one in self._stamped(opened):
            stamped[second].append(one)
        for second, labelled in stamped.items():
            yield from self._of_labelled(frames, second * 1000, labelled, dropped)

    def _of_insights(self, opened: Opened, deltas: Deltas, seconds: float) -> tuple[list[Point], dict[str, float]]:
        """Metrics, and what is only to be queried by."""
        families = list(zip(opened.families, deltas.rows, strict=True))
        values = Insights(families, self._labels_of, seconds).all()
        chosen = self._chosen.insights
        points = [Point(name, CONTAINER_INSIGHTS[name].unit, value) for name, value in values.items() if name in chosen]
        return points, {name: value for name, value in values.items() if name not in chosen}

    def _of_app(self, opened: Opened, deltas: Deltas, dropped: Counter[str]) -> Iterator[Labelled]:
        """Of what is beyond `max_series_per_pod` the book is kept all the same: once there is room, it did not begin just then."""
        room = self._config.max_series_per_pod
        for family, counts, spreads in zip(opened.families, deltas.rows, deltas.spreads, strict=True):
            name = self._chosen.name(said_name(family))
            if name is None:
                continue
            kept = _fitting(family, room)
            size = len(kept.spreads or kept.rows)
            dropped["series_cap"] += len(family.spreads or family.rows) - size
            room -= size
            points = points_of(name, kept, counts[:size], spreads[:size], self._labels_of)
            yield from map(self._of_all, points) if family.source == "logs" else points

    def _of_all(self, labelled: Labelled) -> Labelled:
        """What several aggregators counted is added up here: a dimension of each would only be billed."""
        labels, point = labelled
        return label_text({name: it for name, it in self._labels_of(labels).items() if name != AGGREGATOR}), point

    def _stamped(self, opened: Opened) -> Iterator[tuple[int, Labelled]]:
        """DogStatsD's values with times of their own."""
        write = LabelWriter(IDENTITY).write
        for said in opened.stamped:
            name = self._chosen.name(said.name)
            if name is not None:
                labels = write({label: value or TAG_WITHOUT_VALUE for label, value in said.labels.items()})
                unit = "Count" if said.type == "counter" else "None"
                yield max(said.unix_seconds, 0), (labels, Point(name, unit, said.value))

    def _of_labelled(
        self, frames: Frames, time_ms: int, labelled: Iterable[Labelled], dropped: Counter[str]
    ) -> Iterator[TimedEvent]:
        """One event for the points of a label set, or as few as hold them."""
        by_labels: dict[str, list[Point]] = defaultdict(list)
        for labels, point in labelled:
            by_labels[labels].append(point)
        for labels, points in by_labels.items():
            frame = frames.of_labels(self._labels_of(labels), time_ms)
            if frame is None:
                dropped["dimensions"] += len(points)
                continue
            for event in events_of(frame, points, {}, dropped):
                yield time_ms, event


def event_of(body: bytes) -> tuple[Event, int]:
    """A fragment's body: the log event, and how many points it counts for."""
    head, _, message = body.partition(b"\n")
    time_ms, _, points = head.partition(b" ")
    return Event(int(time_ms), message), int(points)


def _fitting(family: SeriesFamily, room: int) -> SeriesFamily:
    """A family's first series. A histogram is not cut through; of one with sketches, the rows are only another view of them."""
    if len(family.spreads or family.rows) <= room:
        return family
    if family.spreads:
        return msgspec.structs.replace(family, spreads=family.spreads[:room], rows=())
    return msgspec.structs.replace(family, rows=tuple(fitting(family.kind, family.rows, room)))


def _fragment(route: str, time_ms: int, event: EmfEvent) -> Fragment:
    return Fragment(route, b"%d %d\n%b" % (time_ms, event.points, event.message), event.points)


def _seconds(opened: Opened, before: PodState, join: Join) -> float:
    """What the deltas cover: since those that were sent last, else one interval."""
    since_last = (opened.taken_unix_ns - before.counted_unix_ns) / 1e9
    return since_last if join in _GOES_ON and before.counted_unix_ns and since_last > 0 else opened.interval_seconds


def _labels_of(text: str) -> Mapping[str, str]:
    return dict(pairs_of(text))
