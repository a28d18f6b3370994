"""One batch as it grows.

Room: aggregator, forwarder. Never enters: pods, turns, blocks.
"""

from dataclasses import dataclass, field

from aggregator.core.decode import split, split_to_fit
from aggregator.core.records import Batch, Slice
from aggregator.sink import Limits


@dataclass(slots=True)
class Filling:
    """Slices of one key, within the limits."""

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

    def batch(self) -> Batch | None:
        """What was taken; None where nothing was."""
        return Batch(tuple(self.slices), self.key or "") if self.slices else None
