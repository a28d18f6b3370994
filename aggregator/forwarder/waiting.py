"""How a lane waits: back-off, held lanes, what is said of it; and settlements that go again until the journal takes them.

Room: aggregator, forwarder. Never enters: what a lane sends.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from aggregator.core.bisect import PartT, Refused
from aggregator.forwarder.desk import Desk
from aggregator.forwarder.state import LaneState
from aggregator.journal.words import DeadLetter, Settlement
from towline.plumbing.errors import RetryableError, UnauthorizedError

_SETTLE_AGAIN_SECONDS = 0.2

log = structlog.get_logger()


class RefusesEverythingError(RetryableError):
    """Nothing of a batch was accepted, down to what it is made of: the destination, or something before it, is broken."""


def refuses_everything(suspects: Sequence[Refused[PartT]], what: str) -> RefusesEverythingError:
    """The error for `suspects`, each of which is one of `what`."""
    reasons = ", ".join(sorted({refused.reason for refused in suspects}))
    return RefusesEverythingError(
        f"refuses everything: {len(suspects)} {what} one by one, none accepted ({reasons}). Look at what stands between here and it"
    )


class Waiting:
    """One lane's waits. `let_go` is called before a long one: the lane holds no bytes meanwhile."""

    def __init__(self, desk: Desk[Any], state: LaneState, let_go: Callable[[], None]) -> None:
        self._desk = desk
        self._state = state
        self._let_go = let_go

    async def is_released(self, *, keeps: bool = False) -> bool:
        """True; a lane that is held first waits until the sink's health check passes. `keeps`: with what it holds."""
        while self._state.state == "held":
            try:
                await self._desk.health.check()
            except Exception as error:  # noqa: BLE001 - whatever a health check says, a held lane stays held
                await self.out(error, held=True, keeps=keeps)
            else:
                self._state.state = "waiting"
        return True

    async def out(self, error: Exception, *, held: bool = False, keeps: bool = False) -> bool:
        """Wait before the same bytes go again. False where the wait was long, and what was held is let go. `keeps`: it never is."""
        held = held or isinstance(error, UnauthorizedError)
        self._say(error, held=held)
        self._state.fail(error, held=held)
        self._desk.state.failures[self._state.reason] += 1
        timing = self._desk.timing
        asked = getattr(error, "retry_after_seconds", 0.0)
        delay = timing.policy.delay_seconds(self._state.attempts, timing.jitter(), asked)
        stays = keeps or (not held and delay <= timing.patience_seconds)
        if not stays:
            self._let_go()
        await timing.pause(self._desk.stop, delay)
        return stays

    async def write(
        self, settlements: Sequence[Settlement], dead: Sequence[DeadLetter], memo: Mapping[str, str]
    ) -> None:
        """Settle in the journal, as often as it takes: a full disk gets room again. Raises JournalDownError."""
        while True:
            try:
                await self._desk.journal.settle(settlements, dead, memo, self._desk.name)
            except RetryableError as error:
                if self.may_say("settling_delayed"):
                    log.warning("settling_delayed", sink=self._desk.name, lane=self._state.lane, error=str(error))
                await self._desk.timing.pause(self._desk.stop, max(error.retry_after_seconds, _SETTLE_AGAIN_SECONDS))
            else:
                return

    def succeed(self) -> None:
        """Note that the destination took something; said where it ends an outage."""
        if self._state.succeed(self._desk.timing.now_unix()) and self.may_say("delivery_resumed"):
            log.info("delivery_resumed", sink=self._desk.name, lane=self._state.lane)

    def may_say(self, event: str) -> bool:
        """True where `event` was not logged lately for this sink."""
        return self._desk.state.may_say(event, self._desk.timing.clock())

    def _say(self, error: Exception, *, held: bool) -> None:
        """Log why the lane waits: once per outage, and again and again where a human is needed."""
        facts = {"sink": self._desk.name, "lane": self._state.lane, "error": str(error)}
        if held:
            if self._state.state != "held" and self.may_say("lane_held"):
                log.error("lane_held", **facts)
        elif isinstance(error, RefusesEverythingError):
            if self.may_say("everything_refused"):
                log.error("everything_refused", **facts)
        elif not self._state.attempts and self.may_say("delivery_delayed"):
            log.warning("delivery_delayed", **facts)
