"""New files: streams of their own, unless they turn out to be copies of what is or was read.

Room: core. Never enters: open files (a `Peek` is passed in), clocks (`now` is passed in).
"""

from collections.abc import Mapping

from collector.core.book import Book
from collector.core.files import BYSTANDER, Copied, Event, Opened, Position, Seen, Waiting
from collector.core.following import Candidate, Copy, Followed
from collector.core.naming import Naming
from collector.core.twins import (
    GZIP_MAGIC,
    UNPACKED_AT_MOST,
    carries,
    convinces,
    ended_in,
    head_of,
    holds_what_was_read,
    looks_like,
    most_alike,
)
from towline.wire.identity import EMPTY_PRINT

REST_SECONDS = 2.0  # a copy that has not grown for so long is finished, and its original would have been truncated


def age(seen: Seen) -> tuple[int, str]:
    """Sorts older files first: of two that are alike the younger is the copy."""
    return (seen.mtime_ns if seen.key.birth_ns is None else seen.key.birth_ns, seen.path)


class Candidates:
    """Decides what a new file is. Changes the book; returns what custody must know."""

    def __init__(self, book: Book, naming: Naming) -> None:
        self._book = book
        self._peek = book.peek
        self._naming = naming

    def note(self, seen: Seen, now: float) -> None:
        """Take down a file that carries no stream.

        A rotated name that no pattern matches is wanted too: a log that was made, filled and renamed between two scans, or
        while the collector was down. What was rotated before is known by its instance, and copies by their alias or print.
        """
        wanted = seen.matches != BYSTANDER or seen.rotated != BYSTANDER
        candidate = self._book.candidates.get(seen.key)
        if candidate is None:
            candidate = self._book.candidates[seen.key] = Candidate(seen, now, wanted)
        elif candidate.seen.size != seen.size or candidate.seen.mtime_ns != seen.mtime_ns:
            candidate.grew_at, candidate.settled = now, False
        candidate.seen, candidate.wanted = seen, candidate.wanted or wanted
        if not candidate.settled and seen.size:
            self._book.questions.add(seen.key)

    def decide(self, now: float, positions: Mapping[str, Position]) -> list[Event]:
        """Look at every open question, older files first."""
        events: list[Event] = []
        for key in sorted(self._book.questions, key=lambda key: age(self._book.candidates[key].seen)):
            candidate = self._book.candidates.get(key)
            if candidate is not None:
                events += self._decide(candidate, now, positions)
        return events

    def _decide(self, one: Candidate, now: float, positions: Mapping[str, Position]) -> list[Event]:
        head = head_of(self._peek, one.seen.key)
        if len(head) < min(len(GZIP_MAGIC), one.seen.size):
            return []  # not readable yet: asked again in the next round
        one.packed = head.startswith(GZIP_MAGIC)
        if one.packed:
            return self._decide_packed(one, now, positions)
        if not one.wanted:
            return self._settle(one)
        if self._came_back(one.seen):
            return [self.open(one.seen, now)]
        return self._decide_plain(one, head, now, positions)

    def _decide_plain(self, one: Candidate, head: bytes, now: float, positions: Mapping[str, Position]) -> list[Event]:
        size = one.seen.size
        original = self._book.streams.get(one.twin)
        if original is not None and not original.intact:
            return self._wait(one)  # its end decides on the copy
        twin = self._twin(one, head, positions)
        one.twin = "" if twin is None else twin.stream_id
        if twin is None:
            end = ended_in(self._peek, one.seen.key, size, self._book.ended, packed=False)
            if end is None:
                return [self.open(one.seen, now)]
            return self._name(one, end.stream_id, end.epoch, end.offset, now)
        if not self._is_at_rest(one, twin, now) or not twin.intact or twin.draining:
            return self._wait(one)
        return self._decide_twin(one, twin, now)

    def _decide_twin(self, one: Candidate, twin: Followed, now: float) -> list[Event]:
        """It looks like a copy, it is finished, and its original is still there or was unlinked."""
        if not holds_what_was_read(self._peek, twin):
            self._book.break_off(twin, twin.previous_size)  # no read said so yet
            return self._wait(one)
        if twin.unlinked and convinces(one.seen, twin):
            return self._name(one, twin.stream_id, twin.epoch, min(one.seen.size, twin.size), now)
        return self._own(one, now)

    @staticmethod
    def _is_at_rest(one: Candidate, twin: Followed, now: float) -> bool:
        """True if it stopped growing, or grows on although it is as long as its original: a copy would have ended there."""
        size = one.seen.size
        if one.caught_up_at is None and size >= max(twin.previous_size, twin.offset):
            one.caught_up_at = now
        caught_up = one.caught_up_at is not None and now - one.caught_up_at >= REST_SECONDS
        return caught_up or now - one.grew_at >= REST_SECONDS

    def _own(self, one: Candidate, now: float) -> list[Event]:
        """No copy, or one that is asked for by its name: a stream of its own. Other names were only looked at as copies."""
        return [self.open(one.seen, now)] if one.seen.matches != BYSTANDER else self._settle(one)

    def _decide_packed(self, one: Candidate, now: float, positions: Mapping[str, Position]) -> list[Event]:
        """A compressed file is never a writer's own log while what it holds is known; it is looked at once it is finished."""
        if now - one.grew_at < REST_SECONDS:
            return self._wait(one) if one.wanted else []
        key = one.seen.key
        length = self._peek.length(key)
        if length is None:
            return self._settle(one)  # damaged: counted where it was read
        streams = [
            stream for stream in self._book.streams.values() if stream.key.root == key.root and not stream.packed
        ]
        for stream in most_alike(one.seen.path, streams, UNPACKED_AT_MOST):
            self._book.update(stream, positions)
            if carries(self._peek, key, stream.offset, stream.position.print):
                return self._name(one, stream.stream_id, stream.epoch, length, now) if stream.intact else []
        end = ended_in(self._peek, key, length, self._book.ended, packed=True)
        if end is not None:
            return self._name(one, end.stream_id, end.epoch, length, now)
        return self._own(one, now)

    def _came_back(self, seen: Seen) -> bool:
        """True if the file was a stream until it went away."""
        name, _ = self._naming.identify(seen)
        return any(end.stream_id == name for end in self._book.ended)

    def _twin(self, one: Candidate, head: bytes, positions: Mapping[str, Position]) -> Followed | None:
        """The stream that the file may be a copy of, finished or not."""
        for stream in self._book.twins_for(one, head, positions):
            if looks_like(self._peek, one.seen.key, one.seen.size, stream):
                return stream
        return None

    def _wait(self, one: Candidate) -> list[Event]:
        if one.announced:
            return []
        one.announced = True
        return [Waiting(one.seen.key)]

    def _settle(self, one: Candidate) -> list[Event]:
        one.settled = True
        self._book.questions.discard(one.seen.key)
        return []

    def _name(self, one: Candidate, stream_id: str, epoch: int, covered: int, now: float) -> list[Event]:
        """Note a copy; bytes beyond what it is a copy of are read as a stream of its own that begins there."""
        alias, _ = self._naming.identify(one.seen)
        self._book.drop_candidate(one.seen.key)
        event = Copied(stream_id, epoch, alias)
        if not one.packed and one.seen.size > covered:
            return [event, self.open(one.seen, now, offset=covered)]
        self._book.copies[one.seen.key] = Copy(stream_id, epoch, covered, one.packed)
        return [event]

    def open(self, seen: Seen, now: float, offset: int = 0) -> Opened:
        """Make a file a stream of its own, read from `offset`; or the stream that it was before it went away for a while."""
        stream_id, head_bytes = self._naming.identify(seen)
        before = next((end for end in reversed(self._book.ended) if end.stream_id == stream_id), None)
        if before is not None and stream_id not in self._book.streams:
            position = Position(before.epoch, before.offset, before.print)
        else:
            position = Position(0, offset, None if offset else EMPTY_PRINT)
        candidate = self._book.candidates.get(seen.key)
        packed = candidate is not None and candidate.packed
        size = (self._peek.length(seen.key) or 0) if packed else seen.size
        stream = Followed(
            stream_id=stream_id,
            origin=self._naming.origin_of(seen),
            head_bytes=head_bytes,
            key=seen.key,
            home=seen.key,
            position=position,
            path=seen.path,
            size=size,
            mtime_ns=seen.mtime_ns,
            packed=packed,
            changed_at=now,
            previous_size=size,
        )
        self._book.follow(stream)
        return Opened(stream_id, seen.key, stream.origin, position.epoch, position.offset, head_bytes)
