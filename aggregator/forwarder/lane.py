"""One lane of one sink: gather, encode, send, settle; one batch in flight, no linger.

Room: aggregator, forwarder. Never enters: vendors, rows of the journal.

What gathered while a batch was under way is the next batch. A destination's failure is never a reason to drop: what was
not settled stays owed. A lane that waits long lets go of what it holds and reads it again.
"""

from collections.abc import Mapping

import structlog

from aggregator.core.bisect import Bisection, blames_destination
from aggregator.core.records import Batch, Debt
from aggregator.forwarder.desk import Desk
from aggregator.forwarder.gather import Gatherer
from aggregator.forwarder.sender import Sender, UnencodableError
from aggregator.forwarder.settling import dead_letters_of, joined, settlements_of
from aggregator.forwarder.state import LaneState, reason_of
from aggregator.journal.words import DeadLetter, Settlement
from aggregator.sink import Limits, Receipt
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, TowlineError, UnauthorizedError
from towline.plumbing.kill_points import kill_point

_SETTLE_AGAIN_SECONDS = 0.2

log = structlog.get_logger()


class RefusesEverythingError(RetryableError):
    """Nothing of a batch was accepted, down to its single lines: the destination, or something before it, is broken."""


class Lane:
    """Delivers what one lane owes."""

    def __init__(self, desk: Desk, name: str, state: LaneState) -> None:
        self._desk = desk
        self._debt = Debt(desk.name, name)
        self._state = state
        self._gather = Gatherer(desk.journal, desk.sink, (desk.name, name), (desk.opener, desk.room))
        self._sender = Sender(desk)

    async def run(self) -> bool:
        """Return when nothing is owed: whether there was anything at all."""
        worked = False
        try:
            while await self._is_released():
                try:
                    batch = await self._gather.batch(self._limits())
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

    def _limits(self) -> Limits:
        """The sink's own, or less where less was too large lately."""
        limits = self._desk.sink.limits
        lines, size_bytes = self._state.ceiling.under(limits.max_lines, limits.max_bytes, self._desk.timing.clock())
        return Limits(lines, size_bytes, limits.line_overhead_bytes)

    async def _deliver(self, batch: Batch) -> None:
        """Return when `batch` is out of custody, or let go of because the wait is long."""
        work = Bisection(batch, self._state.attempts)
        while (error := await self._work_through(work)) is not None:
            if not await self._wait(error):
                return
            if isinstance(error, RefusesEverythingError):  # nothing of it is settled
                work = Bisection(batch, self._state.attempts)

    async def _work_through(self, work: Bisection) -> Exception | None:
        """Send part after part until all is out of custody (None), or there is an error to be waited out."""
        passed, too_large = (0, 0), False
        while (part := work.part) is not None:
            try:
                receipt = await self._sender.send(part)
            except (TooLargeError, RejectedError) as error:
                too_large = too_large or isinstance(error, TooLargeError)
                await self._refuse(work, error)
                if work.is_hopeless:
                    return _refuses_everything(work)
            except (TowlineError, TimeoutError) as error:
                return error
            else:
                passed = max(passed, (len(part), self._cost_bytes(part))) if too_large else passed
                await self._settle(*joined(work.accept(), part, receipt))
        if too_large and passed[0]:
            self._state.ceiling.learn(*passed, self._desk.timing.clock())
        return await self._judge(work)

    async def _refuse(self, work: Bisection, error: TowlineError) -> None:
        """Halve what was refused; a single line is poison, or suspected of it."""
        self._desk.state.failures[reason_of(error)] += 1
        if not work.split():
            by_destination = not isinstance(error, UnencodableError)
            for refused in work.refuse(reason_of(error), by_destination=by_destination):
                await self._settle(*joined([refused]))

    async def _judge(self, work: Bisection) -> Exception | None:
        """What becomes of lines that were all refused: dead letters while they are few, else it is not they who are wrong."""
        if not work.suspects:
            return None
        if blames_destination(work.suspects, self._state.refused_in_a_row):
            return _refuses_everything(work)
        self._state.refused_in_a_row += len(work.suspects)
        await self._settle(*joined(work.suspects), is_answer=False)
        return None

    def _cost_bytes(self, part: Batch) -> int:
        overhead = self._desk.sink.limits.line_overhead_bytes
        return sum(piece.size_bytes for piece in part.slices) + overhead * len(part)

    async def _settle(self, part: Batch, receipt: Receipt, *, is_answer: bool = True) -> None:
        """Write down what has become of `part`. `is_answer`: the destination took something of what it was sent."""
        self._sender.forget()
        settlements = settlements_of(part, self._debt, self._gather.is_last_of)
        dead = dead_letters_of(part, receipt.refusals, self._desk.name)
        kill_point("forwarder.before_settle")
        await self._write(settlements, dead, receipt.memo)
        for settlement in settlements:
            if settlement.done:
                self._gather.settled(settlement.block_id)
        self._desk.state.count(part, receipt, dead)
        if receipt.refusals and self._may_say("records_refused"):
            refused = dict(self._desk.state.refused)
            log.error(
                "records_refused", sink=self._desk.name, reasons=refused, dead_letters=self._desk.state.dead_letters
            )
        if is_answer and self._state.succeed(self._desk.timing.now_unix()) and self._may_say("delivery_resumed"):
            log.info("delivery_resumed", sink=self._desk.name, lane=self._debt.lane)

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
        self._say(error, held=held)
        self._state.fail(error, held=held)
        self._desk.state.failures[self._state.reason] += 1
        timing = self._desk.timing
        asked = getattr(error, "retry_after_seconds", 0.0)
        delay = timing.policy.delay_seconds(self._state.attempts, timing.jitter(), asked)
        stays = not held and delay <= timing.patience_seconds
        if not stays:
            self._sender.forget()
            self._gather.let_go()
        await timing.pause(self._desk.stop, delay)
        return stays

    def _say(self, error: Exception, *, held: bool) -> None:
        """Log why the lane waits: once per outage, and again and again where a human is needed."""
        facts = {"sink": self._desk.name, "lane": self._debt.lane, "error": str(error)}
        if held:
            if self._state.state != "held" and self._may_say("lane_held"):
                log.error("lane_held", **facts)
        elif isinstance(error, RefusesEverythingError):
            if self._may_say("everything_refused"):
                log.error("everything_refused", **facts)
        elif not self._state.attempts and self._may_say("delivery_delayed"):
            log.warning("delivery_delayed", **facts)


def _refuses_everything(work: Bisection) -> RefusesEverythingError:
    reasons = ", ".join(sorted({refused.reason for refused in work.suspects}))
    return RefusesEverythingError(
        f"refuses everything: {len(work.suspects)} lines one by one, none accepted ({reasons}). Look at what stands between here and it"
    )
