"""Fills batches for one lane: fair over its pods, up to the sink's limits, all of one key.

Room: aggregator, forwarder. Never enters: retries, errors of destinations, settling (it is told what was settled).
"""

from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aggregator.core.decode import held_bytes, unopened
from aggregator.core.events import Count
from aggregator.core.fairness import FairTurns
from aggregator.core.records import Batch, OwedBlock, Slice
from aggregator.forwarder.filling import Filling
from aggregator.forwarder.opener import Opener
from aggregator.forwarder.processing import Made, Patience, PlanOf, Processing, Spent
from aggregator.forwarder.room import Room
from aggregator.journal.words import Settlement
from aggregator.sink import Limits, Sink
from towline.wire.codec import BodyError

_QUANTUM_BYTES = 64 * 1024  # what a pod may send before the next one's turn
_READ_BYTES = 256 * 1024  # compressed bytes asked from the journal at a time ...
_READ_ALONE_BYTES = 1024 * 1024  # ... and of a pod that is the only one
_MOST_SPENT = 64  # ranges without a line to send that are gathered before they are settled
_LOOK_SECONDS = 0.1  # how often a pod is read again that only has an open event ...
_LOOK_SECONDS_EACH = 0.0005  # ... or seldomer, where there are many


class OwedBlocks(Protocol):
    """What a gatherer needs of the journal."""

    def owing(self, sink: str) -> Mapping[str, Collection[str]]: ...

    async def take(
        self, sink: str, lane: str, pod_uid: str, after_block_id: int, max_bytes: int
    ) -> Sequence[OwedBlock]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What a gatherer shares with others, and what routes ask for. `count` is told what routes did to lines."""

    opener: Opener
    room: Room
    clock: Callable[[], float]
    plan_of: PlanOf
    count: Callable[[Mapping[Count, int]], None]
    waiting: Patience = field(default_factory=Patience)


@dataclass(slots=True)
class _Held:
    """A block that was read and is not settled yet. `place`: up to where it is; `made_end`: up to where it was made into slices."""

    pod: str
    place: int
    end: int
    claimed_bytes: int = 0
    made_end: int = 0


@dataclass(slots=True)
class _PodReading:
    """How far a lane has read one pod: events to send, blocks behind them. `read_at`: when there was nothing more of it."""

    pieces: deque[Slice] = field(default_factory=deque)
    blocks: deque[OwedBlock] = field(default_factory=deque)
    newest_block_id: int = 0
    unsettled: int = 0
    open_bytes: int = 0
    read_at: float | None = None


class Gatherer:
    """Reads what one lane owes, block by block, and hands it out as batches; holds it until it is settled or let go."""

    def __init__(self, journal: OwedBlocks, sink: Sink, debtor: tuple[str, str], shared: Shared) -> None:
        self._journal = journal
        self._sink = sink
        self._name, self._lane = debtor
        self._opener, self._room, self._clock = shared.opener, shared.room, shared.clock
        self._plan_of, self._count = shared.plan_of, shared.count
        self._turns = FairTurns(_QUANTUM_BYTES)
        self._pods: dict[str, _PodReading] = {}
        self._held: dict[int, _Held] = {}
        self._processing = Processing(shared.opener, shared.clock, shared.waiting)
        self._counted: dict[
            str, dict[tuple[str, int], int]
        ] = {}  # by pod and (stream, epoch): the end of what was counted
        self._room_is_out = False
        self.spent: list[
            Spent
        ] = []  # to be settled once the batch that was gathered with it is; whoever settles empties it

    async def batch(self, limits: Limits | None = None) -> Batch | None:
        """The next batch, as full as what is owed at this moment and `limits` (the sink's own) make it; None where there is none now."""
        waiting = self._journal.owing(self._name).get(self._lane, ())
        self._turns.keep(dict.fromkeys((*self._pods, *waiting)))
        filling, passed_over = Filling(limits or self._sink.limits), set[str]()
        self._room_is_out = False
        while len(self.spent) < _MOST_SPENT and (pod := self._turns.whose(passed_over)) is not None:
            head = await self._head(pod)
            if head is None:
                self._pass(pod, passed_over)
                continue
            key = self._sink.key(head.pod, head.origin)
            if filling.key not in (None, key):
                passed_over.add(pod)
            elif isinstance(head, OwedBlock):
                await self._open(pod)
            else:
                filling.key = key
                if not self._move(pod, head, filling):
                    break
        return filling.batch()

    @property
    def wait_seconds(self) -> float | None:
        """How long an open event may be left alone; None where none is open."""
        now, pods = self._clock(), list(self._processing.pods)
        if not pods:
            return None
        return max(0.0, min(self._look_at(pod) for pod in pods) - now)

    def is_last_of(self, piece: Slice) -> bool:
        """True where nothing of the block comes after this slice."""
        held = self._held.get(piece.block_id)
        return held is None or piece.end >= held.end

    def owes(self, settlement: Settlement) -> bool:
        """Whether a block still owes what this settles: an event after it may have settled more meanwhile."""
        held = self._held.get(settlement.block_id)
        return held is not None and (settlement.done or settlement.place > held.place)

    def settled(self, settlements: Sequence[Settlement]) -> None:
        """So far, or wholly, blocks owe this lane nothing any more."""
        for settlement in settlements:
            held = self._held[settlement.block_id]
            held.place = settlement.place
            if not settlement.done:
                if settlement.place >= held.made_end:  # what is left of it is held open, and counted there
                    self._claim(settlement.block_id, -held.claimed_bytes)
                continue
            del self._held[settlement.block_id]
            self._room.change(-held.claimed_bytes)
            reading = self._pods[held.pod]
            reading.unsettled -= 1
            if not reading.unsettled:
                del self._pods[held.pod]
                self._counted.pop(held.pod, None)

    def let_go(self) -> None:
        """Forget everything read and not settled: it stays owed and will be read again."""
        self._room.change(-sum(held.claimed_bytes for held in self._held.values()))
        self._room.change(-sum(reading.open_bytes for reading in self._pods.values()))
        self._held.clear()
        self._pods.clear()
        self._processing.forget()
        self.spent.clear()

    def _pass(self, pod: str, passed_over: set[str]) -> None:
        """There is nothing of `pod` to send now: all is read, or there is no room to read it."""
        if self._room_is_out:
            passed_over.add(pod)
        else:
            self._turns.leave(pod)

    def _move(self, pod: str, piece: Slice, filling: Filling) -> bool:
        """Move lines of `piece` into the batch, as many as the pod's turn and the batch have room for. False: the batch is full."""
        turn_bytes = _QUANTUM_BYTES if self._turns.has_others else filling.limits.max_bytes
        cost, rest = filling.add(piece, turn_bytes)
        if not cost:
            return False
        self._turns.spend(pod, cost)
        pieces = self._pods[pod].pieces
        pieces.popleft()
        if rest is not None:
            pieces.appendleft(rest)
        return filling.lines < filling.limits.max_lines

    async def _head(self, pod: str) -> Slice | OwedBlock | None:
        """What comes next of `pod`: events, or a block. None where all is read, or where there is no room to read it."""
        reading = self._pods.get(pod)
        if reading is not None and reading.pieces:
            return reading.pieces[0]
        if reading is None or not reading.blocks:
            reading = await self._read(pod)
        if reading is None:
            return None
        return reading.pieces[0] if reading.pieces else reading.blocks[0]

    async def _read(self, pod: str) -> _PodReading | None:
        """What has come of `pod`, or what of it has waited long enough."""
        reading, now = self._pods.get(pod), self._clock()
        if reading is not None and self._processing.next_due(pod) is not None and now < self._look_at(pod):
            return None
        due = self._processing.next_due(pod)
        newest = reading.newest_block_id if reading is not None else 0
        blocks = await self._taken(pod, newest, is_due=due is not None and due <= now)
        if blocks is None:
            return None
        reading = self._pods.get(pod)
        if not blocks:
            return await self._closed(pod, reading, now) if reading is not None else None
        reading = self._pods.setdefault(pod, _PodReading())
        reading.blocks.extend(blocks)
        reading.newest_block_id = blocks[-1].block_id
        reading.unsettled += len(blocks)
        for block in blocks:
            self._held[block.block_id] = _Held(pod, block.place, block.end)
            self._claim(block.block_id, len(block.body))
        return reading

    async def _taken(self, pod: str, newest_block_id: int, *, is_due: bool) -> Sequence[OwedBlock] | None:
        """The pod's next blocks; None where there is no room for them."""
        size_bytes = _READ_BYTES if self._turns.has_others else _READ_ALONE_BYTES
        if not self._held:
            await self._room.claim(size_bytes)
        elif is_due:
            self._room.change(size_bytes)  # full or not: open events might fill it, and only this ends them
        elif not self._room.claim_now(size_bytes):
            # Whoever holds something sends that first: waiting for room with it in hand could be waiting for oneself.
            self._room_is_out = True
            return None
        try:
            return await self._journal.take(self._name, self._lane, pod, newest_block_id, size_bytes)
        finally:
            self._room.change(-size_bytes)

    async def _closed(self, pod: str, reading: _PodReading, now: float) -> _PodReading | None:
        """A pod of which nothing more was there at `now`: its events that nothing more is waited for."""
        reading.read_at = now
        self._keep(pod, await self._processing.close_due(pod, now))
        return reading if reading.pieces else None

    async def _open(self, pod: str) -> None:
        """Make events of a pod's next block; one without lines to send is spent."""
        block = self._pods[pod].blocks.popleft()
        try:
            piece = self._opener.open(block)
        except BodyError:
            self.spent.append(Spent(unopened(block), "undecodable"))
            return
        if not piece.lines:
            self.spent.append(Spent(piece))
            return
        self._claim(block.block_id, -len(block.body))
        plan = self._plan_of(block.pod, block.origin)
        if (plan is None or plan.asks_nothing) and not self._processing.holds(pod, block.stream):
            self._keep(pod, Made([piece], []))
        else:
            self._keep(pod, await self._processing.take(piece, plan))

    def _keep(self, pod: str, made: Made) -> None:
        """Hold what was made, until it is sent."""
        reading = self._pods[pod]
        for piece in made.slices:
            self._held[piece.block_id].made_end = piece.end
            self._claim(piece.block_id, held_bytes(piece))
        reading.pieces.extend(made.slices)
        self.spent.extend(made.spent)
        for piece in sorted((*made.slices, *(spent.piece for spent in made.spent)), key=lambda piece: piece.end):
            if piece.tally:
                self._count_once(pod, piece)
        open_bytes = self._processing.held_bytes(pod)
        self._room.change(open_bytes - reading.open_bytes)
        reading.open_bytes = open_bytes

    def _count_once(self, pod: str, piece: Slice) -> None:
        """Count what was done to lines, but not again where they are read again."""
        counted, stream = self._counted.setdefault(pod, {}), (piece.stream, piece.epoch)
        if piece.end > counted.get(stream, -1):
            self._count(piece.tally)
            counted[stream] = piece.end

    def _look_at(self, pod: str) -> float:
        """When a pod with an open event is to be read again."""
        reading, due = self._pods[pod], self._processing.next_due(pod)
        if reading.read_at is None or due is None:
            return 0.0
        every = max(_LOOK_SECONDS, _LOOK_SECONDS_EACH * len(self._pods))
        return min(reading.read_at + every, due) if due > reading.read_at else reading.read_at + every

    def _claim(self, block_id: int, size_bytes: int) -> None:
        self._held[block_id].claimed_bytes += size_bytes
        self._room.change(size_bytes)
