"""Who has the duty to be able to send a byte again: all streams of one pod against one journal.

Room: collector core. Never enters: files, sockets, clocks. Rules 1 to 4 and 8 of docs/design/wire.md are decided here and in stream.py.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from collector.core.files import (
    Copied,
    Event,
    Gone,
    Inherited,
    Missing,
    Opened,
    Position,
    ReadOrder,
    Truncated,
)
from collector.core.stream import Stream
from towline.wire.block import MAX_FRAMES, BlocksAnswer, Frame, MarksAnswer, Row
from towline.wire.identity import UNKNOWN_PRINT, Origin

CHANGES_WITHIN_SECONDS = 600.0
CHANGES_HELD = 3  # more changes of journal than this, at one address and within that time: hold
ENDED_KEPT = 512  # streams that are gone and delivered: as many as the tail remembers the contents of
FRAME_BYTES = 256  # about what a frame weighs without its body


class Kept(msgspec.Struct, frozen=True, array_like=True):
    """One stream in the checkpoint. The print lets a copy be known even where the journal that knew it is lost."""

    stream: str
    epoch: int
    delivered: int
    print: str = UNKNOWN_PRINT


@dataclass(frozen=True, slots=True)
class Meeting:
    """What came of meeting a journal: whether it is the one we had, and what going over to it costs."""

    changed: bool = False
    given_up_bytes: int = 0  # stored at the journal we left, not delivered: sent again, copies are possible
    held: bool = False  # several journals behind one address: nothing is sent for now


class Sent(msgspec.Struct, frozen=True):
    """One request as it went out. `turn` tells a late answer from the one that is waited for."""

    turn: int
    journal: str
    since: int
    frames: tuple[Frame, ...]

    @property
    def weight_bytes(self) -> int:
        """About as long as the request is on the wire."""
        return sum(map(_weight_bytes, self.frames))


@dataclass(slots=True, kw_only=True)
class Custody:
    """All streams of the pod, the journal that is believed in, and what is to be sent to it."""

    journal: str = ""  # "": none met yet
    since: int = 0
    streams: dict[str, Stream] = field(default_factory=dict)
    changes: list[float] = field(default_factory=list)
    counters: Counter[str] = field(default_factory=Counter)
    turn: int = 0
    _cursor: int = 0

    # Journals.

    def remember(self, journal: str, kept: Sequence[Kept]) -> None:
        """Take up a checkpoint: what was delivered when it was written, and by whom. Before the first `meet`."""
        self.journal = journal
        for row in kept:
            stream = self.streams.setdefault(row.stream, Stream(id=row.stream))
            stream.begin(row.epoch, row.delivered, row.print)

    def meet(self, marks: MarksAnswer, now: float) -> Meeting:
        """Take a journal's rows as where to go on: at start, and whenever another journal answers (rule 4)."""
        changed = self.journal not in ("", marks.journal)
        if changed:
            self.changes = [then for then in self.changes if now - then < CHANGES_WITHIN_SECONDS]
            if len(self.changes) >= CHANGES_HELD:
                return Meeting(held=True)
            self.changes.append(now)
        self.journal, self.since = marks.journal, marks.until
        self.turn += 1  # whatever is still under way was meant for before
        rows: dict[str, list[Row]] = {}
        for row in marks.rows:
            rows.setdefault(row.stream, []).append(row)
        given_up = 0
        for stream_id in {**self.streams, **rows}:
            given_up += self._adopt(stream_id, rows.get(stream_id, []))
        if changed:
            self.counters["journal_changes"] += 1
            self.counters["copies_possible_bytes"] += given_up
        return Meeting(changed, given_up if changed else 0)

    def _adopt(self, stream_id: str, rows: list[Row]) -> int:
        stream = self.streams.setdefault(stream_id, Stream(id=stream_id))
        if rows:
            stream.head_bytes = rows[-1].head_bytes
        return stream.adopt(rows)

    # Files.

    def apply(self, event: Event) -> None:
        """Follow what became of a file. Unlinked and Waiting need nothing: a descriptor is read on, a waiting file is not read."""
        match event:
            case Opened():
                self._opened(event)
            case Inherited():
                self._attached(event).inherit(event.key, event.alias)
            case Copied():
                if event.stream_id in self.streams:  # one that ended long ago is forgotten here
                    self.streams[event.stream_id].name_copy(event.epoch, event.alias)
            case Truncated():
                self.counters["lost_to_truncation_bytes"] += event.lost_bytes_at_least
                self.streams[event.stream_id].truncated(event.key, event.lost_bytes_at_least)
            case Missing():
                self.counters["missing_bytes"] += event.size_bytes
            case Gone():
                self.streams[event.stream_id].gone = True
                self._forget_ended()

    def _forget_ended(self) -> None:
        """A pod that rotates for months has no end of streams: of those that are over only the newest are kept."""
        over = [stream for stream in self.streams.values() if stream.is_over]
        for stream in over[:-ENDED_KEPT]:
            self.counters["lost_bytes"] += stream.lost_bytes
            self.counters["unreadable_bytes"] += stream.unreadable_bytes
            del self.streams[stream.id]

    @property
    def lost_bytes(self) -> int:
        """Read or stored once, in no journal that we believe in, and on no volume any more."""
        return self.counters["lost_bytes"] + sum(stream.lost_bytes for stream in tuple(self.streams.values()))

    @property
    def unreadable_bytes(self) -> int:
        """Refused twice by the journal as unreadable."""
        known = sum(stream.unreadable_bytes for stream in tuple(self.streams.values()))
        return self.counters["unreadable_bytes"] + known

    def _opened(self, event: Opened) -> None:
        new = event.stream_id not in self.streams
        stream = self._attached(event)
        stream.key = event.key
        if new:
            stream.begin(event.epoch, event.offset)

    def _attached(self, event: Opened | Inherited) -> Stream:
        stream = self.streams.setdefault(event.stream_id, Stream(id=event.stream_id))
        stream.origin, stream.head_bytes = _sayable(event.origin), event.head_bytes
        stream.gone = stream.said_gone = False
        return stream

    def positions(self) -> Mapping[str, Position]:
        """Where every stream stands, for those who look at files."""
        return {stream.id: stream.position() for stream in self.streams.values()}

    def orders(self, size_of: Callable[[str], int | None], window_bytes: int) -> list[ReadOrder]:
        """What to read now: every stream whose file has something new, in turn, until `window_bytes` are reached.

        `size_of` says of a stream how many bytes its file held at the last scan; None: it is not to be read now.
        What is kept for sending counts too. A read is never made small to fit: that would tear lines.
        """
        orders: list[ReadOrder] = []
        left = window_bytes - self.unsent_bytes
        for stream in self._in_turn():
            if left <= 0:
                break
            size = size_of(stream.id)
            order = None if size is None else stream.order(size)
            if order is not None and size is not None:
                orders.append(order)
                left -= min(order.max_bytes, max(0, size - order.offset))
        return orders

    def _in_turn(self) -> list[Stream]:
        """All streams, beginning one further each time: a full window never starves the last one."""
        streams = list(self.streams.values())
        self._cursor = (self._cursor + 1) % max(1, len(streams))
        return streams[self._cursor :] + streams[: self._cursor]

    # Requests.

    @property
    def waiting_bytes(self) -> int:
        """Stored and not delivered yet: while there are any, the journal is asked (rule 8)."""
        waiting_bytes = 0
        for stream in tuple(self.streams.values()):
            for held in tuple(stream.held.values()):
                waiting_bytes += held.stored - held.delivered
        return waiting_bytes

    @property
    def unsent_bytes(self) -> int:
        """Read and not stored yet."""
        unsent_bytes = 0
        for stream in tuple(self.streams.values()):
            for frame in tuple(stream.queue):
                unsent_bytes += frame.end - frame.start
        return unsent_bytes

    def request(self, max_body_bytes: int) -> Sent:
        """The next request: one frame of every stream that has one, about `max_body_bytes` together, at least one frame."""
        frames: list[Frame] = []
        size = 0
        for stream in self._in_turn():
            frame = stream.outgoing()
            if frame is None:
                continue
            size += _weight_bytes(frame)
            if frames and (size > max_body_bytes or len(frames) == MAX_FRAMES):
                break
            frames.append(frame)
        self.turn += 1
        return Sent(self.turn, self.journal, self.since, tuple(frames))

    def answered(self, sent: Sent, answer: BlocksAnswer) -> bool:
        """Follow an answer to `sent`. False for one that comes late or from a journal that was left: it moves nothing."""
        if answer.journal != self.journal or sent.journal != self.journal or sent.turn != self.turn:
            return False
        self.turn += 1  # answered once: the same answer again is a late one
        for frame, word in zip(sent.frames, answer.frames, strict=False):
            if word.stream == frame.stream:
                self.counters[f"answers_{word.code}"] += 1
                self.streams[frame.stream].answered(word)
        for row in answer.delivered:
            if row.stream in self.streams:
                self.streams[row.stream].moved(row.epoch, row.delivered)
        self.since = max(self.since, answer.until)
        return True

    def checkpoint(self) -> tuple[Kept, ...]:
        """What a later life needs beside the journal's rows: how far each stream was delivered, and what stands there."""
        return tuple(
            Kept(stream.id, stream.epoch, stream.delivered, stream.print_at(stream.delivered) or UNKNOWN_PRINT)
            for stream in self.streams.values()
            if not (stream.gone and stream.said_gone) and (stream.delivered or stream.epoch)
        )


def _sayable(origin: Origin) -> Origin:
    r"""A file name may be no UTF-8, which the wire is: such bytes travel as `\xff`."""
    return msgspec.structs.replace(origin, path=sayable_path(origin.path))


def sayable_path(path: str) -> str:
    """A path as os.scandir gave it, as it travels."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")


def _weight_bytes(frame: Frame) -> int:
    return len(frame.body) + FRAME_BYTES
