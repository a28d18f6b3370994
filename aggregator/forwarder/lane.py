"""One lane of one sink: gather, encode, send, settle; one batch in flight, no linger.

Room: aggregator, forwarder. Never enters: vendors, rows of the journal.

What gathered while a batch was under way is the next batch. A destination's failure is never a reason to drop: what was
not settled stays owed. A lane that waits long lets go of what it holds and reads it again.
"""

import structlog

from aggregator.core.bisect import Bisection, blames_destination
from aggregator.core.records import Batch, Debt
from aggregator.forwarder.desk import Desk
from aggregator.forwarder.gather import Gatherer, Shared
from aggregator.forwarder.processing import Patience
from aggregator.forwarder.sender import Sender, UnencodableError
from aggregator.forwarder.settling import dead_letters_of, joined, settlements_of
from aggregator.forwarder.state import LaneState, reason_of
from aggregator.forwarder.waiting import RefusesEverythingError, Waiting, refuses_everything
from aggregator.journal.words import DeadLetter
from aggregator.sink import Limits, Receipt, Sink
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, TowlineError
from towline.plumbing.kill_points import kill_point

_SHORTEST_LOOK_SECONDS = 0.01  # while an event is open: at least so long until the journal is looked at again ...
_LONGEST_LOOK_SECONDS = 0.05  # ... and at most: lines of other pods may have come

log = structlog.get_logger()


class Lane:
    """Delivers what one lane owes."""

    def __init__(self, desk: Desk[Sink], state: LaneState) -> None:
        self._desk = desk
        self._debt = Debt(desk.name, state.lane)
        self._state = state
        shared = Shared(
            opener=desk.opener,
            room=desk.room,
            clock=desk.timing.clock,
            plan_of=desk.plan_of,
            count=desk.state.tally.update,
            waiting=Patience(not_before=desk.not_before, timed_out=desk.timed_out),
        )
        self._gather = Gatherer(desk.journal, desk.sink, (desk.name, state.lane), shared)
        self._sender: Sender[Batch, Receipt] = Sender(desk, desk.sink.encode, desk.sink.send)
        self._waiting = Waiting(desk, state, self._let_go)

    async def run(self) -> bool:
        """Return when nothing is owed: whether there was anything at all."""
        worked = False
        try:
            while await self._waiting.is_released():
                try:
                    batch = await self._gather.batch(self._limits())
                except RetryableError as error:  # the journal cannot be read at this moment
                    await self._waiting.out(error)
                    continue
                if batch is None and not self._gather.spent:
                    if not await self._waited_for_more():
                        break
                    continue
                worked = True
                if batch is not None:
                    self._state.state = "sending"
                    await self._deliver(batch)
                # Only now: what precedes them was in the batch. If that was let go of, so were they.
                if self._gather.spent:
                    await self._settle_spent()
        finally:
            self._gather.let_go()
            self._state.state = "idle"
        return worked

    async def _waited_for_more(self) -> bool:
        """False where there is nothing to wait for: no event is open."""
        seconds = self._gather.wait_seconds
        if seconds is None:
            return False
        self._state.state = "idle"
        await self._desk.timing.pause(self._desk.stop, min(max(seconds, _SHORTEST_LOOK_SECONDS), _LONGEST_LOOK_SECONDS))
        return True

    def _limits(self) -> Limits:
        """The sink's own, or less where less was too large lately."""
        limits = self._desk.sink.limits
        lines, size_bytes = self._state.ceiling.under(limits.max_lines, limits.max_bytes, self._desk.timing.clock())
        return Limits(lines, size_bytes, limits.line_overhead_bytes)

    async def _deliver(self, batch: Batch) -> None:
        """Return when `batch` is out of custody, or let go of because the wait is long."""
        work = Bisection(batch, self._state.attempts)
        while (error := await self._work_through(work)) is not None:
            if not await self._waiting.out(error):
                return
            if isinstance(error, RefusesEverythingError):  # nothing of it is settled
                work = Bisection(batch, self._state.attempts)

    async def _work_through(self, work: Bisection[Batch]) -> Exception | None:
        """Send part after part until all is out of custody (None), or there is an error to be waited out."""
        passed, too_large = (0, 0), False
        while (part := work.part) is not None:
            await self._desk.departure.begin(self)
            try:
                receipt = await self._sender.send(part)
            except (TooLargeError, RejectedError) as error:
                too_large = too_large or isinstance(error, TooLargeError)
                await self._refuse(work, error)
                if work.is_hopeless:
                    return refuses_everything(work.suspects, "lines")
            except (TowlineError, TimeoutError) as error:
                return error
            else:
                passed = max(passed, (len(part), self._cost_bytes(part))) if too_large else passed
                await self._settle(*joined(work.accept(), part, receipt))
            finally:
                self._desk.departure.end(self)
        if too_large and passed[0]:
            self._state.ceiling.learn(*passed, self._desk.timing.clock())
        return await self._judge(work)

    async def _refuse(self, work: Bisection[Batch], error: TowlineError) -> None:
        """Halve what was refused; a single line is poison, or suspected of it."""
        self._desk.state.failures[reason_of(error)] += 1
        if not work.split():
            by_destination = not isinstance(error, UnencodableError)
            for refused in work.refuse(reason_of(error), by_destination=by_destination):
                await self._settle(*joined([refused]))

    async def _judge(self, work: Bisection[Batch]) -> Exception | None:
        """What becomes of lines that were all refused: dead letters while they are few, else it is not they who are wrong."""
        if not work.suspects:
            return None
        if blames_destination(work.suspects, self._state.refused_in_a_row):
            return refuses_everything(work.suspects, "lines")
        self._state.refused_in_a_row += len(work.suspects)
        await self._settle(*joined(work.suspects), is_answer=False)
        return None

    def _cost_bytes(self, part: Batch) -> int:
        overhead = self._desk.sink.limits.line_overhead_bytes
        return part.size_bytes + overhead * len(part)

    async def _settle(self, part: Batch, receipt: Receipt, *, is_answer: bool = True) -> None:
        """Write down what has become of `part`. `is_answer`: the destination took something of what it was sent."""
        self._sender.forget()
        settlements = settlements_of(part, self._debt, self._gather.is_last_of)
        dead = dead_letters_of(part, receipt.refusals, self._desk.name)
        kill_point("forwarder.before_settle")
        await self._waiting.write(settlements, dead, receipt.memo)
        if receipt.settled is not None:
            receipt.settled()
        self._gather.settled(settlements)
        self._desk.state.count(part, receipt, dead)
        if receipt.refusals and self._waiting.may_say("records_refused"):
            refused = dict(self._desk.state.refused)
            log.error(
                "records_refused", sink=self._desk.name, reasons=refused, dead_letters=self._desk.state.dead_letters
            )
        if is_answer:
            self._waiting.succeed()

    async def _settle_spent(self) -> None:
        """Settle ranges that hold nothing to send: nothing was left of them, or they cannot be opened."""
        spent, self._gather.spent = self._gather.spent, []
        damaged = [(one.piece, one.reason, one.line) for one in spent if one.reason]
        dead = [
            DeadLetter(piece.block_id, self._desk.name, piece.start, piece.end, reason, line)
            for piece, reason, line in damaged
        ]
        pieces = tuple(one.piece for one in spent)
        settlements = settlements_of(Batch(pieces), self._debt, self._gather.is_last_of)
        settlements = [settlement for settlement in settlements if self._gather.owes(settlement)]
        await self._waiting.write(settlements, dead, {})
        for piece, reason, _ in damaged:
            self._desk.state.refused[reason] += 1
            self._desk.state.dead_letters += 1
            log.error("block_not_opened", sink=self._desk.name, size_bytes=piece.end - piece.start, reason=reason)
        self._gather.settled(settlements)

    def _let_go(self) -> None:
        self._sender.forget()
        self._gather.let_go()
