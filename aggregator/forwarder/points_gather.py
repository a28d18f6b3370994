"""Fills batches of points for one lane: fair over its pods, in order within each; and the ends of pods that fell silent.

Room: aggregator, forwarder. Never enters: retries, errors of destinations, settling (it is told what was settled).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from aggregator.core.fairness import FairTurns
from aggregator.core.records import OwedBlock
from aggregator.forwarder.desk import Desk
from aggregator.forwarder.pods import Pods, PodState
from aggregator.forwarder.points_batch import Piece, PointsBatch
from aggregator.forwarder.points_make import Maker
from aggregator.metric_sink import Limits, MetricSink

_QUANTUM_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024  # compressed bytes asked from the journal at a time
_MOST_PIECES = 2_000  # of one batch: settled in one transaction
_GROWN = 8  # a snapshot's rows and fragments are so much larger than its compressed body, or more

LimitsOf = Callable[[str], Limits]


class Source(Protocol):
    """Where a lane's batches come from."""

    async def batch(self, limits_of: LimitsOf) -> PointsBatch | None:
        """The next batch; None where there is nothing to do."""

    def settled(self, batch: PointsBatch) -> None:
        """All of it is out of custody, and the states in it are the pods'."""

    def let_go(self) -> None:
        """Forget everything that is not settled: it will be made again."""


@dataclass(slots=True)
class _Reading:
    """How far a pod was read: blocks that nothing was made of yet."""

    blocks: deque[OwedBlock] = field(default_factory=deque)
    newest_block_id: int = 0


class PointsGatherer:
    """Snapshots that one lane owes."""

    def __init__(self, desk: Desk[MetricSink], lane: str, pods: Pods, maker: Maker) -> None:
        self._desk, self._lane, self._pods, self._maker = desk, lane, pods, maker
        self._turns = FairTurns(_QUANTUM_BYTES)
        self._readings: dict[str, _Reading] = {}
        self._states: dict[str, PodState | None] = {}  # of the batch that grows: not settled yet
        self._claimed: set[str] = set()
        self._claimed_bytes = 0
        self._left: Piece | None = None  # made, and too much for the batch before

    async def batch(self, limits_of: LimitsOf) -> PointsBatch | None:
        """As full as what is owed at this moment and the limits make it."""
        batch, passed_over = PointsBatch(limits_of), set[str]()
        if self._left is not None:
            batch.add(self._left)
            self._left = None
        waiting = self._desk.journal.owing(self._desk.name).get(self._lane, ())
        self._turns.keep(dict.fromkeys((*self._readings, *waiting)))
        while len(batch.pieces) < _MOST_PIECES and (uid := self._turns.whose(passed_over)) is not None:
            if not self._claim(uid) or (self._claimed_bytes and not self._desk.room.claim_now(0)):
                passed_over.add(uid)
                continue
            block = await self._next(uid)
            if block is None:
                self._turns.leave(uid)
                continue
            piece = await self._make(uid, block)
            if not batch.takes(piece):
                self._left = piece
                break
            batch.add(piece)
            self._turns.spend(uid, max(piece.size_bytes, 1))
        return batch if batch.pieces else None

    def settled(self, batch: PointsBatch) -> None:
        """The pods are where the batch has brought them; a piece that waits for the next batch stays claimed."""
        now = self._desk.timing.clock()
        for uid, pod in batch.states().items():
            self._pods.settled(uid, pod, now)
        self._claim_bytes(-sum(_weight_bytes(piece) for piece in batch.pieces))
        left = {self._left.pod_uid} if self._left is not None else set[str]()
        # A pod that has nothing more in hand is read from the start again; one with a piece left is not: that is still owed.
        self._readings = {uid: reading for uid, reading in self._readings.items() if reading.blocks or uid in left}
        free = self._claimed - self._readings.keys()
        self._pods.release(free)
        self._claimed -= free
        self._states = {uid: pod for uid, pod in self._states.items() if uid in left}

    def let_go(self) -> None:
        """It stays owed and will be read and made again."""
        self._claim_bytes(-self._claimed_bytes)
        self._pods.release(self._claimed)
        self._claimed = set()
        self._readings, self._states, self._left = {}, {}, None

    def _claim(self, uid: str) -> bool:
        if not self._pods.claim(uid, self):
            return False
        self._claimed.add(uid)
        return True

    async def _next(self, uid: str) -> OwedBlock | None:
        reading = self._readings.setdefault(uid, _Reading())
        if not reading.blocks:
            if not self._claimed_bytes:
                await self._desk.room.claim(0)
            blocks = await self._desk.journal.take(
                self._desk.name, self._lane, uid, reading.newest_block_id, _READ_BYTES
            )
            if not blocks:
                return None
            reading.blocks.extend(blocks)
            reading.newest_block_id = blocks[-1].block_id
            self._claim_bytes(sum(len(block.body) for block in blocks))
        return reading.blocks.popleft()

    async def _make(self, uid: str, block: OwedBlock) -> Piece:
        known = self._states[uid] if uid in self._states else self._pods.get(uid)
        now_unix = self._desk.timing.now_unix()
        size_bytes = (block.end - block.start) * _GROWN
        piece = await self._desk.opener.compute(size_bytes, lambda: self._maker.piece(block, known, now_unix))
        self._states[uid] = piece.pod
        self._claim_bytes(_weight_bytes(piece) - len(block.body))
        return piece

    def _claim_bytes(self, size_bytes: int) -> None:
        self._claimed_bytes += size_bytes
        self._desk.room.change(size_bytes)


class EndsGatherer:
    """Pods that sent nothing for too long, and owe nothing."""

    def __init__(self, desk: Desk[MetricSink], pods: Pods, maker: Maker) -> None:
        self._desk, self._pods, self._maker = desk, pods, maker
        self._claimed: set[str] = set()

    async def batch(self, limits_of: LimitsOf) -> PointsBatch | None:
        """Those who are to be ended now, and those to be forgotten. In a drain nobody is: pods fall silent as their aggregator leaves."""
        batch, now_unix = PointsBatch(limits_of), self._desk.timing.now_unix()
        forgotten = set(self._pods.forgotten(self._desk.timing.clock()))
        for uid in self.due() if not self._desk.stop.is_set() else ():
            known = self._pods.get(uid)
            if known is None or not self._pods.claim(uid, self):
                continue
            self._claimed.add(uid)
            piece = Piece(uid, None, None) if uid in forgotten else self._maker.end(uid, known, now_unix)
            if len(batch.pieces) >= _MOST_PIECES or not batch.takes(piece):
                break
            batch.add(piece)
        return batch if batch.pieces else None

    def due(self) -> list[str]:
        """Who is silent or forgotten, and has nothing on its way."""
        now = self._desk.timing.clock()
        found = dict.fromkeys([*self._pods.forgotten(now), *self._pods.silent(now)])
        owing = self._desk.journal.owing(self._desk.name) if found else {}
        return [uid for uid in found if not any(uid in pods for pods in owing.values())]

    def settled(self, batch: PointsBatch) -> None:
        """They are ended."""
        now = self._desk.timing.clock()
        for uid, pod in batch.states().items():
            self._pods.settled(uid, pod, now, ended=True)
        self.let_go()

    def let_go(self) -> None:
        """They will be ended again."""
        self._pods.release(self._claimed)
        self._claimed = set()


def _weight_bytes(piece: Piece) -> int:
    body = len(piece.block.body) if piece.block is not None else 0
    return body + piece.size_bytes + (len(piece.pod.state) if piece.pod is not None else 0)
