"""The aggregator's own metrics: counted at the door, read from journal and forwarder when somebody scrapes.

Room: aggregator. Never enters: paths, ids or error texts as labels.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, Counter, disable_created_metrics
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from aggregator.forwarder.state import SinkState
from aggregator.journal.words import Counters, JournalStatus
from towline.plumbing.reloading import ReloadState
from towline.wire.block import Frame, FrameAnswer

_Values = Mapping[Any, float]  # by label values: a tuple of as many strings as there are labels

PREFIX = "aggregator_"  # reserved on the page that shows pods' metrics too (core/exposition.py)


# What routes do to lines, by the kind of the count: the metric, what it says, its labels beside the sink.
_STEPS: Mapping[str, tuple[str, str, Sequence[str]]] = {
    "dropped": ("dropped_records_total", "Events that a rule of a route dropped, by rule.", ["rule"]),
    "unparsed": (
        "unparsed_records_total",
        "Events that a parser could not read: they went on as they came.",
        ["parser"],
    ),
    "time_unparsed": ("time_unparsed_records_total", "Events whose own time could not be read.", ["parser"]),
    "cut": (
        "cut_records_total",
        "Events that were cut, by what cut them (how lines are joined, or a rule) and why.",
        ["rule", "reason"],
    ),
}


class JournalFacts(Protocol):
    """What is read from the journal at a scrape."""

    @property
    def counters(self) -> Counters: ...

    def status(self) -> JournalStatus: ...


class IntakeMetrics:
    """What is counted per request: never per line."""

    def __init__(self, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
        self.requests = Counter(
            PREFIX + "requests_total", "Requests answered, by route and status.", ["route", "status"], registry=registry
        )
        self._frames = Counter(
            PREFIX + "frames_total",
            "Frames answered, by the code that the collector was told.",
            ["code"],
            registry=registry,
        )
        self._body_bytes = Counter(
            PREFIX + "received_body_bytes_total", "Bytes of block bodies received, as they travel.", registry=registry
        )

    def note(self, frames: Sequence[Frame], answers: Sequence[FrameAnswer]) -> None:
        """Count the frames of one request by what was answered."""
        for code, number in Tally(answer.code for answer in answers).items():
            self._frames.labels(str(int(code))).inc(number)
        self._body_bytes.inc(sum(len(frame.body) for frame in frames))


class ServiceMetrics:
    """Reads journal and forwarder at each scrape: nothing of it is counted twice."""

    def __init__(
        self, journal: JournalFacts, sinks: Callable[[], Mapping[str, SinkState]], now_unix: Callable[[], float]
    ) -> None:
        self._journal = journal
        self._sinks = sinks
        self._now_unix = now_unix

    def describe(self) -> list[Metric]:
        """Nothing: names are known only with values, and reading them at registration would be too early."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families, as prometheus-client wants them."""
        yield from self._of_journal()
        yield from _of_counters(self._journal.counters)
        yield from _of_sinks(self._sinks())

    def _of_journal(self) -> Iterator[Metric]:
        status = self._journal.status()
        yield _gauge("journal_used_bytes", "What the journal occupies.", {(): status.used_bytes})
        yield _gauge("journal_max_bytes", "What the journal may occupy.", {(): status.max_bytes})
        closed = {(name,): float(status.closed_by == name) for name in (*status.sinks, "disk")}
        yield _gauge("journal_intake_closed", "1 where this sink, or the disk, has closed the intake.", closed, ["by"])
        sinks = status.sinks.items()
        owed = {(name,): sink.owed_bytes for name, sink in sinks}
        yield _gauge("owed_bytes", "Bytes of the journal that a sink still owes.", owed, ["sink"])
        blocks = {(name,): sink.owed_blocks for name, sink in sinks}
        yield _gauge("owed_blocks", "Blocks that a sink still owes.", blocks, ["sink"])
        shares = {(name,): sink.share_bytes for name, sink in sinks}
        yield _gauge("share_bytes", "A sink's share of the journal.", shares, ["sink"])
        ages = {(name,): age_seconds(sink.oldest_owed_unix_ns, self._now_unix()) for name, sink in sinks}
        yield _gauge("oldest_owed_seconds", "Age of the oldest block that a sink owes.", ages, ["sink"])


def age_seconds(unix_ns: int | None, now_unix: float) -> float:
    """Seconds since `unix_ns`, never negative; 0 where there is none."""
    return 0.0 if unix_ns is None else max(0.0, now_unix - unix_ns / 1e9)


def _of_counters(counters: Counters) -> Iterator[Metric]:
    values = asdict(counters)
    gaps: Mapping[str, int] = values.pop("gaps")
    for name, value in values.items():
        said = name.replace("_", " ")
        yield _counter(f"journal_{name}_total", f"Journal: {said}, since this process started.", {(): value})
    by_reason = {(reason,): value for reason, value in gaps.items()}
    yield _counter(
        "journal_gap_bytes_total", "Bytes known not to be in the journal or not to reach a sink.", by_reason, ["reason"]
    )


def _of_sinks(sinks: Mapping[str, SinkState]) -> Iterator[Metric]:
    totals: dict[str, tuple[str, Callable[[SinkState], int]]] = {
        "delivered_records_total": ("Lines that a sink has accepted.", lambda state: state.delivered_lines),
        "delivered_bytes_total": ("Bytes of lines that a sink has accepted.", lambda state: state.delivered_bytes),
        "sent_batches_total": ("Batches that a sink has answered for.", lambda state: state.sent_batches),
        "truncated_records_total": (
            "Lines delivered, but cut to what the destination takes.",
            lambda state: state.truncated_lines,
        ),
        "dead_letter_records_total": ("Lines kept as dead letters.", lambda state: state.dead_letters),
    }
    for name, (said, value_of) in totals.items():
        yield _counter(name, said, {(sink,): value_of(state) for sink, state in sinks.items()}, ["sink"])
    refused = {(sink, reason): n for sink, state in sinks.items() for reason, n in state.refused.items()}
    yield _counter("refused_records_total", "Lines that a sink refused for good.", refused, ["sink", "reason"])
    failures = {(sink, error): n for sink, state in sinks.items() for error, n in state.failures.items()}
    yield _counter("send_failures_total", "Sends that failed and go again.", failures, ["sink", "error"])
    for kind, (name, said, labels) in _STEPS.items():
        counts = {
            (sink, count.by, count.reason)[: 1 + len(labels)]: events
            for sink, state in sinks.items()
            for count, events in list(state.tally.items())
            if count.kind == kind
        }
        yield _counter(name, said, counts, ["sink", *labels])
    lanes = {
        (sink, kind): float(sum(lane.state == kind for lane in state.lanes.values()))
        for sink, state in sinks.items()
        for kind in ("sending", "waiting", "held")
    }
    yield _gauge("lanes", "Lanes of a sink that are at work, by state.", lanes, ["sink", "state"])


def _gauge(name: str, said: str, values: _Values, labels: Sequence[str] = ()) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, said, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family


def _counter(name: str, said: str, values: _Values, labels: Sequence[str] = ()) -> Metric:
    family = CounterMetricFamily(PREFIX + name, said, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family


class ConfigurationMetrics:
    """What became of configurations that changed."""

    def __init__(self, state: Callable[[], ReloadState]) -> None:
        self._state = state

    def describe(self) -> list[Metric]:
        """Nothing before it is read."""
        return []

    def collect(self) -> Iterator[Metric]:
        state = self._state()
        yield _gauge(
            "configuration_generation", "How many configurations this process has run with.", {(): state.generation}
        )
        yield _counter(
            "configuration_refused", "Configurations that were not taken: the one before goes on.", {(): state.refused}
        )
        yield _gauge(
            "configuration_current",
            "1 while the newest configuration is the one that runs; 0 where it was refused.",
            {(): float(not state.error)},
        )
