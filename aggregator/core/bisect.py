"""What is left to send of one batch when a destination finds it too large or poisoned.

Room: aggregator core. Never enters: errors, sockets, clocks.
"""

from aggregator.core.records import Batch


class Bisection:
    """The parts of one batch, in order. Only the first is ever sent: what lies behind a poison line waits, so order holds."""

    def __init__(self, batch: Batch) -> None:
        self._parts = [batch]  # the next part is the last element

    @property
    def part(self) -> Batch | None:
        """The part to send now; None when nothing is left."""
        return self._parts[-1] if self._parts else None

    def done(self) -> None:
        """The part is out of custody."""
        self._parts.pop()

    def split(self) -> bool:
        """Halve the part. False where it is a single line, which cannot be halved."""
        if len(self._parts[-1]) < 2:
            return False
        first, second = self._parts.pop().halves()
        self._parts += [second, first]
        return True
