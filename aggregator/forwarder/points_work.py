"""What a sink of metrics has to do: lanes of snapshots that are owed, and one for the ends of pods that fell silent.

Room: aggregator, forwarder. Never enters: what a batch holds.
"""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from aggregator.core.opening import OpenLimits
from aggregator.forwarder.desk import Desk
from aggregator.forwarder.pods import Pods
from aggregator.forwarder.points import PointsLane
from aggregator.forwarder.points_gather import EndsGatherer, PointsGatherer
from aggregator.forwarder.points_make import Maker, OpenSnapshot
from aggregator.forwarder.points_open import Openers
from aggregator.forwarder.state import LaneState
from aggregator.metric_sink import MetricSink

ENDS = "(ends)"  # no sink's own lane: ends are no part of what is owed
_TICK_SECONDS = 5.0


class Metrics(NamedTuple):
    """The sinks of metrics by their names in the journal, and how a snapshot is opened for them (core/opening.py)."""

    sinks: Mapping[str, MetricSink]
    open: OpenSnapshot


NO_METRICS = Metrics({}, Openers(OpenLimits()).open)


class PointsWork:
    """One sink of metrics, as the forwarder drives it."""

    tick_seconds = _TICK_SECONDS

    def __init__(self, desk: Desk[MetricSink], open_snapshot: OpenSnapshot) -> None:
        self._desk = desk
        self._pods = Pods(desk.sink.silent_seconds)
        self._maker = Maker(desk.name, desk.sink, open_snapshot)
        self._ends = EndsGatherer(desk, self._pods, self._maker)

    def lanes(self) -> Collection[str]:
        """Lanes that owe something, and the one for ends."""
        owing = self._desk.journal.owing(self._desk.name)
        ends = not self._desk.stop.is_set() and bool(self._ends.due())
        return [*owing, ENDS] if ends else list(owing)

    def lane(self, state: LaneState) -> PointsLane:
        """A lane of this name at work."""
        if state.lane == ENDS:
            return PointsLane(self._desk, state, self._ends)
        return PointsLane(self._desk, state, PointsGatherer(self._desk, state.lane, self._pods, self._maker))

    async def recall(self, memo: Mapping[str, str]) -> None:
        """Know the pods that were settled before."""
        self._pods.recall(memo, self._desk.timing.clock())
