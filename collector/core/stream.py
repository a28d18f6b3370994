"""One stream's side of the protocol: what is said, what the journal answers, and where that leaves the reading.

Room: collector core. Never enters: files, sockets, clocks. docs/design/wire.md gives the rules by number.
"""

from collections.abc import Collection
from dataclasses import dataclass

import msgspec

from collector.core.file_side import FileSide, Held
from towline.wire.block import MAX_BLOCK_BYTES, Code, Frame, FrameAnswer, GapReason, Row
from towline.wire.identity import UNKNOWN_PRINT

SMALLEST_BLOCK_BYTES = 4096  # halving ends here


@dataclass(slots=True, kw_only=True)
class Stream(FileSide):
    """The state of one stream: its file's side, and what the journal that we believe in was told and said."""

    base: tuple[int, int] | None = (
        None  # (epoch, offset): what the next frame of that epoch says of everything before it
    )
    said_gone: bool = False
    reread: bool = False  # the journal could not read the head: once more, then it is a gap
    lost_bytes: int = 0  # read or stored once, and in no journal that we believe in any more
    unreadable_bytes: int = 0  # refused by the journal twice as unreadable

    @property
    def is_over(self) -> bool:
        """Nothing is left to read, to say, or to wait for."""
        return self.gone and self.said_gone and not self.queue and not self.waiting_bytes

    # What travels.

    def outgoing(self) -> Frame | None:
        """The frame to send now; None where there is nothing to say. The same one until it is answered."""
        if not self.queue and self.gone and not self.said_gone:
            self.queue.append(self._word(self.place, final=True, gone=True, print_at_end=self.print or UNKNOWN_PRINT))
        if not self.queue:
            return None
        head = self.queue[0]
        if self.base is not None and self.base[0] == head.epoch:
            return msgspec.structs.replace(head, base=self.base[1])
        return head

    def answered(self, answer: FrameAnswer) -> None:
        """Follow the journal's word on the head of the queue."""
        if not self.queue:
            return
        head = self.queue[0]
        if answer.code == Code.STORED:
            self._stored(head, answer)
        elif answer.code == Code.REWIND:
            self._redirected(head, answer)
        elif answer.code == Code.TOO_LARGE and self._may_reread(head):
            self.limit_bytes = max(SMALLEST_BLOCK_BYTES, (head.end - head.start) // 2)
            self._go_back(head.epoch, head.start)
        elif answer.code == Code.UNREADABLE:
            self._not_readable(head)

    def moved(self, epoch: int, delivered: int) -> None:
        """The journal delivered this epoch up to here; it never goes down."""
        held = self.held.get(epoch)
        if held is None:
            return
        held.delivered = max(held.delivered, min(delivered, held.stored))
        if epoch != self.epoch:
            if held.delivered == held.stored and not any(frame.epoch == epoch for frame in self.queue):
                del self.held[epoch]
            return
        while self.prints and (oldest := next(iter(self.prints))) < held.delivered:
            del self.prints[oldest]

    # A journal that we did not know.

    def adopt(self, rows: list[Row]) -> int:
        """Take a journal's rows of this stream as where to go on, never below our own `delivered`.

        Returns the bytes that were stored elsewhere, not delivered, and are given up: sent again, so that copies are possible.
        """
        marks = {row.epoch: row for row in rows}
        newest = max(marks, default=-1)
        given_up = sum(
            max(0, held.stored - max(held.delivered, marks[epoch].mark if epoch in marks else 0))
            for epoch, held in self.held.items()
        )
        self.base, self.said_gone = None, False
        first = self.queue[0].epoch if self.queue else self.epoch
        if newest > self.epoch:
            self._jump(newest, marks[newest].mark, marks[newest].print)
        else:
            self._drop_epochs_below(newest)
            first = max(first, newest)
            row = marks.get(first)
            self._take_up(first, row.mark if row else None, row.print if row else None)
            self._forget_epochs_but(marks)
        for epoch, row in marks.items():
            if epoch <= self.epoch:
                self._hold(epoch, row.mark, row.delivered)
        return given_up

    def _take_up(self, epoch: int, mark: int | None, print_at_mark: str | None) -> None:
        """Go on in `epoch` where the journal stands (None: it has no row), never below `delivered`."""
        known = self.held.setdefault(epoch, Held())
        if mark is not None and mark >= known.delivered:
            at = mark
            if print_at_mark and epoch == self.epoch:
                self.prints[mark] = print_at_mark
        else:
            at = known.delivered
            if mark is not None or at or epoch:
                self.base = (epoch, at)
        known.stored = at
        if not (self.queue and (self.queue[0].epoch, self.queue[0].start) == (epoch, at)):
            self._go_back(epoch, at)

    def _go_back(self, epoch: int, offset: int) -> None:
        """Say everything of `epoch` from `offset` on: read it again where the file is at hand, else keep what is in memory."""
        if epoch == self.epoch and self.key is not None:
            self.queue.clear()
            self.print, self.place = self.print_at(offset), offset
            return
        while (
            self.queue and self.queue[0].epoch == epoch and self.queue[0].end <= offset and self.queue[0].start < offset
        ):
            self.queue.popleft()
        end = self.queue[0].start if self.queue and self.queue[0].epoch == epoch else self.place
        if offset < end:
            # Nothing on the volume holds these bytes any more: a gap before what is still in memory.
            self.lost_bytes += end - offset
            self.queue.appendleft(self._gap(epoch, offset, end))
        elif epoch == self.epoch and offset > self.place:
            self.print, self.place = self.print_at(offset), offset

    def _jump(self, epoch: int, mark: int, print_at_mark: str | None) -> None:
        """Another life of this collector went further: follow it."""
        self.lost_bytes += sum(frame.end - frame.start for frame in self.queue if frame.body and frame.epoch < epoch)
        self.queue.clear()
        self.prints.clear()
        self.alias = ""
        self.epoch, self.place, self.print = epoch, mark, print_at_mark or None
        self.held = {epoch: Held(mark, 0)}

    def _drop_epochs_below(self, epoch: int) -> None:
        while self.queue and self.queue[0].epoch < epoch:
            lost = self.queue.popleft()
            self.lost_bytes += lost.end - lost.start if lost.body else 0
        for old in [old for old in self.held if old < epoch and old != self.epoch]:
            del self.held[old]

    def _forget_epochs_but(self, known: Collection[int]) -> None:
        """What an older epoch had stored and not delivered elsewhere has no file to be sent from again."""
        kept = {frame.epoch for frame in self.queue} | {self.epoch} | set(known)
        for old in [old for old in self.held if old not in kept]:
            forgotten = self.held.pop(old)
            self.lost_bytes += forgotten.stored - forgotten.delivered

    def _hold(self, epoch: int, mark: int, delivered: int) -> None:
        held = self.held.setdefault(epoch, Held())
        held.stored = max(held.stored, mark)
        self.moved(epoch, delivered)

    # Answers, by code.

    def _stored(self, head: Frame, answer: FrameAnswer) -> None:
        self.queue.popleft()
        self.reread, self.limit_bytes = False, min(MAX_BLOCK_BYTES, self.limit_bytes * 2)
        self.said_gone = self.said_gone or head.gone
        if self.base is not None and self.base[0] <= head.epoch:
            self.base = None
        self._hold(head.epoch, answer.mark, answer.delivered)
        if head.epoch == self.epoch and answer.mark > self.place:
            self.queue.clear()
            self.place, self.print = answer.mark, answer.print or None

    def _redirected(self, head: Frame, answer: FrameAnswer) -> None:
        if answer.epoch > self.epoch:
            self._jump(answer.epoch, answer.mark, answer.print or None)
            self._hold(answer.epoch, answer.mark, answer.delivered)
        elif answer.epoch > head.epoch:
            self._drop_epochs_below(answer.epoch)
        else:
            same = answer.epoch == head.epoch
            self._take_up(head.epoch, answer.mark if same else None, answer.print if same else None)

    def _may_reread(self, head: Frame) -> bool:
        return head.epoch == self.epoch and self.key is not None and bool(head.body)

    def _not_readable(self, head: Frame) -> None:
        if not self.reread and self._may_reread(head):
            self.reread = True
            self._go_back(head.epoch, head.start)
        elif head.body:
            self.unreadable_bytes += head.end - head.start
            self.queue[0] = self._gap(head.epoch, head.start, head.end, "unreadable", head.print)
        else:
            self.queue.popleft()  # a word the journal cannot read: nothing of the file is in it

    def _gap(
        self, epoch: int, start: int, end: int, reason: GapReason = "truncated", print_at_end: str = UNKNOWN_PRINT
    ) -> Frame:
        return Frame(
            stream=self.id,
            epoch=epoch,
            start=start,
            end=end,
            reason=reason,
            print=print_at_end,
            origin=self.origin,
            head_bytes=self.head_bytes,
        )
