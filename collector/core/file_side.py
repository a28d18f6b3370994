"""The file's side of one stream: what was read of it, what became of its file, and what is to be said of both, in order.

Room: collector core. Never enters: files, sockets, clocks; what a journal answers (stream.py).
"""

from collections import deque
from dataclasses import dataclass, field

import msgspec

from collector.core.files import FileKey, Position, ReadOrder
from towline.wire.block import MAX_BLOCK_BYTES, Frame, GapReason
from towline.wire.identity import EMPTY_PRINT, UNKNOWN_PRINT, Origin

PRINTS_KEPT = 512  # ends of frames that are not delivered yet, for going back after a change of journal
UNATTACHED = Origin(path="")


@dataclass(slots=True)
class Held:
    """What the journal we believe in holds of one epoch: `delivered <= stored`."""

    stored: int = 0
    delivered: int = 0


@dataclass(slots=True, kw_only=True)
class FileSide:
    """Where reading stands, and what was read and is not stored.

    `queue` holds what was read or is to be said and is not stored, oldest first; only its head is ever in flight, and nothing is
    read while it holds anything. `epoch`, `place` and `print` say where the next read begins and what must be found there.
    """

    id: str
    origin: Origin = UNATTACHED
    head_bytes: int = 0
    key: FileKey | None = None  # the file that this epoch is read from; None: none at hand
    alias: str = ""  # the name the copy would have had by itself
    epoch: int = 0
    place: int = 0
    print: str | None = EMPTY_PRINT  # None: not known, so nothing is compared
    queue: deque[Frame] = field(default_factory=deque)
    held: dict[int, Held] = field(default_factory=lambda: {0: Held()})
    gone: bool = False
    limit_bytes: int = MAX_BLOCK_BYTES
    prints: dict[int, str] = field(default_factory=dict)  # of this epoch, by offset

    @property
    def stored(self) -> int:
        return self.held[self.epoch].stored

    @property
    def delivered(self) -> int:
        return self.held[self.epoch].delivered

    @property
    def waiting_bytes(self) -> int:
        """Stored and not delivered, of all epochs."""
        return sum(held.stored - held.delivered for held in tuple(self.held.values()))

    def position(self) -> Position:
        return Position(self.epoch, self.place, self.print, self.stored, self.delivered)

    def order(self, size: int) -> ReadOrder | None:
        """What to read next of its file, which has `size` bytes now; None while something is in flight or nothing can be new."""
        if self.queue or self.key is None:
            return None
        if size == self.place:
            return None
        return ReadOrder(self.id, self.key, self.epoch, self.place, self.print, self.limit_bytes)

    # What was read, and what became of the file.

    def load(self, frame: Frame) -> None:
        """Take custody of a frame that begins at the place; it is kept, compressed, until stored."""
        if self.alias:
            frame = msgspec.structs.replace(frame, alias=self.alias)
        self.queue.append(frame)
        self.place, self.print = frame.end, frame.print or None
        if frame.print:
            self.prints[frame.end] = frame.print
        if len(self.prints) > PRINTS_KEPT:
            del self.prints[next(iter(self.prints))]

    def skip(self, end: int, reason: GapReason, *, final: bool = False, print_at_end: str = UNKNOWN_PRINT) -> None:
        """Say that `[place, end)` is not there; with `end == place` only that nothing comes after."""
        self.load(self._word(end, reason=reason if end > self.place else None, final=final, print_at_end=print_at_end))

    def begin(self, epoch: int, offset: int, print_there: str = UNKNOWN_PRINT) -> None:
        """Start with what is delivered already: nothing of a new file, what a checkpoint says of another."""
        self.epoch, self.place, self.print = epoch, offset, EMPTY_PRINT if offset == 0 else print_there or None
        self.held = {epoch: Held(offset, offset)}
        if self.print is not None:
            self.prints[offset] = self.print

    def print_at(self, offset: int) -> str | None:
        """What stands before `offset` of this epoch; None where that is not remembered."""
        if offset == 0:
            return EMPTY_PRINT
        return self.print if offset == self.place else self.prints.get(offset)

    def inherit(self, key: FileKey, alias: str) -> None:
        """The rest of this epoch is read from a copy."""
        self.key, self.alias = key, alias

    def name_copy(self, epoch: int, alias: str) -> None:
        """A copy holds nothing new: only its name goes into the row, so that a later life knows it."""
        at, mark = (self.place, self.print or UNKNOWN_PRINT) if epoch == self.epoch else (0, EMPTY_PRINT)
        word = Frame(stream=self.id, epoch=epoch, start=at, end=at, print=mark, origin=self.origin, alias=alias)
        self.queue.append(word)

    def truncated(self, key: FileKey, lost_bytes: int) -> None:
        """This epoch is over, the bytes after the place with it: say so, and go on with the next one at 0 of `key`."""
        self.skip(self.place + lost_bytes, "truncated", final=True, print_at_end=self.print or UNKNOWN_PRINT)
        self.key, self.alias = key, ""
        self.epoch, self.place, self.print = self.epoch + 1, 0, EMPTY_PRINT
        self.held[self.epoch] = Held()
        self.prints.clear()

    def _word(
        self, end: int, *, reason: GapReason | None = None, final: bool = False, gone: bool = False, print_at_end: str
    ) -> Frame:
        return Frame(
            stream=self.id,
            epoch=self.epoch,
            start=self.place,
            end=end,
            reason=reason,
            final=final,
            gone=gone,
            print=print_at_end,
            origin=self.origin,
            head_bytes=self.head_bytes,
            alias=self.alias,
        )
