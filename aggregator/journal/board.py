"""What the event loop knows of the journal: who is owed something, and who wants to be woken. Changed only after a commit.

Room: aggregator journal. Never enters: SQLite, threads.
"""

from collections.abc import Callable, Collection, Iterable, Mapping

from aggregator.journal.books import Effects, Queue
from aggregator.journal.words import Counters


class Board:
    """Sinks, lanes and pods with something owed, by read time of the oldest block."""

    def __init__(self) -> None:
        self.counters = Counters()
        self._owing: dict[str, dict[str, dict[str, tuple[Queue, int]]]] = {}
        self._wakes: dict[str, list[Callable[[], None]]] = {}

    def subscribe(self, sink: str, wake: Callable[[], None]) -> None:
        self._wakes.setdefault(sink, []).append(wake)

    def owing(self, sink: str) -> Mapping[str, Collection[str]]:
        """Lane -> uids of pods that are owed something; live, not a copy."""
        return self._owing.get(sink, {})

    def sinks(self) -> list[str]:
        """Every sink that is owed something."""
        return [sink for sink, lanes in self._owing.items() if lanes]

    def queue(self, sink: str, lane: str, pod_uid: str) -> Queue | None:
        """The queue, if something is owed in it."""
        found = self._owing.get(sink, {}).get(lane, {}).get(pod_uid)
        return found[0] if found else None

    def oldest_unix_ns(self, sink: str) -> int | None:
        """Read time of the oldest block owed to a sink."""
        return min((oldest for pods in self._owing.get(sink, {}).values() for _, oldest in pods.values()), default=None)

    def reset(self, heads: Iterable[tuple[Queue, int]]) -> None:
        """Begin anew: what a journal owes at its opening."""
        self._owing.clear()
        for queue, oldest in heads:
            self._set(queue, oldest)

    def apply(self, all_effects: Iterable[Effects]) -> set[str]:
        """Take over what a transaction changed, in the order of its operations. The sinks that are owed something new come back."""
        woken: set[str] = set()
        for effects in all_effects:
            self._count(effects)
            for queue, oldest in effects.filled.values():
                if self.queue(queue.sink, queue.lane, queue.pod_uid) is None:
                    self._set(queue, oldest)
            for queue, head in effects.heads.values():
                self._clear(queue) if head is None else self._set(queue, head)
            woken |= effects.woken
        return woken

    def wake(self, sinks: Iterable[str]) -> None:
        """Call whoever subscribed to these sinks."""
        for sink in sinks:
            for wake in self._wakes.get(sink, ()):
                wake()

    def _count(self, effects: Effects) -> None:
        for name, number in effects.counts.items():
            setattr(self.counters, name, getattr(self.counters, name) + number)
        for reason, size in effects.gap_bytes.items():
            self.counters.gaps[reason] = self.counters.gaps.get(reason, 0) + size

    def _set(self, queue: Queue, oldest: int) -> None:
        self._owing.setdefault(queue.sink, {}).setdefault(queue.lane, {})[queue.pod_uid] = (queue, oldest)

    def _clear(self, queue: Queue) -> None:
        lanes = self._owing.get(queue.sink, {})
        pods = lanes.get(queue.lane, {})
        pods.pop(queue.pod_uid, None)
        if not pods:
            lanes.pop(queue.lane, None)
