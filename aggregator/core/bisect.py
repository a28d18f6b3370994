"""What is left to send of one batch (of lines, or of points) when a destination finds it too large or poisoned, and whose fault that is.

Room: aggregator core. Never enters: errors, sockets, clocks.

A refused line is poison only where the same destination takes others: one that refuses every line (a broken proxy) must not turn what is
owed to it into dead letters. So refused lines are suspects until something of the batch is accepted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar


class Part(Protocol):
    """What is sent as one, and can be halved down to what is refused alone."""

    def __len__(self) -> int: ...

    def halves(self) -> "tuple[Self, Self]": ...


PartT = TypeVar("PartT", bound=Part)

ENOUGH_LINES = 8  # refused in a row, none accepted: it is not the lines
_FIRST_REFUSALS = (
    64  # after so many, with nothing accepted, the rest is not tried this time; twice as many the next, and so on
)


@dataclass(frozen=True, slots=True)
class Refused(Generic[PartT]):
    """A single line that was refused. `by_destination`: not by our own encoding."""

    part: PartT
    reason: str
    by_destination: bool = True


class Bisection(Generic[PartT]):
    """The parts of one batch, in order. Only the first is ever sent: what lies behind a poison line waits, so order holds.

    `attempt` counts from 0 how often all of it was refused before.
    """

    def __init__(self, batch: PartT, attempt: int = 0) -> None:
        self._parts = [batch]  # the next part is the last element
        self._refusals_left = _FIRST_REFUSALS << min(attempt, 16)
        self._has_accepted = False
        self.suspects: list[Refused[PartT]] = []

    @property
    def part(self) -> PartT | None:
        """The part to send now; None when nothing is left."""
        return self._parts[-1] if self._parts else None

    def left(self) -> list[PartT]:
        """The parts that are not out of custody, suspects included."""
        return [*self._parts, *(refused.part for refused in self.suspects)]

    @property
    def is_hopeless(self) -> bool:
        """True where so much was refused, and nothing accepted, that going on now would only be a burden."""
        return not self._has_accepted and self._refusals_left <= 0

    def done(self) -> None:
        """The part is out of custody."""
        self._parts.pop()

    def split(self) -> bool:
        """Halve the part. False where it is a single line, which cannot be halved."""
        self._refusals_left -= 1
        if len(self._parts[-1]) < 2:
            return False
        first, second = self._parts.pop().halves()
        self._parts += [second, first]
        return True

    def accept(self) -> list[Refused[PartT]]:
        """The part was accepted. The suspects before it are poison, and come back: they are settled together with it."""
        self.done()
        self._has_accepted = True
        convicted, self.suspects = self.suspects, []
        return convicted

    def refuse(self, reason: str, *, by_destination: bool = True) -> list[Refused[PartT]]:
        """The part, a single line, was refused: it comes back where that is certain, else it is a suspect."""
        refused = Refused(self._parts.pop(), reason, by_destination)
        if self._has_accepted:
            return [refused]
        self.suspects.append(refused)
        return []


def blames_destination(suspects: Iterable[Refused[PartT]], refused_before: int) -> bool:
    """Whose fault it is that nothing was accepted. `refused_before`: lines in a row, of earlier batches."""
    by_destination = sum(refused.by_destination for refused in suspects)
    return by_destination > 0 and by_destination + refused_before >= ENOUGH_LINES
