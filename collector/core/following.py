"""What `Tail` remembers of streams, of files that may be copies, and of contents that came to their end.

Room: core. Never enters: the file system, clocks.
"""

from collections import deque
from dataclasses import dataclass, field

import msgspec

from collector.core.files import FileKey, Position, Seen
from towline.wire.identity import EMPTY_PRINT, PRINT_BYTES, Origin

MARKS_KEPT = 8  # positions remembered of each stream: a copy may be shorter than what was read since it was made


@dataclass(slots=True)
class Broken:
    """The file no longer holds what was read of it. `size` is the last one seen before; the round says when it was noticed."""

    round: int
    size: int


@dataclass(slots=True, kw_only=True)
class Followed:
    """A live stream. `key` is the file that its epoch is read from, `home` the file that the next epoch will be in; mostly the same."""

    stream_id: str
    origin: Origin
    head_bytes: int
    key: FileKey
    home: FileKey
    position: Position
    path: str
    size: int = 0  # readable bytes of `key` as last seen: decompressed where it is packed
    mtime_ns: int = 0
    packed: bool = False
    head: bytes = b""
    marks: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=MARKS_KEPT))
    changed_at: float = 0.0
    previous_size: int = 0  # before the last change
    broken: Broken | None = None
    unlinked: bool = False
    vanished_at: float | None = None
    lost_after: int = 0  # while a copy is read to its end: bytes known to be missing in it
    since_round: int = 0  # the scan that first showed it
    missing_said: bool = False
    complete: bool = False  # resumed, and the journal was told before that nothing comes after
    resumed_at: int | None = None  # where it went on after a start: until it moves, it is not known to be whole

    @property
    def epoch(self) -> int:
        return self.position.epoch

    @property
    def offset(self) -> int:
        return self.position.offset

    @property
    def intact(self) -> bool:
        """Its file is there and holds what was read of it, as far as is known."""
        return self.broken is None and self.vanished_at is None

    @property
    def draining(self) -> bool:
        """The rest of an epoch is being read from a copy."""
        return self.key != self.home

    def note(self, position: Position) -> None:
        """Take over what custody knows; a position of an epoch that is over says nothing any more."""
        if position.epoch < self.epoch:
            return
        if position.epoch > self.epoch:
            self.marks.clear()
        if position.print is None and (position.epoch, position.offset) == (self.epoch, self.offset):
            position = msgspec.structs.replace(position, print=self.position.print)  # the row's print is still true
        self.position = position
        mark = (position.offset, position.print or "")
        if position.offset and position.print and (not self.marks or self.marks[-1] != mark):
            self.marks.append(mark)

    @property
    def unproven(self) -> bool:
        """True from a start until a read succeeded: while the collector was down its file may have been rotated more than once."""
        return self.resumed_at is not None and self.resumed_at == self.offset

    def turn(self) -> None:
        """Begin the next epoch, at 0 of `home`."""
        self.key = self.home
        self.position = Position(self.epoch + 1, 0, EMPTY_PRINT)
        self.marks.clear()
        self.head = b""
        self.broken, self.packed, self.lost_after, self.resumed_at, self.complete = None, False, 0, None, False

    def is_named(self, path: str) -> bool:
        """True if the file of that path stands where this one stood: a log made anew, unless the content says much else."""
        return self.offset < PRINT_BYTES and path in (self.path, self.origin.path)


@dataclass(slots=True)
class Candidate:
    """A file that is no stream yet. `wanted` ones become streams unless they turn out to be copies; the others can only be copies."""

    seen: Seen
    grew_at: float
    wanted: bool
    packed: bool = False
    twin: str = ""  # the stream that it looks like a copy of
    caught_up_at: float | None = None  # when it became as long as that stream's file
    announced: bool = False
    settled: bool = False  # looked at after it came to rest: nothing more to do until it changes


@dataclass(frozen=True, slots=True)
class Ended:
    """A content that is complete: a closed epoch, or a stream whose file went. Copies of it may still turn up (`x.log.1.gz`)."""

    stream_id: str
    epoch: int
    offset: int
    print: str
    path: str


@dataclass(slots=True)
class Copy:
    """A file of which `covered` bytes are in another stream: only what is appended beyond them is new."""

    stream_id: str
    epoch: int
    covered: int
    packed: bool = False
