"""What the lanes of one sink share.

Room: aggregator, forwarder. Never enters: logic.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from aggregator.forwarder.gather import OwedBlocks
from aggregator.forwarder.health import Checked, Health
from aggregator.forwarder.opener import Opener
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
    pause: Callable[[asyncio.Event, float], Awaitable[None]] = pause
    jitter: Callable[[], float] = random.random
    clock: Callable[[], float] = time.monotonic
    now_unix: Callable[[], float] = time.time


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
    state: SinkState = field(default_factory=SinkState)
