"""What is known of sinks and lanes while they run: for /status, /metrics and the log. Counts and states, never content.

Room: aggregator, forwarder. Never enters: I/O.
"""

import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Literal

from aggregator.core.ceiling import Ceiling
from aggregator.core.events import Count
from aggregator.core.records import Batch
from aggregator.journal.words import DeadLetter
from aggregator.sink import Receipt

_QUIET_SECONDS = 10.0
_REASONS = {"timeout": "timed_out", "toolarge": "too_large", "refuseseverything": "refuses_everything"}
_SHOWN_CHARACTERS = 200  # of an error's text, which a destination may have had a part in


@dataclass(slots=True)
class LaneState:
    """A lane as /status shows it."""

    lane: str
    state: Literal["idle", "sending", "waiting", "held"] = "idle"
    reason: str = ""  # the type of the error that is waited out
    attempts: int = 0  # failed since the last success
    last_error: str = ""
    last_success_unix: float | None = None
    refused_in_a_row: int = 0  # single lines, since anything was accepted
    ceiling: Ceiling = field(default_factory=Ceiling)
    ceilings: dict[str, Ceiling] = field(default_factory=dict)  # of a sink of metrics, by route

    def fail(self, error: BaseException, *, held: bool) -> None:
        """Note a failure after which the same bytes go again."""
        self.state = "held" if held else "waiting"
        self.reason = reason_of(error)
        self.attempts += 1
        self.last_error = f"{self.reason}: {error}"[:_SHOWN_CHARACTERS]

    def succeed(self, now_unix: float) -> bool:
        """Note a success. True where it ends a failure."""
        recovered = self.attempts > 0
        self.state, self.reason, self.attempts, self.last_success_unix = "sending", "", 0, now_unix
        self.refused_in_a_row = 0
        return recovered


@dataclass(slots=True)
class SinkState:
    """What a sink has done in this life of the process, and its lanes. A line of a sink of metrics is a point."""

    delivered_lines: int = 0
    delivered_bytes: int = 0
    sent_batches: int = 0
    truncated_lines: int = 0  # delivered, but cut to what the destination takes
    dead_letters: int = 0
    refused: Counter[str] = field(default_factory=Counter)  # by the sink's reason, kept as dead letters or not
    tally: Counter[Count] = field(default_factory=Counter)  # what routes did to lines: dropped, not parsed, cut
    failures: Counter[str] = field(default_factory=Counter)  # by the error's type
    lanes: dict[str, LaneState] = field(default_factory=dict)
    ready: bool = False  # what the journal remembers was recalled
    said: dict[str, float] = field(default_factory=dict)  # when an event was last logged
    may_stop_the_start: bool = True  # a ConfigError that the sink itself raises

    def succeed(self, before: "SinkState | None") -> None:
        """Go on counting for the sink of this name that an earlier configuration had."""
        self.may_stop_the_start = False
        if before is None:
            return
        for name in ("delivered_lines", "delivered_bytes", "sent_batches", "truncated_lines", "dead_letters"):
            setattr(self, name, getattr(before, name))
        self.refused, self.failures, self.tally = before.refused, before.failures, before.tally

    def count(self, part: Batch, receipt: Receipt, dead: Sequence[DeadLetter]) -> None:
        """Count what a destination has answered for."""
        self.sent_batches += 1
        self.delivered_lines += len(part) - len(receipt.refusals)
        self.delivered_bytes += sum(piece.size_bytes for piece in part.slices) - sum(len(it.line) for it in dead)
        self.truncated_lines += receipt.truncated
        self.dead_letters += len(dead)
        self.refused.update(refusal.reason for refusal in receipt.refusals)

    def count_points(self, points: int, size_bytes: int, refused: Counter[str], *, is_batch: bool) -> None:
        """Count what a destination of metrics took of a batch, and what it did not get or refused, by reason."""
        self.sent_batches += is_batch
        self.delivered_lines += points
        self.delivered_bytes += size_bytes
        self.refused.update(refused)

    def may_say(self, event: str, now: float) -> bool:
        """True at most every ten seconds for each event: an outage has thousands of lanes and batches, and one cause."""
        if now - self.said.get(event, -_QUIET_SECONDS) < _QUIET_SECONDS:
            return False
        self.said[event] = now
        return True


def reason_of(error: BaseException) -> str:
    """A word from a closed list for an error: its class, without the ending all have."""
    name = type(error).__name__.removesuffix("Error").lower()
    return _REASONS.get(name, name)


def place_of(error: BaseException) -> str:
    """An unexpected error's type and where it was raised, without its text."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {PurePath(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"
