"""Blocks on their way to a destination: what is owed, the lines in it, and what a sink is handed.

Room: aggregator core. Never enters: vendors, sockets, clocks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, compress

from aggregator.core.events import Count, Details, Texts
from aggregator.core.lines import Lines
from towline.wire.identity import Origin, Pod


@dataclass(frozen=True, slots=True)
class Debt:
    """Who is to get a block: a sink, and the lane in it that fails and is ordered as one."""

    sink: str
    lane: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OwedBlock:
    """One stored block as one sink still owes it: the stream's bytes `[start, end)`, of which those below `place` are settled.

    `place` is the larger of `start + skip` and what was settled; `body` is compressed as it came.
    """

    block_id: int
    stream: str
    epoch: int
    start: int
    end: int
    place: int
    codec: str
    body: bytes
    read_unix_ns: int
    partial: bool
    continues: bool
    pod: Pod
    origin: Origin


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Consecutive lines of one block, without their LF, as raw UTF-8 bytes that may be invalid: the unit of work. Never per line.

    `start` is the stream offset of the first line. `ends` is set where lengths differ from offsets: an encoding, or a route's steps.
    `lines` may be given as any sequence of lines. `details` are what a route's steps found out, None where none was asked.
    `covers`: blocks before this one that are settled with it, and their ends (an event began there). `tally`: what is counted with it.
    """

    block_id: int
    stream: str
    epoch: int
    start: int
    end: int
    lines: Lines | Texts
    pod: Pod
    origin: Origin
    read_unix_ns: int
    partial: bool = False  # the last line goes on in the next block
    continues: bool = False  # the first line began in the block before
    ends: Sequence[int] | None = None
    details: Details | None = None
    covers: tuple[tuple[int, int], ...] = ()
    tally: Mapping[Count, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.lines, Lines | Texts):
            object.__setattr__(self, "lines", Lines.of(self.lines))

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def size_bytes(self) -> int:
        """Bytes of all lines, without line ends."""
        return self.lines.size_bytes

    def end_of(self, count: int) -> int:
        """The stream offset after the first `count` lines: where `from` stands once they are settled."""
        if count >= len(self.lines):
            return self.end
        if self.ends is not None:
            return self.ends[count - 1] if count else self.start
        return self.start + sum(map(len, self.lines[:count])) + count

    def cut(self, first: int, last: int) -> "Slice":
        """Lines `[first, last)` as a slice of their own."""
        is_last = last >= len(self.lines)
        texts = self.lines[first:last]
        return replace(
            self,
            start=self.end_of(first),
            end=self.end_of(last),
            lines=Texts(texts) if isinstance(self.lines, Texts) else Lines.of(texts),
            partial=self.partial and is_last,
            continues=self.continues and first == 0,
            ends=None if self.ends is None else self.ends[first:last],
            details=self.details and self.details.cut(first, last),
            covers=self.covers if first == 0 else (),
            tally=self.tally if is_last else {},
        )

    def known_ends(self) -> Sequence[int]:
        """The stream offset after each line."""
        if self.ends is not None:
            return self.ends
        ends = list(accumulate((len(line) + 1 for line in self.lines), initial=self.start))[1:]
        if ends:
            ends[-1] = self.end
        return ends

    def known_details(self) -> Details:
        """The columns, made where nobody has asked for them yet."""
        return self.details if self.details is not None else Details.unknown(len(self.lines), self.read_unix_ns)

    def kept(self, wanted: Sequence[object]) -> "Slice":
        """Those lines whose `wanted` is true. What is dropped is settled with them: start and end stay."""
        if all(wanted):
            return self
        return replace(
            self,
            lines=Texts(compress(self.lines, wanted)),
            ends=list(compress(self.known_ends(), wanted)),
            details=self.details and self.details.kept(wanted),
            partial=self.partial and bool(wanted[-1]),
            continues=self.continues and bool(wanted[0]),
        )

    def event_ids(self) -> list[str]:
        """One `stream:epoch:end` per line: the same for every copy of the same bytes."""
        head = f"{self.stream}:{self.epoch}:"
        if self.ends is not None:
            return [f"{head}{end}" for end in self.ends]
        ids, offset = [], self.start
        for line in self.lines[:-1]:
            offset += len(line) + 1
            ids.append(f"{head}{offset}")
        return [*ids, f"{head}{self.end}"]


@dataclass(frozen=True)
class Batch:
    """What one `send` carries: slices of any number of blocks and pods, all of one lane and one `key`."""

    slices: tuple[Slice, ...]
    key: str = ""

    def __len__(self) -> int:
        return sum(map(len, self.slices))

    @property
    def size_bytes(self) -> int:
        """Bytes of all lines, without line ends."""
        return sum(piece.size_bytes for piece in self.slices)

    def halves(self) -> tuple["Batch", "Batch"]:
        """The first and the second half by lines. Only for a batch of two lines or more."""
        middle, first, second = len(self) // 2, [], []
        for piece in self.slices:
            take = min(max(middle, 0), len(piece))
            if take:
                first.append(piece if take == len(piece) else piece.cut(0, take))
            if take < len(piece):
                second.append(piece if take == 0 else piece.cut(take, len(piece)))
            middle -= len(piece)
        return Batch(tuple(first), self.key), Batch(tuple(second), self.key)

    def lines(self) -> Iterator[tuple[Slice, int]]:
        """Every line as (slice, index in it), in order: the numbering that a Refusal uses."""
        for piece in self.slices:
            for index in range(len(piece)):
                yield piece, index
