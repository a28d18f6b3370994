"""Lines to events, the frame: blocks, offsets, what stays open. Which lines belong together is its scanner's word.

Room: aggregator core. Never enters: clocks, threads, the journal. The same bytes give the same events, however they were cut into blocks.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import NamedTuple, Protocol

from aggregator.core.events import CUT, Count, Details, Notes, Tally, Texts
from aggregator.core.lines import Lines
from aggregator.core.records import Slice

_LINE_FEED = b"\n"
_TIMEOUT = "timeout"


class Joined(NamedTuple):
    """What became of lines. `complete`: the events in their order; each slice is of one block (and may cover earlier ones), none is empty.

    `open`: the event that may go on in the stream's next lines, from its first byte on. It is held back, and its blocks stay owed.
    """

    complete: Sequence[Slice]
    open: Slice | None


class Joining(Protocol):
    """Joins the lines of one stream."""

    @property
    def key(self) -> str:
        """Two that have the same make the same events."""

    @property
    def timeout_seconds(self) -> float:
        """How long an open event waits for more after its newest line came."""

    def join(self, held: Slice | None, piece: Slice | None, *, after_timeout: bool = False) -> Joined:
        """The events of `held` (what was open) and `piece`, the stream's next lines. `piece` None: nothing more is waited for.

        `after_timeout`: what lies right before `piece` was not waited for any longer, so lines that go on with it were cut off.
        """


class Scanned(NamedTuple):
    """Where events begin in a text. `starts`: of all but the open one, from 0 on; None: each line is an event. `cuts`: reasons, by start.

    open_from: where the open event begins; the text's length where none is open.
    """

    starts: Sequence[int] | None
    open_from: int
    cuts: Mapping[int, str]


class Scanner(Protocol):
    """One way to tell which lines belong together."""

    def scan(self, text: bytes, *, final: bool) -> Scanned:
        """The events of a text that begins with one. `final`: nothing follows, so none stays open."""

    def goes_on(self, text: bytes) -> bool:
        """Whether the first line of a text is one that goes on with an event before it."""


@dataclass(frozen=True, kw_only=True)
class LineJoining:
    """Joins as its scanner says. `name`: as the configuration calls it, for what is counted."""

    name: str
    key: str
    scanner: Scanner
    timeout_seconds: float

    def join(self, held: Slice | None, piece: Slice | None, *, after_timeout: bool = False) -> Joined:
        if held is not None and piece is not None and not _follows(held, piece):
            before, after = self.join(held, None), self.join(None, piece)
            return Joined([*before.complete, *after.complete], after.open)
        if not (held is not None and held.lines) and not (piece is not None and piece.lines):
            return Joined([], None)
        whole = _Whole(held, piece)
        found = self.scanner.scan(whole.text, final=piece is None)
        cuts = dict(found.cuts)
        complete = self._complete(whole, found, cuts)
        opened = None
        if found.open_from < len(whole.text):
            opened = whole.part(found.open_from, len(whole.text))
            if held is not None and not found.open_from:
                opened = replace(opened, details=held.details, tally=held.tally)
        if held is None and after_timeout and self.scanner.goes_on(whole.text):
            complete, opened = self._cut_off(complete, opened)
        elif held is not None and held.details is not None and complete:
            complete[0] = self._noted(complete[0], _TIMEOUT)
        return Joined(complete, opened)

    def _complete(self, whole: "_Whole", found: Scanned, cuts: Mapping[int, str]) -> list[Slice]:
        """Events that began in an earlier block one by one, all others together."""
        middle, starts, stop = whole.middle, found.starts, found.open_from
        if starts is None:
            if not middle:
                return [whole.lines(stop)] if stop else []
            starts = _line_starts(whole.text, stop)
        first_new = bisect_left(starts, middle)
        bounds = [*starts, stop]
        made = [
            self._cut(whole.events(bounds[index : index + 2]), bounds[index : index + 1], cuts)
            for index in range(first_new)
        ]
        if first_new < len(starts):
            made.append(self._cut(whole.events(bounds[first_new:]), starts[first_new:], cuts))
        return made

    def _cut(self, piece: Slice, starts: Sequence[int], cuts: Mapping[int, str]) -> Slice:
        """Note and count the events that a limit has cut."""
        reasons = [cuts.get(start) for start in starts] if cuts else []
        if not any(reasons):
            return piece
        notes: list[Notes | None] = [{CUT: reason} if reason else None for reason in reasons]
        tally = Tally(piece.tally)
        for reason in filter(None, reasons):
            tally.note(Count("cut", self.name, reason), 1)
        return replace(piece, details=_with_notes(piece, notes), tally=tally)

    def _cut_off(self, complete: list[Slice], opened: Slice | None) -> tuple[list[Slice], Slice | None]:
        """Note that the first event is the rest of one that went before."""
        if complete:
            return [self._noted(complete[0], _TIMEOUT), *complete[1:]], opened
        # Its details stay with it until it is complete.
        return [], opened and self._noted(opened, _TIMEOUT)

    def _noted(self, piece: Slice, reason: str) -> Slice:
        """The slice with a note at its first event."""
        known = piece.known_details().notes
        tally = Tally(piece.tally)
        tally.note(Count("cut", self.name, reason), 1)
        return replace(piece, details=_with_notes(piece, [{**(known[0] or {}), CUT: reason}, *known[1:]]), tally=tally)


def _follows(held: Slice, piece: Slice) -> bool:
    return (held.stream, held.epoch, held.end) == (piece.stream, piece.epoch, piece.start)


def _with_notes(piece: Slice, notes: Sequence[Notes | None]) -> Details:
    return replace(piece.known_details(), notes=notes)


def _line_starts(text: bytes, stop: int) -> list[int]:
    lengths = (len(line) + 1 for line in text[:stop].split(_LINE_FEED))
    return [start for start in accumulate(lengths, initial=0) if start < stop]


class _Whole:
    """What is held and what follows it, as one text: `text`, of which `middle` bytes were held."""

    def __init__(self, held: Slice | None, piece: Slice | None) -> None:
        parts = [part for part in (held, piece) if part is not None]
        texts = [_text_of(part) for part in parts]
        self.text = texts[0] if len(texts) == 1 else b"".join(texts)
        self.middle = len(texts[0]) if held is not None else 0
        self._parts = parts
        self._blocks = [block for part in parts for block in (*part.covers, (part.block_id, part.end))]
        self._places = _places(self.text, parts) if any(part.ends is not None for part in parts) else None

    def lines(self, stop: int) -> Slice:
        """All lines before `stop` of what follows, each an event."""
        (piece,) = self._parts
        return piece if stop == len(self.text) else self.part(0, stop)

    def part(self, start: int, stop: int) -> Slice:
        """Text as it came, line by line."""
        source, is_last = self._source(start), stop == len(self.text)
        return self._placed(
            replace(
                source,
                lines=Lines(self.text[start:stop]),
                ends=self._line_ends(start, stop),
                partial=is_last and self._parts[-1].partial,
                continues=source.continues and start in (0, self.middle),
                details=None,
                tally={},
            ),
            (self.offset(start), self.offset(stop)),
        )

    def events(self, bounds: Sequence[int]) -> Slice:
        """The events that lie between bounds."""
        source, text, ends = self._source(bounds[0]), self.text, self._offsets(bounds[1:])
        made = replace(
            source,
            lines=Texts(text[a:b].removesuffix(_LINE_FEED) for a, b in pairwise(bounds)),
            ends=ends,
            partial=self._parts[-1].partial and bounds[-1] == len(text),
            continues=source.continues and bounds[0] in (0, self.middle),
            details=None,
            tally={},
        )
        return self._placed(made, (self.offset(bounds[0]), ends[-1]))

    def offset(self, position: int) -> int:
        """The stream offset of a place in the text; within a line whose length says nothing, of its begin: rather twice than never."""
        if self._places is None:
            return self._parts[0].start + position
        positions, offsets = self._places
        return offsets[bisect_right(positions, position) - 1]

    def _offsets(self, positions: Sequence[int]) -> list[int]:
        if self._places is None:
            base = self._parts[0].start
            return [base + position for position in positions]
        return [self.offset(position) for position in positions]

    def _line_ends(self, start: int, stop: int) -> list[int] | None:
        if self._places is None:
            return None
        positions, offsets = self._places
        return list(offsets[bisect_right(positions, start) : bisect_left(positions, stop) + 1])

    def _source(self, start: int) -> Slice:
        """The part in which an event begins: its time is the one at which that was read."""
        return self._parts[0] if start < self.middle else self._parts[-1]

    def _placed(self, made: Slice, place: tuple[int, int]) -> Slice:
        """With its range, the block in which that ends, and those before in which it begins."""
        start, end = place
        index = bisect_left([stop for _, stop in self._blocks], end)
        covers = tuple(block for block in self._blocks[:index] if block[1] > start)
        return replace(made, start=start, end=end, block_id=self._blocks[index][0], covers=covers)


def _text_of(part: Slice) -> bytes:
    """The lines as they came, the last with its LF unless its end has not come yet."""
    return part.lines.text() + (b"" if part.partial or not part.lines.is_ended else _LINE_FEED)


def _places(text: bytes, parts: Sequence[Slice]) -> tuple[list[int], list[int]]:
    """Where lines end in a text whose lengths are not those of the stream, from 0 on, and the stream offset of each place."""
    known: list[int] = []
    for index, part in enumerate(parts):
        if index and _is_unended(parts[0]):
            known.pop()
        known += part.known_ends()
    lengths = [len(line) + 1 for line in text.removesuffix(_LINE_FEED).split(_LINE_FEED)]
    positions = list(accumulate(lengths, initial=0))
    positions[-1] = len(text)
    return positions, [parts[0].start, *known]


def _is_unended(part: Slice) -> bool:
    return part.partial or not part.lines.is_ended
