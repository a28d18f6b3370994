"""Which time an event is sent with: its own, unless the destination would not keep it.

Room: aggregator core. Never enters: clocks (an event's own time is compared with the time at which it was read).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aggregator.core.events import TIME, Details
from aggregator.core.records import Slice

_TOO_OLD, _TOO_NEW = "too_old", "too_new"


@dataclass(frozen=True, slots=True)
class Span:
    """How long before it was read an event may say that it happened, and how long after."""

    before_ns: int
    after_ns: int

    def within(self, piece: Slice) -> Slice:
        """The events with times that a destination keeps: another is sent with the time at which it was read, and noted."""
        if piece.details is None or not len(piece):
            return piece
        oldest, newest = piece.read_unix_ns - self.before_ns, piece.read_unix_ns + self.after_ns
        times = piece.details.times_unix_ns
        if oldest <= min(times) and max(times) <= newest:
            return piece
        return replace(piece, details=_moved(piece.details, piece.read_unix_ns, (oldest, newest)))


def _moved(details: Details, read_unix_ns: int, bounds: tuple[int, int]) -> Details:
    oldest, newest = bounds
    times: Sequence[int] = details.times_unix_ns
    return replace(
        details,
        times_unix_ns=[time if oldest <= time <= newest else read_unix_ns for time in times],
        notes=[
            note if oldest <= time <= newest else {**(note or {}), TIME: _TOO_OLD if time < oldest else _TOO_NEW}
            for time, note in zip(times, details.notes, strict=True)
        ],
    )
