"""When to look, when to send: the first line after quiet at once, then at most one request per flush interval.

Room: collector core. Never enters: clocks, event loops.
"""

from dataclasses import dataclass

POLL_FIRST_SECONDS = 0.5  # while something waits for delivery, the journal is asked (rule 8) ...
POLL_MOST_SECONDS = 5.0  # ... ever less often while nothing moves
HEARTBEAT_SECONDS = 60.0  # a pod that says nothing is still there


@dataclass(slots=True, kw_only=True)
class Pace:
    """Sans-IO: turns what happened into the next moment to act. All times monotonic seconds."""

    flush_seconds: float
    scan_seconds: float
    sent_at: float = float("-inf")
    scanned_at: float = float("-inf")
    hold_until: float = float("-inf")  # told to wait, or backing off
    gather_seconds: float = 0.0  # `next_ms` of the last answer
    poll_seconds: float = POLL_FIRST_SECONDS
    more: bool = False  # the last look left bytes unread: the window was full

    def may_send_at(self) -> float:
        """The earliest moment for a request that carries data."""
        gather = self.gather_seconds if self.more else max(self.flush_seconds, self.gather_seconds)
        return max(self.sent_at + gather, self.hold_until)

    def must_ask_at(self, *, waiting: bool) -> float:
        """The moment for a request even if there is nothing to say."""
        quiet = max(self.poll_seconds, self.gather_seconds) if waiting else HEARTBEAT_SECONDS
        return max(self.sent_at + quiet, self.hold_until)

    def next_look_at(self, *, changed: bool, waiting: bool) -> float:
        """The moment to look at the files again, or to ask the journal, whichever comes first."""
        look = self.scanned_at + self.scan_seconds
        if changed or self.more:
            look = min(look, self.may_send_at())
        return min(look, self.must_ask_at(waiting=waiting))

    def answered(self, now: float, *, next_ms: int, moved: bool) -> None:
        """An answer came: be as quick as it allows."""
        self.sent_at, self.hold_until = now, float("-inf")
        self.gather_seconds = min(next_ms / 1000, POLL_MOST_SECONDS)
        self.poll_seconds = POLL_FIRST_SECONDS if moved else min(POLL_MOST_SECONDS, self.poll_seconds * 2)

    def failed(self, now: float, delay_seconds: float) -> None:
        """Nothing before then: told so, or backing off."""
        self.sent_at, self.hold_until = now, now + delay_seconds
