"""At most so many events a second of each pod: a bucket a pod and destination, filled by the time at which lines were read.

Room: aggregator core. Never enters: clocks.

A destination that is down has the same lines read again and again: what was decided of a line stays decided, or an outage would drop all.
"""

from bisect import bisect_left
from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

from aggregator.core.plan import Step
from aggregator.core.records import Slice
from aggregator.core.route import Binding
from aggregator.core.rules.choosing import kept

MAX_BUCKETS = 4096  # pods, once for each destination: beyond it the one that was silent for longest starts anew
MAX_STREAMS = 16  # of one pod: files whose decisions are remembered
MAX_DECISIONS = 1024  # of one stream: runs of lines that may still be asked for again


class RateLimit:
    """One rule of the configuration, for all pods."""

    def __init__(self, per_second: float, burst: float, label: str) -> None:
        self._per_second, self._burst, self._label = per_second, burst, label
        self._lock = Lock()
        self._buckets: OrderedDict[tuple[str, str], _Bucket] = OrderedDict()

    def bound(self, to: Binding) -> Step:
        return _RateLimitStep(self, (to.sink, to.pod.uid))

    def apply(self, piece: Slice, whose: tuple[str, str]) -> Slice:
        """Called on any thread."""
        with self._lock:
            bucket = self._buckets.get(whose)
            if bucket is None:
                bucket = self._buckets[whose] = _Bucket(self._burst, piece.read_unix_ns)
                if len(self._buckets) > MAX_BUCKETS:
                    self._buckets.popitem(last=False)
            else:
                self._buckets.move_to_end(whose)
            bucket.refill(piece.read_unix_ns, self._per_second, self._burst)
            wanted = bucket.take(piece)
        return kept(piece, wanted, self._label)


@dataclass(frozen=True, slots=True)
class _RateLimitStep:
    rule: RateLimit
    whose: tuple[str, str]

    def apply(self, piece: Slice) -> Slice:
        return self.rule.apply(piece, self.whose)


@dataclass(slots=True)
class _Decided:
    """Runs of one stream, in its order: up to `ends[i]` those events were kept that end at `last_kept[i]` or before."""

    begins: int
    ends: list[int] = field(default_factory=list)
    last_kept: list[int] = field(default_factory=list)

    def known(self, end: int) -> bool | None:
        """What was decided of the event that ends there; None where nothing was."""
        if end <= self.begins or not self.ends or end > self.ends[-1]:
            return None
        return end <= self.last_kept[bisect_left(self.ends, end)]

    def note(self, end: int, last_kept: int) -> None:
        self.ends.append(end)
        self.last_kept.append(last_kept)
        if len(self.ends) > MAX_DECISIONS:
            self.begins = self.ends.pop(0)
            del self.last_kept[0]


@dataclass(slots=True)
class _Bucket:
    """What one pod may still send to one destination, and what was decided of its lines."""

    tokens: float
    filled_unix_ns: int
    streams: OrderedDict[tuple[str, int], _Decided] = field(default_factory=OrderedDict)

    def refill(self, now_unix_ns: int, per_second: float, burst: float) -> None:
        if now_unix_ns > self.filled_unix_ns:
            grown = self.tokens + (now_unix_ns - self.filled_unix_ns) / 1e9 * per_second
            self.tokens, self.filled_unix_ns = min(burst, grown), now_unix_ns

    def take(self, piece: Slice) -> list[bool]:
        """Of each event, whether it is kept: as before where it was asked for before, else while there are tokens."""
        ends = piece.known_ends()
        decided = self._decided(piece)
        answers = [decided.known(end) for end in ends]
        fresh = [end for end, answer in zip(ends, answers, strict=True) if answer is None]
        if not fresh:
            return [bool(answer) for answer in answers]
        count = min(len(fresh), int(self.tokens))
        self.tokens -= count
        last_kept = fresh[count - 1] if count else fresh[0] - 1
        if not decided.ends or fresh[0] > decided.ends[-1]:
            decided.note(fresh[-1], last_kept)
        return [end <= last_kept if answer is None else answer for end, answer in zip(ends, answers, strict=True)]

    def _decided(self, piece: Slice) -> _Decided:
        key = (piece.stream, piece.epoch)
        decided = self.streams.get(key)
        if decided is None:
            decided = self.streams[key] = _Decided(piece.start)
            if len(self.streams) > MAX_STREAMS:
                self.streams.popitem(last=False)
        else:
            self.streams.move_to_end(key)
        return decided
