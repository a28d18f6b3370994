"""Which snapshot is sent: one at a time, frozen until it is answered, while the next one gathers (protocol rule 16).

Room: collector core. Never enters: sockets, clocks. What each code means stands in the table below.

Of a snapshot in flight only its bytes are held: it may be megabytes, and every pod pays for them.
"""

from enum import Enum, auto

import msgspec

from collector.core.gathered import NOTHING, Gathered, Merger
from towline.wire.block import Code
from towline.wire.codec import decode_request, encode_request
from towline.wire.snapshot import Scrape, SnapshotAnswer, SnapshotRequest


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
    """The sender's state: at most one snapshot in flight and one gathering, of at most `max_series` series beside what was scraped."""

    def __init__(self, pod: msgspec.Raw, run: str, interval_seconds: float, max_series: int) -> None:
        self.body = b""  # the encoded snapshot in flight: what a retry sends, byte for byte
        self.given_up_snapshots = 0
        self._pod = pod
        self._run = run
        self._interval_seconds = interval_seconds
        self._merger = Merger(max_series)
        self.dropped = self._merger.dropped  # by what it was: series, events, checks, stamped
        self._journal = ""
        self._sequence = 0
        self._in_flight_sequence = 0  # 0: nothing is in flight
        self._pending: Gathered | None = None
        self._taken_unix_ns = 0
        self._goodbye = False

    @property
    def is_empty(self) -> bool:
        """Nothing is in flight and nothing waits."""
        return not self._in_flight_sequence and self._pending is None and not self._goodbye

    @property
    def is_fresh(self) -> bool:
        """All that was offered is frozen or settled: what is offered next is not merged with anything."""
        return self._pending is None

    def offer(self, gathered: Gathered, taken_unix_ns: int) -> None:
        """Add what was gathered at `taken_unix_ns`; it merges with what is still waiting to be frozen."""
        self._pending = self._merger.merge(self._pending or NOTHING, gathered)
        self._taken_unix_ns = taken_unix_ns

    def make_room(self) -> None:
        """Every endpoint is about to be scraped anew: let go of the texts of those scrapes that wait, which the new ones replace."""
        if self._pending is not None and self._pending.scrapes:
            self._pending = msgspec.structs.replace(self._pending, scrapes=())

    def say_goodbye(self) -> None:
        """The next snapshot to be frozen is the last of this pod, even if nothing more is sampled."""
        self._goodbye = True

    def change(self, interval_seconds: float, max_series: int) -> None:
        """Go on with another configuration: what is in flight and what waits stays."""
        self._interval_seconds, self._merger.max_series = interval_seconds, max_series

    def join(self, journal: str) -> None:
        """Believe in another journal: a snapshot in flight keeps its sequence and its samples, and is addressed anew."""
        if journal == self._journal:
            return
        if self._in_flight_sequence:
            self.body = _addressed_anew(self.body, self._journal, journal)
        self._journal = journal

    def use(self, pod: msgspec.Raw) -> None:
        """Take the pod's new identity (labels may change while it runs) for the snapshots that are not frozen yet."""
        self._pod = pod

    def take(self) -> SnapshotRequest | None:
        """What `freeze` freezes, opened: for whoever wants to look at it."""
        return decode_request(self.body, SnapshotRequest) if self.freeze() else None

    def freeze(self) -> bool:
        """Whether there is something to send, its bytes in `body`: the snapshot in flight again, else what has gathered."""
        if not self._in_flight_sequence and not self.is_empty:
            self._sequence += 1
            pending = self._pending or NOTHING
            request = SnapshotRequest(
                journal=self._journal,
                pod=self._pod,
                run=self._run,
                sequence=self._sequence,
                taken_unix_ns=self._taken_unix_ns,
                interval_seconds=self._interval_seconds,
                families=pending.families,
                scrapes=pending.scrapes,
                stamped=pending.stamped,
                events=pending.events,
                checks=pending.checks,
                goodbye=self._goodbye,
            )
            self._pending, self._goodbye = None, False
            self._freeze(request)
        return self._in_flight_sequence > 0

    def answered(self, answer: SnapshotAnswer) -> Outcome:
        """Take in an answer to what `take` gave. Its `sequence` decides; the code only says what to do with a snapshot that was not taken."""
        if not self._in_flight_sequence:
            return Outcome.KEPT
        if answer.code == Code.OTHER_JOURNAL:
            self.join(answer.journal)
            return Outcome.KEPT
        if self._journal and answer.journal not in {"", self._journal}:
            return Outcome.KEPT  # a journal that was left has no say; "" is a proxy's word of the size
        if answer.sequence >= self._in_flight_sequence:
            self._journal = answer.journal
            self._settle()
            return Outcome.TAKEN
        return self._refused(answer.code)

    def _refused(self, code: int) -> Outcome:
        if code not in _GIVES_UP or (code == Code.TOO_LARGE and self._leave_out_the_app()):
            return Outcome.KEPT
        self._settle()
        self._sequence -= 1  # its name was never taken: numbers without holes tell a journal that it missed nothing
        self.given_up_snapshots += 1
        return Outcome.GIVEN_UP

    def _leave_out_the_app(self) -> bool:
        """Of a snapshot that is too large, keep what the pod measured: what its app said must not cost that. False where there is nothing to leave out."""
        said = decode_request(self.body, SnapshotRequest)
        own = tuple(family for family in said.families if family.source == "pod")
        texts = sum(bool(scrape.body) for scrape in said.scrapes)
        left = {
            "series": sum(len(one.samples) + len(one.distributions) for one in said.families if one.source != "pod"),
            "scrapes": texts,
            "stamped": len(said.stamped),
            "events": len(said.events),
            "checks": len(said.checks),
        }
        if not any(left.values()):
            return False
        self.dropped.update({kind: count for kind, count in left.items() if count})
        scrapes = tuple(without_text(scrape) if scrape.body else scrape for scrape in said.scrapes)
        self._freeze(msgspec.structs.replace(said, families=own, scrapes=scrapes, stamped=(), events=(), checks=()))
        return True

    def _freeze(self, request: SnapshotRequest) -> None:
        self._in_flight_sequence = request.sequence
        self.body = encode_request(request)

    def _settle(self) -> None:
        self._in_flight_sequence = 0
        self.body = b""


def _addressed_anew(body: bytes, old: str, new: str) -> bytes:
    """The same request for another journal, without opening it: the journal's name is its first field."""
    key = msgspec.msgpack.encode("journal")
    before = len(body[:1]) + len(key) + len(msgspec.msgpack.encode(old))
    return b"".join((body[:1], key, msgspec.msgpack.encode(new), memoryview(body)[before:]))


def without_text(scrape: Scrape) -> Scrape:
    """An endpoint that gave its text, for which there is no room: it counts as down."""
    return msgspec.structs.replace(scrape, up=False, error="no_room", content_type="", length=0, body=b"")
