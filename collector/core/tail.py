"""What follows from what was seen of files: streams that open, are inherited, truncated, gone. docs/design/tailing.md in code.

Room: core. Never enters: open files (a `Peek` is passed in), clocks (`now` is monotonic seconds), what was read.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from collector.core.book import Book
from collector.core.candidates import Candidates, age
from collector.core.endings import Endings
from collector.core.files import (
    Event,
    FileKey,
    Peek,
    Position,
    Scan,
    Seen,
    Unlinked,
)
from collector.core.following import Followed
from collector.core.globs import Globs, Pattern
from collector.core.naming import Naming
from collector.core.present import Present
from collector.core.pressure import Level
from collector.core.resume import Resume
from collector.core.twins import NO_PROOF, carries
from towline.wire.block import Row
from towline.wire.identity import Origin

IDLE_SECONDS = 300.0  # a named file that is all stored and to which nobody wrote for so long needs no descriptor


class Tail:
    """Sans-IO: what each file is to each stream. Give it every scan, and follow its events in order.

    `watched` are the configured log paths, each with the origin of its streams (without a path); `rows` are what the journal
    holds of this pod: they decide what the first scan means.
    """

    def __init__(
        self, pod_uid: str, watched: Sequence[tuple[Pattern, Origin]], peek: Peek, rows: Iterable[Row] = ()
    ) -> None:
        globs = Globs([pattern for pattern, _ in watched])
        self.roots = globs.roots
        self._peek = peek
        self._naming = Naming(pod_uid, globs, [origin for _, origin in watched], peek)
        self._book = Book(peek)
        self._present = Present()
        self._candidates = Candidates(self._book, self._naming)
        self._resume: Resume | None = Resume(self._book, self._naming, rows)
        self._endings = Endings(self._book, self._naming)
        self.release_at: Level = "delivered"  # when an unlinked file may be let go

    def observe(self, now: float, scan: Scan, positions: Mapping[str, Position]) -> list[Event]:
        """Take one scan, and say what follows. No read may lie between the scan and this: a size older than a position misleads."""
        self._book.round += 1
        changes = self._present.take(scan)
        events: list[Event] = []
        if self._resume is not None:
            events += self._resume.match(now, scan, positions)
        for seen in changes.vanished:
            self._vanished(seen, now)
        for seen in sorted(changes.seen, key=age):
            events += self._look(seen, now, positions)
        events += self._name_unlinked(scan)
        self._resume = None
        for stream_id in sorted(self._book.pending):
            events += self._settle(stream_id, now, scan, positions)
        events += self._candidates.decide(now, positions)
        return events

    def mismatched(self, stream_id: str) -> None:
        """A read found other bytes before its offset than were there: the next scans look for a copy, then the epoch is over."""
        stream = self._book.streams.get(stream_id)
        if stream is not None:
            self._book.break_off(stream, stream.previous_size)

    def size_of(self, stream_id: str) -> int | None:
        """Readable bytes of the file that carries the stream, as last seen; None where it is not to be read now.

        That is so where there is none, and where it no longer holds what was read of it: its bytes belong to the next epoch.
        """
        stream = self._book.streams.get(stream_id)
        if stream is None or not stream.intact:
            return None
        return stream.size

    def needed(self, now: float, positions: Mapping[str, Position]) -> set[FileKey]:
        """The files whose descriptors are to be kept: with bytes that are not stored, changed of late, or unlinked; and candidates."""
        keys = {key for key, one in self._book.candidates.items() if one.wanted and not one.settled}
        for stream in self._book.streams.values():
            if stream.vanished_at is not None:
                continue
            position = positions.get(stream.stream_id, stream.position)
            stored = position.stored >= stream.size and position.epoch == stream.epoch
            if not stored or stream.stream_id in self._book.pending or now - stream.changed_at < IDLE_SECONDS:
                keys |= {stream.key, stream.home}
        return keys

    def undecided(self) -> dict[str, int]:
        """Sizes by path of files that may be copies and wait: a drain that ends before they are decided leaves them behind."""
        # Copied first: this is asked for a page of metrics, too, while the book is being written.
        waiting = [self._book.candidates.get(key) for key in tuple(self._book.questions)]
        return {one.seen.path: one.seen.size for one in waiting if one is not None and one.announced}

    # One file.

    def _look(self, seen: Seen, now: float, positions: Mapping[str, Position]) -> list[Event]:
        stream = self._book.carriers.get(seen.key)
        if stream is not None:
            self._refresh(stream, seen, now, positions)
            return []
        copy = self._book.copies.get(seen.key)
        if copy is not None and (copy.packed or seen.size == copy.covered):
            return []
        if copy is not None:
            del self._book.copies[seen.key]
            if seen.size > copy.covered:
                return [self._candidates.open(seen, now, offset=copy.covered)]
        self._candidates.note(seen, now)
        return []

    def _refresh(self, stream: Followed, seen: Seen, now: float, positions: Mapping[str, Position]) -> None:
        """A file that carries a stream looks different: longer, mostly."""
        if seen.key != stream.key:
            return
        stream.vanished_at = None  # if it was gone, it is back: moved there and here
        stream.path = seen.path
        if stream.packed or (seen.size, seen.mtime_ns) == (stream.size, stream.mtime_ns):
            return
        self._book.update(stream, positions)
        broken = stream.broken is None and self._contradicts(stream, seen)
        before = stream.size
        stream.previous_size, stream.size, stream.mtime_ns, stream.changed_at = before, seen.size, seen.mtime_ns, now
        if broken or not self._book.note_head(stream):
            self._book.break_off(stream, before)

    def _contradicts(self, stream: Followed, seen: Seen) -> bool:
        """True if the file cannot be what was read of it: it shrank, or was rewritten where no read would notice in time.

        Size alone never proves anything: what lies before the offset is looked at, unless the next read does it anyway.
        """
        offset = stream.offset
        if offset == 0:
            return seen.size < stream.size
        if seen.size >= stream.size and offset >= stream.size and seen.size > offset and not stream.unproven:
            return False  # appended, or rewritten longer: the read that follows compares
        if stream.position.print in NO_PROOF:
            return seen.size < offset
        return not carries(self._peek, stream.key, offset, stream.position.print)

    def _vanished(self, seen: Seen, now: float) -> None:
        stream = self._book.carriers.get(seen.key)
        if stream is None:
            self._book.drop_candidate(seen.key)
            self._book.copies.pop(seen.key, None)
        elif seen.key != stream.key:
            # What comes after the copy that is being read went with its file: the copy is all there is.
            del self._book.carriers[seen.key]
            stream.home = stream.key
        elif stream.vanished_at is None:
            stream.vanished_at = now
            self._book.pending.add(stream.stream_id)

    def _name_unlinked(self, scan: Scan) -> list[Event]:
        events: list[Event] = []
        for key in sorted(scan.unlinked, key=attrgetter("inode")):
            stream = self._book.carriers.get(key)
            if stream is not None and stream.key == key and not stream.unlinked:
                stream.unlinked = True
                self._book.pending.add(stream.stream_id)
                events.append(Unlinked(stream.stream_id))
        return events

    # One stream that waits for something.

    def _settle(self, stream_id: str, now: float, scan: Scan, positions: Mapping[str, Position]) -> list[Event]:
        stream = self._book.streams[stream_id]
        self._book.update(stream, positions)
        stream.unlinked = stream.unlinked and stream.key in scan.unlinked
        if stream.home.root not in scan.complete_roots:
            return []
        epoch = stream.epoch
        events = self._ending(stream, now)
        if stream.epoch != epoch:
            self._begin_epoch(stream, now)
        return events

    def _ending(self, stream: Followed, now: float) -> list[Event]:
        if stream.broken is not None:
            # The copy may have been made after its folder was listed, or measured before it was finished: one more scan shows it.
            return self._endings.truncated(stream) if self._book.round > stream.broken.round else []
        if stream.vanished_at is not None:
            return self._endings.vanished(stream, now)
        if stream.draining:
            return self._endings.drained(stream)
        if stream.unlinked:
            return self._endings.unlinked(stream, now, self.release_at)
        self._book.pending.discard(stream.stream_id)
        return []

    def _begin_epoch(self, stream: Followed, now: float) -> None:
        """The next epoch is in the file that is there now, as far as there is one."""
        seen = self._present.files.get(stream.home)
        stream.size, stream.mtime_ns, stream.previous_size, stream.changed_at = 0, 0, 0, now
        stream.vanished_at = now if seen is None else None
        if seen is not None:
            stream.size, stream.mtime_ns, stream.path = seen.size, seen.mtime_ns, seen.path
            self._book.note_head(stream)
