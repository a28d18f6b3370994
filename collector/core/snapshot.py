"""Which snapshot is sent: one at a time, frozen until it is answered, while the next one gathers (protocol rule 16).

Room: collector core. Never enters: sockets, clocks. What each code means stands in the table below.
"""

from collections.abc import Iterable
from enum import Enum, auto

import msgspec

from towline.wire.block import Code
from towline.wire.codec import encode_request
from towline.wire.snapshot import Family, Sample, SnapshotAnswer, SnapshotRequest

_Key = tuple[tuple[str, str], ...]


class Outcome(Enum):
    """What an answer did to the snapshot in flight."""

    TAKEN = auto()
    KEPT = auto()  # send the same again: later, or to the journal that the answer named
    GIVEN_UP = (
        auto()
    )  # the peer will never take it; counters are cumulative, so the next snapshot makes up for all but its gauges


# 409 is no word about a snapshot that was taken (the answer's sequence tells that first), so it may be a late one.
_GIVES_UP = frozenset({Code.UNREADABLE, Code.TOO_LARGE})


class SnapshotQueue:
    """The sender's state: at most one snapshot in flight and one gathering, of at most `max_series` series.

    All values are cumulative counters or gauges, so of two samples of one series the later one says everything.
    """

    def __init__(self, pod: msgspec.Raw, run: str, interval_seconds: float, max_series: int = 10_000) -> None:
        self.body = b""  # the encoded snapshot in flight: what a retry sends, byte for byte
        self.given_up_snapshots = 0
        self.dropped_series = 0
        self._pod = pod
        self._run = run
        self._interval_seconds = interval_seconds
        self._max_series = max_series
        self._journal = ""
        self._sequence = 0
        self._in_flight: SnapshotRequest | None = None
        self._pending: tuple[Family, ...] | None = None
        self._taken_unix_ns = 0
        self._goodbye = False

    @property
    def is_empty(self) -> bool:
        """Nothing is in flight and nothing waits."""
        return self._in_flight is None and self._pending is None and not self._goodbye

    def offer(self, families: Iterable[Family], taken_unix_ns: int) -> None:
        """Add what was sampled at `taken_unix_ns`; it merges with what is still waiting to be frozen."""
        self._pending, dropped = merge(self._pending or (), families, self._max_series)
        self.dropped_series += dropped
        self._taken_unix_ns = taken_unix_ns

    def say_goodbye(self) -> None:
        """The next snapshot to be frozen is the last of this pod, even if nothing more is sampled."""
        self._goodbye = True

    def join(self, journal: str) -> None:
        """Believe in another journal: a snapshot in flight keeps its sequence and its samples, and is addressed anew."""
        if journal == self._journal:
            return
        self._journal = journal
        if self._in_flight is not None:
            self._freeze(msgspec.structs.replace(self._in_flight, journal=journal))

    def use(self, pod: msgspec.Raw) -> None:
        """Take the pod's new identity (labels may change while it runs) for the snapshots that are not frozen yet."""
        self._pod = pod

    def take(self) -> SnapshotRequest | None:
        """What to send now, its bytes in `body`: the snapshot in flight again, else what has gathered, else None."""
        if self._in_flight is None and not self.is_empty:
            self._sequence += 1
            request = SnapshotRequest(
                journal=self._journal,
                pod=self._pod,
                run=self._run,
                sequence=self._sequence,
                taken_unix_ns=self._taken_unix_ns,
                interval_seconds=self._interval_seconds,
                families=self._pending or (),
                goodbye=self._goodbye,
            )
            self._pending, self._goodbye = None, False
            self._freeze(request)
        return self._in_flight

    def answered(self, answer: SnapshotAnswer) -> Outcome:
        """Take in an answer to what `take` gave. Its `sequence` decides; the code only says what to do with a snapshot that was not taken."""
        if self._in_flight is None:
            return Outcome.KEPT
        if answer.code == Code.OTHER_JOURNAL:
            self.join(answer.journal)
            return Outcome.KEPT
        if self._journal and answer.journal != self._journal:
            return Outcome.KEPT  # a journal that was left has no say
        if answer.sequence >= self._in_flight.sequence:
            self._journal = answer.journal
            self._settle()
            return Outcome.TAKEN
        if answer.code in _GIVES_UP:
            self._settle()
            self.given_up_snapshots += 1
            return Outcome.GIVEN_UP
        return Outcome.KEPT

    def _freeze(self, request: SnapshotRequest) -> None:
        self._in_flight = request
        self.body = encode_request(request)

    def _settle(self) -> None:
        self._in_flight = None
        self.body = b""


def merge(older: Iterable[Family], newer: Iterable[Family], max_series: int) -> tuple[tuple[Family, ...], int]:
    """Both as one, the newer sample of a series winning, and how many series were over `max_series`: the older go first.

    A family that changed its type keeps only what it is now.
    """
    merged: dict[str, tuple[Family, dict[_Key, Sample]]] = {}
    room, dropped = max_series, 0
    for family in (*newer, *older):
        latest, known = merged.setdefault(family.name, (family, {}))
        if family.type != latest.type:
            continue
        for sample in family.samples:
            key = tuple(sorted(sample.labels.items()))
            if key in known:
                continue
            if room == 0:
                dropped += 1
                continue
            known[key] = sample
            room -= 1
    kept = (
        msgspec.structs.replace(family, samples=tuple(known.values())) for family, known in merged.values() if known
    )
    return tuple(kept), dropped
