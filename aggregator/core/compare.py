"""Compare and append (protocol rule 2): what a journal does with one frame, decided on rows alone.

Room: aggregator core. Never enters: SQLite, sockets, clocks. The journal runs this inside its transaction; the model test runs it on a dict.
"""

from dataclasses import dataclass, replace

from towline.wire.block import Code, Frame
from towline.wire.identity import EMPTY_PRINT, UNKNOWN_PRINT


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRow:
    """What a journal knows of one (stream, epoch). `delivered` is not here: it follows from what is owed."""

    epoch: int
    mark: int
    print: str = EMPTY_PRINT
    continues: bool = False  # the block that ended at the mark ended inside a line
    final: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """A range known not to be in this journal, and why: a frame's reason, or `elsewhere` (delivered before this journal knew the stream)."""

    start: int
    end: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What to write and what to answer. `row` is the row as it must stand afterwards (None: there is none, and none is made)."""

    code: Code
    row: StreamRow | None
    append: bool = False
    skip: int = 0
    continues: bool = False
    gap: Gap | None = None
    base_gap: Gap | None = None


def compare(frame: Frame, own: StreamRow | None, newest: StreamRow | None) -> Verdict:
    """Decide on `frame`, given the row of its own (stream, epoch) and the row of the stream's newest epoch.

    Never raises; bounds (end < start, sizes) were checked before.
    """
    if newest is not None and frame.epoch < newest.epoch:
        return _of_an_older_epoch(frame, own, newest)
    row, base_gap = _opened(frame, own, newest)
    if row is None:
        return Verdict(code=Code.REWIND, row=newest)
    if frame.start > row.mark:
        # A base that cannot be followed by its own bytes opens nothing: the row stands as it was.
        return Verdict(code=Code.REWIND, row=own if own is not None else newest)
    row = replace(row, final=row.final or frame.final, gone=row.gone or frame.gone)
    if frame.end <= row.mark:
        return Verdict(code=Code.STORED, row=row, base_gap=base_gap)
    return _appended(frame, row, base_gap)


def _of_an_older_epoch(frame: Frame, own: StreamRow | None, newest: StreamRow) -> Verdict:
    """An older epoch is compared with its own row only, and never appended to once a newer one exists."""
    if own is not None and frame.end <= own.mark:
        flagged = replace(own, final=own.final or frame.final, gone=own.gone or frame.gone)
        return Verdict(code=Code.STORED, row=flagged)
    return Verdict(code=Code.REWIND, row=newest)


def _opened(frame: Frame, own: StreamRow | None, newest: StreamRow | None) -> tuple[StreamRow | None, Gap | None]:
    """The row that the frame is compared with, opened or lifted to `base` where the frame may do that; None where it may not."""
    if own is None:
        follows = newest is None or frame.epoch == newest.epoch + 1
        if frame.base is None and not (follows and frame.start == 0):
            return None, None
        own = StreamRow(epoch=frame.epoch, mark=0)
    if frame.base is not None and frame.base > own.mark:
        lifted = replace(own, mark=frame.base, print=UNKNOWN_PRINT, continues=False)
        return lifted, Gap(own.mark, frame.base, "elsewhere")
    return own, None


def _appended(frame: Frame, row: StreamRow, base_gap: Gap | None) -> Verdict:
    skip = row.mark - frame.start
    gap = Gap(row.mark, frame.end, frame.reason) if frame.reason is not None else None
    moved = replace(row, mark=frame.end, print=frame.print, continues=frame.partial)
    return Verdict(
        code=Code.STORED,
        row=moved,
        append=gap is None,
        skip=skip,
        # What is skipped holds the start of the first line; whether the rest continues one is known from the block that ended at the mark.
        continues=row.continues if skip else frame.continues,
        gap=gap,
        base_gap=base_gap,
    )
