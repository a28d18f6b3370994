"""When a volume will be full, should it go on growing as it did in the last minutes.

Room: collector core. Never enters: clocks, files (both are passed in).
"""

from collections import deque

WINDOW_SECONDS = 600.0
LEAST_SECONDS = 60.0  # less says more of one burst than of a trend


class Growth:
    """The used bytes of one volume over the last ten minutes, and their slope."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def note(self, now: float, used_bytes: float) -> None:
        """Take in what is used at `now` (monotonic seconds)."""
        self._seen.append((now, used_bytes))
        while self._seen[0][0] < now - WINDOW_SECONDS:
            self._seen.popleft()

    def bytes_per_second(self) -> float | None:
        """The slope of the straight line that fits best; None while too little is known."""
        if len(self._seen) < 2 or self._seen[-1][0] - self._seen[0][0] < LEAST_SECONDS:
            return None
        count = len(self._seen)
        mean_time = sum(time for time, _ in self._seen) / count
        mean_used = sum(used for _, used in self._seen) / count
        spread = sum((time - mean_time) ** 2 for time, _ in self._seen)
        return sum((time - mean_time) * (used - mean_used) for time, used in self._seen) / spread

    def seconds_to_full(self, available_bytes: float) -> float | None:
        """Seconds until `available_bytes` more are used; 0 where none are left; None while it does not grow."""
        if available_bytes <= 0:
            return 0.0
        slope = self.bytes_per_second()
        return available_bytes / slope if slope is not None and slope > 0 else None
