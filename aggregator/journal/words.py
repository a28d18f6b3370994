"""What goes into the journal, what comes out of it, and what it raises.

Room: aggregator journal. Never enters: SQLite, threads.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from aggregator.core.records import Debt
from towline.plumbing.errors import RetryableError, TowlineError
from towline.wire.block import Delivered, Frame, FrameAnswer
from towline.wire.identity import Pod

RETRY_FULL_SECONDS = 5.0
RETRY_REPLACED_SECONDS = 1.0


class JournalFullError(RetryableError):
    """Nothing was stored; the same may pass after `retry_after_seconds`. `sink` is who holds the room ("": none in particular)."""

    def __init__(self, message: str, retry_after_seconds: float = RETRY_FULL_SECONDS, sink: str = "") -> None:
        super().__init__(message, retry_after_seconds)
        self.sink = sink


class JournalDownError(TowlineError):
    """The journal cannot go on, here or later: the process ends with exit code 4."""


class DamageError(TowlineError):
    """The file cannot be believed any more. Never leaves the journal: it is set aside and another one begins."""


@dataclass(frozen=True, slots=True)
class Share:
    """A sink's part of the journal, and what happens when it is used up."""

    name: str
    max_bytes: int
    when_full: Literal["hold", "shed"] = "hold"


@dataclass(frozen=True, slots=True)
class Submission:
    """One `POST /v1/blocks` of one pod; bodies and bounds were checked before. Each frame with who is owed it if it is appended.

    `journal` is the journal_id that the request believes in ("": whichever is open).
    """

    pod: Pod
    run: str
    since: int
    goodbye: bool
    frames: Sequence[tuple[Frame, Sequence[Debt]]]
    journal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Custody:
    """What is kept of a `POST /v1/snapshots`: the request's bytes, for the sinks that are `owed` it.

    body: as `codec` says; of `length` bytes when opened. goodbye: it is the pod's last word.
    """

    taken_unix_ns: int = 0
    goodbye: bool = False
    codec: Literal["zstd", "none"] = "none"
    body: bytes = b""
    length: int = 0
    owed: Sequence[Debt] = ()


NO_CUSTODY = Custody()


@dataclass(frozen=True, slots=True)
class Appended:
    """What became of a submission: one answer per frame, the rows that moved since `since`, and the `until` to say next time."""

    frames: Sequence[FrameAnswer]
    delivered: Sequence[Delivered]
    until: int


@dataclass(frozen=True, slots=True)
class Settlement:
    """A destination answered for a block up to `place`; `done`: for all of it."""

    block_id: int
    debt: Debt
    place: int
    done: bool


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A line that a destination refused for good: stream offsets `[start, end)`."""

    block_id: int
    sink: str
    start: int
    end: int
    reason: str
    line: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLetter:
    """A dead letter as it lies in the journal; `number` grows."""

    number: int
    sink: str
    pod_uid: str
    stream: str
    epoch: int
    start: int
    end: int
    reason: str
    line: bytes
    kept_unix_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GapRecord:
    """A range known not to be here, or not to reach `sink` ("": any)."""

    pod_uid: str
    stream: str
    epoch: int
    start: int
    end: int
    reason: str
    sink: str
    noted_unix_ns: int


@dataclass(frozen=True, slots=True)
class Count:
    """How many, and how many bytes they stand for."""

    number: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkStatus:
    """What one push sink is owed. `oldest_owed_unix_ns`: read time of the oldest block (None: owed nothing)."""

    owed_bytes: int
    owed_blocks: int
    oldest_owed_unix_ns: int | None
    dead_letters: int
    dead_letter_bytes: int
    share_bytes: int
    when_full: str
    full: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStatus:
    """The journal at one moment, from memory. `closed_by`: the sink that closed the intake, `disk`, or None while it is open."""

    journal_id: str
    path: str
    used_bytes: int
    max_bytes: int
    reserve_bytes: int
    aside_bytes: int
    closed_by: str | None
    sinks: Mapping[str, SinkStatus]
    gaps: Mapping[str, Count]


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """One row with whose it is, for people."""

    pod_uid: str
    namespace: str
    pod: str
    heard_seconds_ago: float
    stream: str
    epoch: int
    path: str
    container: str
    size: int
    mark: int
    delivered: int
    final: bool
    gone: bool


@dataclass(slots=True)
class Counters:
    """What the journal did since this process started. A metric each, by this name."""

    appended_blocks: int = 0
    appended_bytes: int = 0
    duplicate_frames: int = 0
    rewound_frames: int = 0
    foreign_frames: int = 0
    unowed_frames: int = 0
    refused_submissions: int = 0
    settled_blocks: int = 0
    shed_blocks: int = 0
    released_blocks: int = 0
    appended_snapshots: int = 0
    shed_snapshots: int = 0  # nothing that adds up is lost by it
    released_snapshots: int = 0
    dead_letters: int = 0
    dropped_dead_letters: int = 0
    swept_rows: int = 0
    commits: int = 0
    reserves_given_up: int = 0
    journals_set_aside: int = 0
    reowed_blocks: int = 0
    returned_blocks: int = 0
    unreadable_blocks: int = 0
    gaps: dict[str, int] = field(default_factory=dict)  # bytes by reason
