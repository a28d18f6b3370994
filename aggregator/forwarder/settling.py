"""What an answer for a batch means for the journal: how far each block is settled, and which lines became dead letters.

Room: aggregator, forwarder. Pure. Never enters: sockets, clocks.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from aggregator.core.bisect import Refused
from aggregator.core.records import Batch, Debt, Slice
from aggregator.journal.words import DeadLetter, Settlement
from aggregator.sink import Receipt, Refusal


def joined(
    refused: Sequence[Refused[Batch]], part: Batch | None = None, receipt: Receipt | None = None
) -> tuple[Batch, Receipt]:
    """Refused lines and the part that came after them, as one batch with one receipt."""
    if part is not None and receipt is not None and not refused:
        return part, receipt
    parts, receipt = [one.part for one in refused] + [part] * (part is not None), receipt or Receipt()
    slices = tuple(piece for one in parts if one is not None for piece in one.slices)
    refusals = [Refusal(index, one.reason) for index, one in enumerate(refused)]
    refusals += [Refusal(one.index + len(refused), one.reason, one.keep) for one in receipt.refusals]
    return Batch(slices), Receipt(refusals, receipt.memo, receipt.truncated, receipt.settled)


def settlements_of(batch: Batch, debt: Debt, is_last_of: Callable[[Slice], bool]) -> list[Settlement]:
    """One settlement per block: its place after the last of its events in `batch`; blocks in which an event only began are done."""
    settlements: dict[int, Settlement] = {}
    for piece in batch.slices:
        for block_id, end in piece.covers:
            settlements[block_id] = Settlement(block_id, debt, end, done=True)
        settlements[piece.block_id] = Settlement(piece.block_id, debt, piece.end, is_last_of(piece))
    return list(settlements.values())


def dead_letters_of(batch: Batch, refusals: Sequence[Refusal], sink: str) -> list[DeadLetter]:
    """The refused lines that are kept, by their index in the batch."""
    kept = sorted({refusal.index: refusal for refusal in refusals if refusal.keep}.items())
    return [_letter(line, refusal.reason, sink) for line, (_, refusal) in zip(_picked(batch, kept), kept, strict=True)]


def _picked(batch: Batch, kept: Sequence[tuple[int, Refusal]]) -> Iterator[tuple[Slice, int]]:
    lines, passed = batch.lines(), 0
    for index, _ in kept:
        yield next(islice(lines, index - passed, None))
        passed = index + 1


def _letter(line: tuple[Slice, int], reason: str, sink: str) -> DeadLetter:
    piece, index = line
    start, end = piece.end_of(index), piece.end_of(index + 1)
    return DeadLetter(piece.block_id, sink, start, end, reason, bytes(piece.lines[index]))
