"""All sinks: lanes come up as the journal owes them, and end when nothing is owed.

Room: aggregator, forwarder. Never enters: what a batch holds.
"""

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import structlog

from aggregator.core.plan import Plan
from aggregator.forwarder.desk import Departure, Desk, Ledger, SinkT, Timing
from aggregator.forwarder.health import Health
from aggregator.forwarder.lane import Lane
from aggregator.forwarder.opener import Opener
from aggregator.forwarder.points_work import NO_METRICS, Metrics, PointsWork
from aggregator.forwarder.room import Room
from aggregator.forwarder.state import LaneState, SinkState, reason_of
from aggregator.sink import Sink
from towline.plumbing.errors import ConfigError, TowlineError
from towline.wire.identity import Origin, Pod

_HELD_BYTES = 32 << 20  # of owed bytes in memory, all sinks together
_LEAST_HELD_BYTES = 8 << 20  # of one sink
_CACHE_BYTES = 16 << 20
_EMPTY_SECONDS = 0.05
_DEPARTURE_SECONDS = 30.0  # for what is being sent to be answered for, before another configuration begins
_KEPT_LANES = 1000  # idle lanes that /status remembers, of each sink

log = structlog.get_logger()


class Plans(Protocol):
    """What routes ask for."""

    def of(self, sink: str, pod: Pod, origin: Origin) -> Plan | None:
        """For the lines of one stream on their way to one sink. None: nothing. Asked for each block, so it remembers."""


class _NoPlans:
    def of(self, _sink: str, _pod: Pod, _origin: Origin) -> None:
        return None


NO_PLANS = _NoPlans()


class Runs(Protocol):
    """One lane at work."""

    async def run(self) -> bool:
        """Return when there is nothing to do: whether there was anything at all."""


class Work(Protocol):
    """What one sink has to do, and in which lanes."""

    @property
    def tick_seconds(self) -> float | None:
        """Look for lanes this often, beside when the journal says so."""

    def lanes(self) -> Collection[str]:
        """Those with something to do now."""

    def lane(self, state: LaneState) -> Runs: ...

    async def recall(self, memo: Mapping[str, str]) -> None:
        """Take back what the sink's receipts wrote, before the first send."""


class _Lines:
    """A sink of lines."""

    tick_seconds = None

    def __init__(self, desk: Desk[Sink]) -> None:
        self._desk = desk
        self.recall = desk.sink.recall

    def lanes(self) -> Collection[str]:
        return self._desk.journal.owing(self._desk.name).keys()

    def lane(self, state: LaneState) -> Lane:
        return Lane(self._desk, state)


class Forwarder:
    """Delivers to every push sink, each by itself: one that is down delays no other."""

    def __init__(
        self,
        journal: Ledger,
        sinks: Mapping[str, Sink],
        timing: Timing | None = None,
        metrics: Metrics = NO_METRICS,
        plans: Plans = NO_PLANS,
    ) -> None:
        self._stop, self._departure = asyncio.Event(), Departure()
        # With one sink nobody would ask a second time for what was opened.
        self._opener = Opener(_CACHE_BYTES if len(sinks) > 1 else 0)
        self._journal, self._timing = journal, timing or Timing()
        self._held_bytes = max(_LEAST_HELD_BYTES, _HELD_BYTES // max(1, len(sinks) + len(metrics.sinks)))
        self._sinks: dict[str, _SinkForwarder] = {}
        for name, sink in sinks.items():
            desk = replace(self._desk(name, sink), plan_of=partial(plans.of, name))
            self._sinks[name] = _SinkForwarder(desk, _Lines(desk))
        for name, metric_sink in metrics.sinks.items():
            points = self._desk(name, metric_sink)
            self._sinks[name] = _SinkForwarder(points, PointsWork(points, metrics.open))

    def _desk(self, name: str, sink: SinkT) -> Desk[SinkT]:
        timing = self._timing
        return Desk(
            name=name,
            sink=sink,
            journal=self._journal,
            opener=self._opener,
            room=Room(self._held_bytes),
            health=Health(sink, timing.send_timeout_seconds, timing.clock),
            timing=timing,
            stop=self._stop,
            departure=self._departure,
            started=(timing.clock(), timing.now_unix()),
        )

    @property
    def states(self) -> Mapping[str, SinkState]:
        """What each sink has done, and its lanes."""
        return {name: sink.state for name, sink in self._sinks.items()}

    def succeed(self, states: Mapping[str, SinkState]) -> None:
        """Before `run`: go on counting for sinks of an earlier configuration. The service runs: no sink's ConfigError stops a start any more."""
        for name, sink in self._sinks.items():
            sink.state.succeed(states.get(name))

    async def run(self, stop: asyncio.Event, leave: asyncio.Event | None = None) -> None:
        """Deliver; after `stop` return when nothing is owed any more, after `leave` when what is being sent is answered for.

        A cancel leaves what is owed in the journal.
        """
        leave = leave or asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                running = [group.create_task(sink.run()) for sink in self._sinks.values()]
                waits = [group.create_task(one.wait()) for one in (stop, leave)]
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
                drained = group.create_task(self._drained(running, leave))
                await asyncio.wait([drained, waits[1]], return_when=asyncio.FIRST_COMPLETED)
                if leave.is_set():
                    await self._departure.wait(_DEPARTURE_SECONDS)
                for task in (*running, *waits, drained):
                    task.cancel()
        finally:
            self._opener.close()

    async def _drained(self, running: Sequence[asyncio.Task[None]], leave: asyncio.Event) -> None:
        """Have every sink finish, unless we only leave: what waits for its rest goes on waiting then, in the journal."""
        if leave.is_set():
            return
        self._stop.set()
        for sink in self._sinks.values():
            sink.wake()
        if running:
            await asyncio.wait(running)


class _SinkForwarder:
    """One sink: starts a lane for everything it owes."""

    def __init__(self, desk: Desk[Any], work: Work) -> None:
        self._desk = desk
        self._work = work
        self._woken = asyncio.Event()
        self._running: set[str] = set()
        self.wake = self._woken.set
        self.state = desk.state

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            health = group.create_task(self._check_health())
            self._desk.journal.subscribe(self._desk.name, self.wake)
            await self._recall()
            while not self._is_done():
                self._start_lanes(group)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._work.tick_seconds):
                        await self._woken.wait()
                self._woken.clear()
            health.cancel()

    def _is_done(self) -> bool:
        return self._desk.stop.is_set() and not self._running and not self._work.lanes()

    def _start_lanes(self, group: asyncio.TaskGroup) -> None:
        for name in list(self._work.lanes()):
            if name not in self._running:
                self._running.add(name)
                group.create_task(self._run_lane(name))

    async def _run_lane(self, name: str) -> None:
        timing = self._desk.timing
        try:
            if not await self._work.lane(self._lane_state(name)).run():
                # What is said to be owed was not there: looking again at once would be a busy loop.
                await timing.pause(self._desk.stop, _EMPTY_SECONDS)
        finally:
            self._running.discard(name)
            self.wake()  # something may have come to be owed since the lane looked

    def _lane_state(self, name: str) -> LaneState:
        """The state of a lane, the newest at the end; of idle ones only the last are remembered."""
        lanes = self.state.lanes
        lanes[name] = lanes.pop(name, LaneState(name))
        for old in list(lanes)[:-_KEPT_LANES]:
            if old not in self._running:
                del lanes[old]
        return lanes[name]

    async def _recall(self) -> None:
        """Give the sink what its receipts wrote, before its first send; as often as it takes."""
        timing, attempt = self._desk.timing, 0
        while not self.state.ready:
            try:
                await self._work.recall(await self._desk.journal.memo(self._desk.name))
            except (TowlineError, OSError) as error:
                if isinstance(error, ConfigError) and self.state.may_stop_the_start:
                    raise
                attempt += 1
                self.state.failures[reason_of(error)] += 1
                log.error("sink_not_recalled", sink=self._desk.name, attempt=attempt, error=str(error))  # noqa: TRY400 - a known state, not a fault
                await timing.pause(self._desk.stop, timing.policy.delay_seconds(attempt, timing.jitter()))
            else:
                self.state.ready = True

    async def _check_health(self) -> None:
        """Say early what is wrong with address or credentials; deliveries begin meanwhile. Raises ConfigError, which stops the start."""
        try:
            await self._desk.health.check()
        except Exception as error:  # the sends will meet the same and wait it out
            if isinstance(error, ConfigError) and self.state.may_stop_the_start:
                raise
            self.state.failures[reason_of(error)] += 1
            log.warning("sink_unwell_at_start", sink=self._desk.name, error=str(error))
