"""Types and helps of the metrics that are sent, for receivers that keep them: each name once, whichever pods have it.

Room: aggregator sinks, pure. Never enters: clocks (`now` is monotonic seconds), the network.
"""

import threading
from collections.abc import Iterable

from aggregator.core.series import Kind, SeriesFamily
from aggregator.sinks.remote_write.encoding import metadata

MAX_NAMES = 10_000  # between two times of sending
_MAX_PER_BODY = 1_000


class Catalogue:
    """What was seen since it was last sent. Told by worker threads, asked by the loop."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[Kind, str, str]] = {}
        self._next = 0.0

    def note(self, families: Iterable[SeriesFamily]) -> None:
        """Of a name that two pods explain differently, the first explanation is sent."""
        if not self._interval_seconds:
            return
        with self._lock:
            for family in families:
                if family.name not in self._seen and len(self._seen) < MAX_NAMES:
                    self._seen[family.name] = (family.kind, family.help, family.unit)

    def due(self, now: float) -> list[bytes]:
        """The messages to send now, mostly none; whoever is given them sends them."""
        if now < self._next or not self._seen:
            return []
        self._next = now + self._interval_seconds
        with self._lock:
            seen, self._seen = self._seen, {}
        entries = [metadata(name, *said) for name, said in seen.items()]
        return [b"".join(entries[i : i + _MAX_PER_BODY]) for i in range(0, len(entries), _MAX_PER_BODY)]
