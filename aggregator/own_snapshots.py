"""What this aggregator counted of lines, told to the destinations of metrics: as snapshots, through the same journal as the pods' own.

Room: aggregator, beside intake. Never enters: how totals come about, how they are written (core/counted.py), HTTP.

The journal knows which snapshot of a run was its last. Who has just started says one that it has, and is told.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import structlog

from aggregator.core.counted import Moment, first_sequence, goodbye_of, snapshot_of, speaker_of
from aggregator.core.log_series import Standing
from aggregator.core.records import Debt
from aggregator.custody import custody_of
from aggregator.journal import Custody
from aggregator.journal.words import DeadLetter, Settlement
from aggregator.metric_sink import MetricSink
from towline.plumbing.errors import RetryableError
from towline.plumbing.lifecycle import wait_until
from towline.wire.codec import encode_request
from towline.wire.identity import Pod
from towline.wire.snapshot import SnapshotRequest

_AT_A_TIME = 32  # snapshots that wait for one commit
_LEAVING_SECONDS = 10.0  # for the last lines to be counted, before what they came to is told
_LOOK_SECONDS = 0.05

log = structlog.get_logger()


class Counting(Protocol):
    """A sink of lines that counts them."""

    push_seconds: float
    aggregator: str

    def tell(self) -> None: ...
    def owners(self) -> Sequence[str]: ...
    def standing(self, identity: str) -> Standing | None: ...
    def told(self, standing: Standing) -> None: ...
    def unwritten(self) -> Mapping[str, str] | None: ...
    def written(self, memo: Mapping[str, str]) -> None: ...


class Ledger(Protocol):
    """What is needed of the journal."""

    def owing(self, sink: str) -> Mapping[str, Collection[str]]: ...

    async def snapshot(self, pod: Pod, run: str, sequence: int, custody: Custody = ...) -> tuple[int, bool]: ...

    async def settle(
        self,
        settlements: Sequence[Settlement],
        dead: Sequence[DeadLetter] = (),
        memo: Mapping[str, str] = ...,
        sink: str = "",
    ) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """Time and waits, replaced in tests."""

    wall_unix_ns: Callable[[], int] = time.time_ns
    monotonic: Callable[[], float] = time.monotonic
    wait: Callable[[asyncio.Event, float], Awaitable[bool]] = wait_until
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


class _Told(NamedTuple):
    """The last snapshot of an owner."""

    pod: Pod
    run: str
    sequence: int


@dataclass(slots=True)
class OwnSnapshots:
    """`counting` by name; `sinks`: who is to know. To be made before anything is counted or recalled."""

    journal: Ledger
    counting: Mapping[str, Counting]
    sinks: Mapping[str, MetricSink]
    clocks: Clocks = field(default_factory=Clocks)
    _last: dict[str, dict[str, _Told]] = field(default_factory=dict)  # by sink and owner

    def __post_init__(self) -> None:
        self.sinks = {name: sink for name, sink in self.sinks.items() if sink.terms.of_lines}
        self.counting = {name: one for name, one in self.counting.items() if one.push_seconds > 0 and self.sinks}
        for one in self.counting.values():
            one.tell()

    async def run(self, stop: asyncio.Event, said: asyncio.Event) -> None:
        """Tell until `stop`, and once more of the last lines; then `said` is set: who delivers to `sinks` must go on until then."""
        async with asyncio.TaskGroup() as group:
            for name in self.counting:
                group.create_task(self._keep_telling(name, stop))
        await stop.wait()
        said.set()

    async def tell(self, name: str) -> None:
        """Tell of all that one sink has counted. What the journal has no room for is told the next time."""
        one = self.counting[name]
        try:
            owners = dict.fromkeys(one.owners())
            # First it is certain that those who are no more will not go on after a crash: their last word lets sinks forget them.
            is_written, last = await self._write(name, one), self._last.setdefault(name, {})
            ended = [identity for identity in last if is_written and identity not in owners]
            await _each(ended, lambda identity: self._end(name, one, identity))
            await _each(list(owners), lambda identity: self._tell_of(name, one, identity))
        except* RetryableError as errors:
            log.warning("totals_not_told", sink=name, error=str(errors.exceptions[0]))

    async def _keep_telling(self, name: str, stop: asyncio.Event) -> None:
        while not await self.clocks.wait(stop, self.counting[name].push_seconds):
            await self.tell(name)
        ends = self.clocks.monotonic() + _LEAVING_SECONDS
        while self.journal.owing(name) and self.clocks.monotonic() < ends:
            await self.clocks.sleep(_LOOK_SECONDS)
        await self.clocks.sleep(_LOOK_SECONDS)  # the sink hears of what is settled just after the journal
        await self.tell(name)

    async def _write(self, name: str, one: Counting) -> bool:
        """Have the journal know whose totals ended. False where that has to wait for lines that are being counted."""
        memo = one.unwritten()
        if memo:
            await self.journal.settle((), (), memo, name)
            one.written(memo)
        return memo is not None

    async def _tell_of(self, name: str, one: Counting, identity: str) -> None:
        standing = one.standing(identity)
        if standing is None:
            return
        pod, run = speaker_of(name, standing), standing.life.run
        known = self._last[name].get(identity)
        sequence = known.sequence + 1 if known is not None and known.run == run else first_sequence(standing)
        newest, is_new = await self._snapshot(one, pod, standing, sequence)
        if not is_new:
            newest, _ = await self._snapshot(one, pod, standing, newest + 1)
        self._last[name][identity] = _Told(pod, run, newest)
        one.told(standing)

    async def _end(self, name: str, one: Counting, identity: str) -> None:
        pod, run, sequence = self._last[name][identity]
        moment = Moment(sequence + 1, self.clocks.wall_unix_ns(), one.push_seconds)
        await self.journal.snapshot(pod, run, sequence + 1, _custody(goodbye_of(pod, run, moment), self._owed(pod)))
        del self._last[name][identity]

    async def _snapshot(self, one: Counting, pod: Pod, standing: Standing, sequence: int) -> tuple[int, bool]:
        moment, owed = Moment(sequence, self.clocks.wall_unix_ns(), one.push_seconds), self._owed(pod)
        custody = await asyncio.to_thread(lambda: _custody(snapshot_of(pod, standing, one.aggregator, moment), owed))
        return await self.journal.snapshot(pod, standing.life.run, sequence, custody)

    def _owed(self, pod: Pod) -> list[Debt]:
        return [Debt(name, sink.lane(pod)) for name, sink in self.sinks.items()]


def _custody(said: SnapshotRequest, owed: Sequence[Debt]) -> Custody:
    return custody_of(said, encode_request(said), owed)


async def _each(identities: Sequence[str], work: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    for start in range(0, len(identities), _AT_A_TIME):
        async with asyncio.TaskGroup() as group:
            for identity in identities[start : start + _AT_A_TIME]:
                group.create_task(work(identity))
