"""Lines that belong together: by how an event starts, how it goes on, by indentation. And the limits that every way has.

Room: aggregator core. Never enters: slices, offsets. A text is looked at as a whole, not line by line.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from aggregator.core.multiline import Scanned

LONGEST_LINE_BYTES = 1 << 20  # what a line may always have, whatever the limits of an event: a block holds no more
_LINE_FEED = b"\n"

Begins = Callable[[bytes, int], list[int]]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an event may hold. A line is never cut to keep them, but one that is longer than any block."""

    max_lines: int
    max_bytes: int
    _lines: re.Pattern[bytes]

    @classmethod
    def of(cls, max_lines: int, max_bytes: int) -> "Limits":
        return cls(max_lines, max_bytes, re.compile(rb"(?:[^\n]*+\n){%d}" % max_lines))

    @property
    def least_bytes(self) -> int:
        """What no larger event can be over the limits."""
        return min(self.max_lines, self.max_bytes)

    def end(self, text: bytes, at: int, stop: int) -> tuple[int, str]:
        """How far an event that begins at `at` may go within `text[:stop]`, and why no further ("": it may have all)."""
        by_bytes = self.end_by_bytes(text, at, stop)
        found = self._lines.match(text, at, stop) if stop - at > self.max_lines else None
        if found is not None and found.end() < min(by_bytes, stop):
            return found.end(), "lines"
        return (by_bytes, "bytes") if by_bytes < stop else (stop, "")

    def end_by_bytes(self, text: bytes, at: int, stop: int) -> int:
        """How far it may go as to its bytes."""
        if stop - at <= self.max_bytes:
            return stop
        end = text.rfind(_LINE_FEED, at, at + self.max_bytes) + 1
        if end:
            return end
        end = text.find(_LINE_FEED, at, stop) + 1 or stop
        if end - at <= max(LONGEST_LINE_BYTES, self.max_bytes):
            return end
        end = at + max(LONGEST_LINE_BYTES, self.max_bytes)
        while end > at + 1 and text[end] & 0xC0 == 0x80:  # not inside a character
            end -= 1
        return end

    def known(self, text: bytes) -> int:
        """How much of a text can be judged: its whole lines, and one that is too long to be waited for."""
        stop = text.rfind(_LINE_FEED) + 1
        return len(text) if len(text) - stop > max(LONGEST_LINE_BYTES, self.max_bytes) else stop


@dataclass(frozen=True, slots=True)
class StartScanner:
    """Every line belongs to an event: to the one that begins with it, or to the one before. `begins`: lines that begin one, but the first."""

    begins: Begins
    limits: Limits

    def scan(self, text: bytes, *, final: bool) -> Scanned:
        stop = len(text) if final else self.limits.known(text)
        bounds = [0, *self.begins(text, stop)]
        lines = text.count(_LINE_FEED, 0, stop) + (not text.endswith(_LINE_FEED, 0, stop))
        if 1 < len(bounds) == lines and stop <= LONGEST_LINE_BYTES:
            return Scanned(None, len(text) if final else bounds[-1], {})
        starts, cuts = self._limited(text, [*bounds, stop])
        if final:
            return Scanned(starts, len(text), cuts)
        return Scanned(starts[:-1], starts[-1], cuts)

    def goes_on(self, text: bytes) -> bool:
        line = text.split(_LINE_FEED, 1)[0] + _LINE_FEED
        # A first line is never asked: so it is made the second.
        return not self.begins(_LINE_FEED + line, len(line) + 1)

    def _limited(self, text: bytes, bounds: list[int]) -> tuple[list[int], dict[int, str]]:
        """Starts with those that limits make, and why."""
        starts, cuts = [], {}
        for begin, stop in pairwise(bounds):
            at = begin
            starts.append(at)
            while stop - at > self.limits.least_bytes:
                end, reason = self.limits.end(text, at, stop)
                if not reason:
                    break
                cuts[at] = reason
                at = end
                starts.append(at)
        return starts, cuts


_NOT_INDENTED = re.compile(rb"\n(?![ \t\r\n])")


def not_indented(text: bytes, stop: int) -> list[int]:
    """Lines that begin with neither a blank nor a tab; empty ones go on with what is before."""
    return [found.end() for found in _NOT_INDENTED.finditer(text, 0, stop) if found.end() < stop]
