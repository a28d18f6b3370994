"""One lane of a sink of metrics: gather snapshots, make, pack and send their points, settle them with the pods' new states.

Room: aggregator, forwarder. Never enters: vendors, rows of the journal.

A batch is settled as a whole, in one transaction with the states: until then the same snapshots meet the same states, so the same points are
sent again. What was let go of, because a wait is long, is made again from the journal; a batch of which something was taken never is.
"""

from collections import Counter

import structlog

from aggregator.core.bisect import Bisection, Refused, blames_destination
from aggregator.core.ceiling import Ceiling
from aggregator.core.records import Debt
from aggregator.forwarder.desk import Desk
from aggregator.forwarder.points_batch import Load, PointsBatch
from aggregator.forwarder.points_gather import Source
from aggregator.forwarder.sender import Sender, UnencodableError
from aggregator.forwarder.state import LaneState, reason_of
from aggregator.forwarder.waiting import RefusesEverythingError, Waiting, refuses_everything
from aggregator.journal.words import Settlement
from aggregator.metric_sink import Limits, MetricSink
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, TowlineError
from towline.plumbing.kill_points import kill_point

log = structlog.get_logger()


class PointsLane:
    """Delivers what one lane has to send."""

    def __init__(self, desk: Desk[MetricSink], state: LaneState, source: Source) -> None:
        self._desk, self._state, self._source = desk, state, source
        sink = desk.sink
        self._sender: Sender[Load, Counter[str]] = Sender(
            desk,
            lambda load: sink.pack(load.route, load.bodies()),
            lambda load, payload: sink.send(load.route, payload),
        )
        self._waiting = Waiting(desk, state, self._let_go)
        self._refused: Counter[str] = Counter()  # points of the batch, by reason
        self._taken_points = self._taken_bytes = 0

    async def run(self) -> bool:
        """Return when there is nothing to do: whether there was anything at all."""
        worked = False
        try:
            while await self._waiting.is_released():
                try:
                    batch = await self._source.batch(self._limits)
                except RetryableError as error:  # the journal cannot be read at this moment
                    await self._waiting.out(error)
                    continue
                if batch is None:
                    break
                worked = True
                self._state.state = "sending"
                await self._deliver(batch)
        finally:
            self._let_go()
            self._state.state = "idle"
        return worked

    def _limits(self, route: str) -> Limits:
        """The sink's own, or less where less was too large lately."""
        limits, ceiling = self._desk.sink.limits(route), self._state.ceilings.get(route)
        if ceiling is None:
            return limits
        points, size_bytes = ceiling.under(limits.max_points, limits.max_bytes, self._desk.timing.clock())
        return limits._replace(max_points=points, max_bytes=size_bytes)

    async def _deliver(self, batch: PointsBatch) -> None:
        """Return when `batch` is out of custody, or let go of because the wait is long."""
        self._refused, self._taken_points, self._taken_bytes = batch.dropped(), 0, 0
        loads = batch.loads()
        for load in loads:
            if not await self._deliver_load(load):
                return
        await self._settle(batch, sent=bool(loads))

    async def _deliver_load(self, load: Load) -> bool:
        """False where the batch was let go of."""
        work = Bisection(load, self._state.attempts)
        while (error := await self._work_through(work)) is not None:
            has_sent = self._taken_points > 0
            if not await self._waiting.out(error, keeps=has_sent):
                return False
            await self._waiting.is_released(keeps=True)
            if has_sent and self._is_too_old(load):
                # What was taken of this batch must not be made, and counted, again: the rest goes the way of its gauges.
                self._refused["too_old"] += sum(part.points for part in work.left())
                return True
            if isinstance(error, RefusesEverythingError):
                work = Bisection(load, self._state.attempts)
        return True

    async def _work_through(self, work: Bisection[Load]) -> Exception | None:
        """Send part after part until all is taken or refused for good (None), or there is an error to be waited out."""
        passed, too_large, route = (0, 0), False, ""
        while (part := work.part) is not None:
            route = part.route
            await self._desk.departure.begin(self)
            try:
                refused = await self._sender.send(part)
            except (TooLargeError, RejectedError) as error:
                too_large = too_large or isinstance(error, TooLargeError)
                self._refuse(work, error)
                if work.is_hopeless:
                    return refuses_everything(work.suspects, "points")
            except (TowlineError, TimeoutError) as error:
                return error
            else:
                passed = max(passed, (part.points, self._cost_bytes(part))) if too_large else passed
                self._accept(work, part, refused)
            finally:
                if not self._taken_points:  # else it is at work until all of the batch is settled
                    self._desk.departure.end(self)
        if too_large and passed[0]:
            ceiling = self._state.ceilings.setdefault(route, Ceiling())
            ceiling.learn(*passed, self._desk.timing.clock())
        return self._judge(work)

    def _accept(self, work: Bisection[Load], part: Load, refused: Counter[str]) -> None:
        self._sender.forget()
        self._count_refused(work.accept())
        self._refused.update(refused)
        self._taken_points += part.points - refused.total()
        self._taken_bytes += part.size_bytes
        self._waiting.succeed()

    def _refuse(self, work: Bisection[Load], error: TowlineError) -> None:
        """Halve what was refused; a single fragment is poison, or suspected of it."""
        self._desk.state.failures[reason_of(error)] += 1
        if not work.split():
            by_destination = not isinstance(error, UnencodableError)
            self._count_refused(work.refuse(reason_of(error), by_destination=by_destination))

    def _judge(self, work: Bisection[Load]) -> Exception | None:
        """What becomes of fragments that were all refused: counted while they are few, else it is not they who are wrong."""
        if not work.suspects:
            return None
        if blames_destination(work.suspects, self._state.refused_in_a_row):
            return refuses_everything(work.suspects, "points")
        self._state.refused_in_a_row += len(work.suspects)
        self._count_refused(work.suspects)
        return None

    def _count_refused(self, refused: list[Refused[Load]]) -> None:
        for one in refused:
            self._refused[one.reason] += one.part.points

    def _is_too_old(self, load: Load) -> bool:
        return self._desk.timing.now_unix() - load.oldest_unix_ns / 1e9 > self._desk.sink.max_age_seconds

    def _cost_bytes(self, part: Load) -> int:
        return part.size_bytes + self._desk.sink.limits(part.route).overhead_bytes * len(part)

    async def _settle(self, batch: PointsBatch, *, sent: bool) -> None:
        """Write down, in one transaction, that the snapshots are delivered and where their pods stand."""
        debt = Debt(self._desk.name, self._state.lane)
        settlements = [
            Settlement(piece.block.block_id, debt, piece.block.end, done=True)
            for piece in batch.pieces
            if piece.block is not None
        ]
        memo = {uid: pod.memo() if pod is not None else "" for uid, pod in batch.states().items()}
        kill_point("forwarder.before_settle")
        await self._waiting.write(settlements, (), memo)
        self._source.settled(batch)
        self._desk.departure.end(self)
        self._desk.state.count_points(self._taken_points, self._taken_bytes, self._refused, is_batch=sent)
        if self._refused and self._waiting.may_say("points_refused"):
            log.warning("points_refused", sink=self._desk.name, reasons=dict(self._desk.state.refused))

    def _let_go(self) -> None:
        self._sender.forget()
        self._source.let_go()
        self._desk.departure.end(self)
