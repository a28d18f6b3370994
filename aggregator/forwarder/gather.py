"""Fills batches for one lane: fair over its pods, up to the sink's limits, all of one key.

Room: aggregator, forwarder. Never enters: retries, errors of destinations, settling (it is told what was settled).
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from aggregator.core.decode import held_bytes, split, split_to_fit
from aggregator.core.fairness import FairTurns
from aggregator.core.records import Batch, OwedBlock, Slice
from aggregator.forwarder.opener import Opener
from aggregator.forwarder.room import Room
from aggregator.sink import Limits, Sink
from towline.wire.codec import BodyError

_QUANTUM_BYTES = 64 * 1024  # what a pod may send before the next one's turn
_READ_BYTES = 256 * 1024  # compressed bytes asked from the journal at a time ...
_READ_ALONE_BYTES = 1024 * 1024  # ... and of a pod that is the only one


class OwedBlocks(Protocol):
    """What a gatherer needs of the journal."""

    def owing(self, sink: str) -> Mapping[str, Collection[str]]: ...

    async def take(
        self, sink: str, lane: str, pod_uid: str, after_block_id: int, max_bytes: int
    ) -> Sequence[OwedBlock]: ...


@dataclass(slots=True)
class _Held:
    """A block that was read and is not settled yet."""

    pod: str
    end: int
    claimed_bytes: int = 0


@dataclass(slots=True)
class _PodReading:
    """How far a lane has read one pod: lines of the block that is open, blocks behind it."""

    piece: Slice | None = None
    blocks: deque[OwedBlock] = field(default_factory=deque)
    newest_block_id: int = 0
    unsettled: int = 0


@dataclass(slots=True)
class _Filling:
    """One batch as it grows."""

    limits: Limits
    key: str | None = None
    slices: list[Slice] = field(default_factory=list)
    lines: int = 0
    cost_bytes: int = 0

    def add(self, piece: Slice, turn_bytes: int) -> tuple[int, Slice | None]:
        """Take the lines that fit into the batch and the turn: what they cost (0: none fits), and the lines that are left.

        The first line of a batch always fits: whether it is too large is the destination's word.
        """
        room, overhead = self.limits.max_bytes - self.cost_bytes, self.limits.line_overhead_bytes
        room_lines = self.limits.max_lines - self.lines
        first, rest = split_to_fit(piece, room_lines, min(room, turn_bytes), overhead)
        if first is None and room_lines:
            line = piece.lines.first(1, piece.lines.span_bytes)
            if not self.slices or line.size_bytes + overhead <= room:  # larger than a turn, but not than the batch
                first, rest = split(piece, line)
        if first is None:
            return 0, piece
        cost = first.size_bytes + len(first) * overhead
        self.slices.append(first)
        self.lines += len(first)
        self.cost_bytes += cost
        return cost or 1, rest


class Gatherer:
    """Reads what one lane owes, block by block, and hands it out as batches; holds it until it is settled or let go."""

    def __init__(self, journal: OwedBlocks, sink: Sink, debtor: tuple[str, str], shared: tuple[Opener, Room]) -> None:
        self._journal = journal
        self._sink = sink
        self._name, self._lane = debtor
        self._opener, self._room = shared
        self._turns = FairTurns(_QUANTUM_BYTES)
        self._pods: dict[str, _PodReading] = {}
        self._held: dict[int, _Held] = {}
        self._room_is_out = False
        self.spent: list[
            tuple[OwedBlock, str]
        ] = []  # blocks without a line to send, and why; whoever settles empties it

    async def batch(self, limits: Limits | None = None) -> Batch | None:
        """The next batch, as full as what is owed at this moment and `limits` (the sink's own) make it; None where nothing is owed."""
        waiting = self._journal.owing(self._name).get(self._lane, ())
        self._turns.keep(dict.fromkeys((*self._pods, *waiting)))
        filling, passed_over = _Filling(limits or self._sink.limits), set[str]()
        self._room_is_out = False
        while (pod := self._turns.whose(passed_over)) is not None:
            head = await self._head(pod)
            if head is None:
                self._pass(pod, passed_over)
                continue
            key = self._sink.key(head.pod, head.origin)
            if filling.key not in (None, key):
                passed_over.add(pod)
                continue
            piece = head if isinstance(head, Slice) else self._open(self._pods[pod])
            if piece is None:
                continue
            filling.key = key
            if not self._move(pod, piece, filling):
                break
        return Batch(tuple(filling.slices), filling.key or "") if filling.slices else None

    def is_last_of(self, piece: Slice) -> bool:
        """True where nothing of the block comes after this slice."""
        return piece.end >= self._held[piece.block_id].end

    def settled(self, block_id: int) -> None:
        """The block owes this lane nothing any more."""
        held = self._held.pop(block_id)
        self._room.change(-held.claimed_bytes)
        reading = self._pods[held.pod]
        reading.unsettled -= 1
        if not reading.unsettled:
            del self._pods[held.pod]

    def let_go(self) -> None:
        """Forget everything read and not settled: it stays owed and will be read again."""
        self._room.change(-sum(held.claimed_bytes for held in self._held.values()))
        self._held.clear()
        self._pods.clear()
        self.spent.clear()

    def _pass(self, pod: str, passed_over: set[str]) -> None:
        """There is nothing of `pod` to send now: all is read, or there is no room to read it."""
        if self._room_is_out:
            passed_over.add(pod)
        else:
            self._turns.leave(pod)

    def _move(self, pod: str, piece: Slice, filling: _Filling) -> bool:
        """Move lines of `piece` into the batch, as many as the pod's turn and the batch have room for. False: the batch is full."""
        turn_bytes = _QUANTUM_BYTES if self._turns.has_others else filling.limits.max_bytes
        cost, rest = filling.add(piece, turn_bytes)
        if not cost:
            return False
        self._turns.spend(pod, cost)
        self._pods[pod].piece = rest
        return filling.lines < filling.limits.max_lines

    async def _head(self, pod: str) -> Slice | OwedBlock | None:
        """What comes next of `pod`: lines of the block that is open, or a block. None where all is read, or where there is no room to read."""
        reading = self._pods.get(pod)
        if reading is not None and reading.piece is not None:
            return reading.piece
        if reading is None or not reading.blocks:
            reading = await self._read(pod)
        return reading.blocks[0] if reading is not None else None

    async def _read(self, pod: str) -> _PodReading | None:
        size_bytes = _READ_BYTES if self._turns.has_others else _READ_ALONE_BYTES
        if not self._held:
            await self._room.claim(size_bytes)
        elif not self._room.claim_now(size_bytes):
            # Whoever holds something sends that first: waiting for room with it in hand could be waiting for oneself.
            self._room_is_out = True
            return None
        reading = self._pods.get(pod)
        newest = reading.newest_block_id if reading is not None else 0
        try:
            blocks = await self._journal.take(self._name, self._lane, pod, newest, size_bytes)
        finally:
            self._room.change(-size_bytes)
        if not blocks:
            return None
        reading = self._pods.setdefault(pod, _PodReading())
        reading.blocks.extend(blocks)
        reading.newest_block_id = blocks[-1].block_id
        reading.unsettled += len(blocks)
        for block in blocks:
            self._held[block.block_id] = _Held(pod, block.end)
            self._claim(block.block_id, len(block.body))
        return reading

    def _open(self, reading: _PodReading) -> Slice | None:
        """The lines of a pod's next block; one without lines to send is spent."""
        block = reading.blocks.popleft()
        try:
            piece = self._opener.open(block)
        except BodyError:
            self.spent.append((block, "undecodable"))
            return None
        if not piece.lines:
            self.spent.append((block, ""))
            return None
        self._claim(block.block_id, held_bytes(piece) - len(block.body))
        reading.piece = piece
        return piece

    def _claim(self, block_id: int, size_bytes: int) -> None:
        self._held[block_id].claimed_bytes += size_bytes
        self._room.change(size_bytes)
