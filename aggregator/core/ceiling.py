"""How much one request may hold, as learned from a destination that found more too large.

Room: aggregator core. Never enters: clocks (`now` is passed in), sockets.

What was learned grows by a quarter every half minute, so that a limit that went away is found out, and one that stays costs
a refused request every two minutes or so.
"""

from dataclasses import dataclass

_GROWTH = 1.25
_GROWTH_SECONDS = 30.0


@dataclass(slots=True)
class Ceiling:
    """The most lines and bytes that passed when more did not; nothing (0) while nothing was too large."""

    _lines: int = 0
    _bytes: int = 0
    _learned_at: float = 0.0

    def learn(self, lines: int, size_bytes: int, now: float) -> None:
        """So much passed, and more was too large."""
        self._lines, self._bytes, self._learned_at = lines, size_bytes, now

    def under(self, lines: int, size_bytes: int, now: float) -> tuple[int, int]:
        """The lines and bytes to send at most, where the sink itself would take so many. Forgets what has grown beyond that."""
        if not self._lines:
            return lines, size_bytes
        grown = _GROWTH ** min((now - self._learned_at) / _GROWTH_SECONDS, 1000.0)
        kept_lines, kept_bytes = int(self._lines * grown), int(self._bytes * grown)
        if kept_lines >= lines and kept_bytes >= size_bytes:
            self._lines = 0
        return min(lines, kept_lines), min(size_bytes, kept_bytes)
