"""One lane of one sink: gather, encode, send, settle; one batch in flight, no linger.

Room: aggregator, forwarder. Never enters: vendors, rows of the journal.

What gathered while a batch was under way is the next batch. A destination's failure is never a reason to drop: what was
not settled stays owed. A lane that waits long lets go of what it holds and reads it again.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from aggregator.core.bisect import Bisection
from aggregator.core.records import Batch, Debt
from aggregator.forwarder.desk import Desk
from aggregator.forwarder.gather import Gatherer
from aggregator.forwarder.settling import dead_letters_of, settlements_of
from aggregator.forwarder.state import LaneState, place_of, reason_of
from aggregator.journal.words import DeadLetter, Settlement
from aggregator.sink import Receipt, Refusal
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, TowlineError, UnauthorizedError
from towline.plumbing.kill_points import kill_point

_SETTLE_AGAIN_SECONDS = 0.2

log = structlog.get_logger()


class UnencodableError(RejectedError):
    """The sink's own encoding failed: a fault of ours, which must not stop the lines around it."""


class Lane:
    """Delivers what one lane owes."""

    def __init__(self, desk: Desk, name: str, state: LaneState) -> None:
        self._desk = desk
        self._debt = Debt(desk.name, name)
        self._state = state
        self._gather = Gatherer(desk.journal, desk.sink, (desk.name, name), (desk.opener, desk.room))
        self._encoded: tuple[Batch, Any] | None = None

    async def run(self) -> bool:
        """Return when nothing is owed: whether there was anything at all."""
        worked = False
        try:
            while await self._is_released():
                try:
                    batch = await self._gather.batch()
                except RetryableError as error:  # the journal cannot be read at this moment
                    await self._wait(error)
                    continue
                if self._gather.spent:
                    await self._settle_spent()
                elif batch is None:
                    break
                worked = True
                if batch is not None:
                    self._state.state = "sending"
                    await self._deliver(batch)
        finally:
            self._gather.let_go()
            self._state.state = "idle"
        return worked

    async def _deliver(self, batch: Batch) -> None:
        """Return when `batch` is out of custody, or let go of because the wait is long."""
        work = Bisection(batch)
        while (part := work.part) is not None:
            try:
                receipt = await self._send(part)
            except (TooLargeError, RejectedError) as error:
                self._desk.state.failures[reason_of(error)] += 1
                if work.split():
                    continue
                receipt = Receipt([Refusal(0, reason_of(error))])
            except (TowlineError, TimeoutError) as error:
                if await self._wait(error):
                    continue
                return
            await self._settle(part, receipt)
            work.done()

    async def _send(self, part: Batch) -> Receipt:
        """Send once. Raises what the sink raises; what it should never raise becomes a RetryableError."""
        payload = await self._encode(part)
        try:
            async with asyncio.timeout(self._desk.timing.send_timeout_seconds):
                receipt = await self._desk.sink.send(part, payload)
        except (TowlineError, TimeoutError):
            raise
        except Exception as error:
            # Only the place: an exception's own text may quote the line.
            log.error("sink_failed_unexpectedly", sink=self._desk.name, error=place_of(error))  # noqa: TRY400
            raise RetryableError(f"unexpected {place_of(error)}") from error
        kill_point("forwarder.after_2xx")
        return receipt

    async def _encode(self, part: Batch) -> Any:
        """The payload of `part`, made once for all its attempts."""
        if self._encoded is None or self._encoded[0] is not part:
            size_bytes = sum(piece.size_bytes for piece in part.slices)
            try:
                payload = await self._desk.opener.compute(size_bytes, lambda: self._desk.sink.encode(part))
            except TowlineError:
                raise
            except Exception as error:
                log.error("batch_not_encoded", sink=self._desk.name, records=len(part), error=place_of(error))  # noqa: TRY400 - as in _send
                raise UnencodableError(place_of(error)) from error
            self._encoded = (part, payload)
        return self._encoded[1]

    async def _settle(self, part: Batch, receipt: Receipt) -> None:
        """Write down that the destination has answered for `part`."""
        self._encoded = None
        settlements = settlements_of(part, self._debt, self._gather.is_last_of)
        dead = dead_letters_of(part, receipt.refusals, self._desk.name)
        kill_point("forwarder.before_settle")
        await self._write(settlements, dead, receipt.memo)
        for settlement in settlements:
            if settlement.done:
                self._gather.settled(settlement.block_id)
        self._count(part, receipt, dead)

    async def _write(self, settlements: list[Settlement], dead: list[DeadLetter], memo: Mapping[str, str]) -> None:
        """Settle in the journal, as often as it takes: a full disk gets room again. Raises JournalDownError."""
        while True:
            try:
                await self._desk.journal.settle(settlements, dead, memo, self._desk.name)
            except RetryableError as error:
                if self._may_say("settling_delayed"):
                    log.warning("settling_delayed", sink=self._desk.name, lane=self._debt.lane, error=str(error))
                await self._desk.timing.pause(self._desk.stop, max(error.retry_after_seconds, _SETTLE_AGAIN_SECONDS))
            else:
                return

    def _count(self, part: Batch, receipt: Receipt, dead: list[DeadLetter]) -> None:
        tally = self._desk.state
        tally.sent_batches += 1
        tally.delivered_lines += len(part) - len(receipt.refusals)
        tally.delivered_bytes += sum(piece.size_bytes for piece in part.slices) - sum(len(it.line) for it in dead)
        tally.dead_letters += len(dead)
        tally.refused.update(refusal.reason for refusal in receipt.refusals)
        if receipt.refusals and self._may_say("records_refused"):
            log.error(
                "records_refused", sink=self._desk.name, reasons=dict(tally.refused), dead_letters=tally.dead_letters
            )
        if self._state.succeed(self._desk.timing.now_unix()) and self._may_say("delivery_resumed"):
            log.info("delivery_resumed", sink=self._desk.name, lane=self._debt.lane)

    def _may_say(self, event: str) -> bool:
        return self._desk.state.may_say(event, self._desk.timing.clock())

    async def _settle_spent(self) -> None:
        """Settle blocks that hold no line to send: nothing was left of them, or they cannot be opened."""
        spent, self._gather.spent = self._gather.spent, []
        damaged = [(block, reason) for block, reason in spent if reason]
        dead = [
            DeadLetter(block.block_id, self._desk.name, block.place, block.end, reason, b"")
            for block, reason in damaged
        ]
        settlements = [Settlement(block.block_id, self._debt, block.end, done=True) for block, _ in spent]
        await self._write(settlements, dead, {})
        for block, reason in damaged:
            self._desk.state.refused[reason] += 1
            self._desk.state.dead_letters += 1
            log.error("block_not_opened", sink=self._desk.name, size_bytes=block.end - block.place, reason=reason)
        for block, _ in spent:
            self._gather.settled(block.block_id)

    async def _is_released(self) -> bool:
        """True; a lane that is held first waits until the sink's health check passes."""
        while self._state.state == "held":
            try:
                await self._desk.health.check()
            except Exception as error:  # noqa: BLE001 - whatever a health check says, a held lane stays held
                await self._wait(error, held=True)
            else:
                self._state.state = "waiting"
        return True

    async def _wait(self, error: Exception, *, held: bool = False) -> bool:
        """Wait before the same bytes go again. False where the wait was long, and what was held is let go."""
        held = held or isinstance(error, UnauthorizedError)
        if held and self._state.state != "held" and self._may_say("lane_held"):
            log.error("lane_held", sink=self._desk.name, lane=self._debt.lane, error=str(error))
        elif not held and not self._state.attempts and self._may_say("delivery_delayed"):
            log.warning("delivery_delayed", sink=self._desk.name, lane=self._debt.lane, error=str(error))
        self._state.fail(error, held=held)
        self._desk.state.failures[self._state.reason] += 1
        timing = self._desk.timing
        asked = getattr(error, "retry_after_seconds", 0.0)
        delay = timing.policy.delay_seconds(self._state.attempts, timing.jitter(), asked)
        stays = not held and delay <= timing.patience_seconds
        if not stays:
            self._encoded = None
            self._gather.let_go()
        await timing.pause(self._desk.stop, delay)
        return stays
