"""What the lanes of one sink share.

Room: aggregator, forwarder. Never enters: logic.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from aggregator.core.records import Slice
from aggregator.forwarder.gather import OwedBlocks
from aggregator.forwarder.health import Checked, Health
from aggregator.forwarder.opener import Opener
from aggregator.forwarder.processing import PlanOf, TimedOut
from aggregator.forwarder.room import Room
from aggregator.forwarder.state import SinkState
from aggregator.journal.words import DeadLetter, Settlement
from towline.plumbing.lifecycle import wait_until
from towline.plumbing.retry import RetryPolicy

SinkT = TypeVar("SinkT", bound=Checked)


class Ledger(OwedBlocks, Protocol):
    """What the forwarder needs of the journal."""

    def subscribe(self, sink: str, wake: Callable[[], None]) -> None: ...

    async def settle(
        self,
        settlements: Sequence[Settlement],
        dead: Sequence[DeadLetter] = (),
        memo: Mapping[str, str] = ...,
        sink: str = "",
    ) -> None: ...

    async def memo(self, sink: str) -> dict[str, str]: ...


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait. `stop` cuts a wait short that began before it; whoever still waits after it does so in full."""
    if stop.is_set():
        await asyncio.sleep(seconds)
    else:
        await wait_until(stop, seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Clocks and waits, replaced in tests."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    send_timeout_seconds: float = 60.0  # a backstop: sinks have shorter time-outs of their own
    patience_seconds: float = 1.0  # a lane that waits longer than this holds no bytes meanwhile
    reunion_seconds: float = (
        15.0  # after a start: collectors may wait 10 s before they come back with the rest of an event
    )
    pause: Callable[[asyncio.Event, float], Awaitable[None]] = pause
    jitter: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    now_unix: Callable[[], float] = time.time


class Departure:
    """Lets lanes finish what they have begun to send, before they are ended: what was taken and is not settled would be sent twice."""

    def __init__(self) -> None:
        self._is_near = False
        self._at_work: set[object] = set()
        self._all_done = asyncio.Event()

    async def begin(self, lane: object) -> None:
        """Before something is sent. With a departure near, whoever is not at work waits here for its end."""
        if self._is_near and lane not in self._at_work:
            await asyncio.Event().wait()
        self._at_work.add(lane)

    def end(self, lane: object) -> None:
        """What was sent is settled, or was not taken."""
        self._at_work.discard(lane)
        if not self._at_work:
            self._all_done.set()

    async def wait(self, seconds: float) -> None:
        """Return when nobody is at work, after `seconds` in any case."""
        self._is_near = True
        self._all_done.clear()
        if self._at_work:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._all_done.wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk(Generic[SinkT]):
    """One sink, and all that its lanes need to serve it."""

    name: str
    sink: SinkT
    journal: Ledger
    opener: Opener
    room: Room
    health: Health
    timing: Timing
    stop: asyncio.Event
    departure: Departure = field(default_factory=Departure)
    state: SinkState = field(default_factory=SinkState)
    timed_out: TimedOut = field(default_factory=TimedOut)
    started: tuple[float, float] = (0.0, 0.0)  # by the clock, and by the wall
    plan_of: PlanOf = lambda _pod, _origin: None  # what routes ask for; None: lines go as they came

    def not_before(self, piece: Slice) -> float:
        """When the open event `piece` may be closed at the soonest: what an earlier life of the process took may go on once its collector is back."""
        started, started_unix = self.started
        is_older = piece.read_unix_ns < started_unix * 1e9
        return started + self.timing.reunion_seconds if is_older and not self.stop.is_set() else started
