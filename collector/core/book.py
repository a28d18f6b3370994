"""The book that `Tail` keeps: which file carries which stream, which may be copies, which are.

Room: core. Never enters: open files (a `Peek` is passed in), clocks.
"""

from collections import deque
from collections.abc import Mapping

from collector.core.files import FileKey, Peek, Position
from collector.core.following import Candidate, Copy, Ended, Followed
from collector.core.twins import Heads, carries, head_of, most_alike
from towline.wire.identity import HEAD_BYTES

ENDED_KEPT = 512  # complete contents that are remembered, newest last
CARRIERS_TRIED = 64  # files that are looked into for one stream, the most alike names first


class Book:
    """State without decisions: `Tail` decides, this keeps the indexes true to each other."""

    def __init__(self, peek: Peek) -> None:
        self.peek = peek
        self.streams: dict[str, Followed] = {}
        self.carriers: dict[FileKey, Followed] = {}  # by the file read from, and by the one read next
        self.candidates: dict[FileKey, Candidate] = {}
        self.questions: set[FileKey] = set()  # candidates on which there is something to decide
        self.copies: dict[FileKey, Copy] = {}
        self.ended: deque[Ended] = deque(maxlen=ENDED_KEPT)
        self.heads = Heads()
        self.pending: set[str] = set()  # streams that wait for something, and are looked at in every round

    def follow(self, stream: Followed) -> None:
        """Take a stream into the book; its file is no candidate any more."""
        self.streams[stream.stream_id] = stream
        self.carriers[stream.key] = stream
        self.drop_candidate(stream.key)
        self.note_head(stream)

    def forget(self, stream: Followed) -> None:
        """Strike out a stream; what it held is remembered as ended."""
        self.end(stream)
        self.heads.remove(stream.head, stream.stream_id)
        for key in (stream.key, stream.home):
            if self.carriers.get(key) is stream:
                del self.carriers[key]
        del self.streams[stream.stream_id]
        self.pending.discard(stream.stream_id)

    def note_head(self, stream: Followed) -> None:
        """Keep the first bytes of a stream's file for comparison, until there are enough of them."""
        if stream.packed or stream.draining or len(stream.head) >= HEAD_BYTES or len(stream.head) >= stream.size:
            return
        self.heads.remove(stream.head, stream.stream_id)
        stream.head = head_of(self.peek, stream.key)
        self.heads.add(stream.head, stream.stream_id)

    def hand_over(self, stream: Followed, key: FileKey, *, keep_home: bool) -> None:
        """Let another file carry the stream, for the rest of its epoch (`keep_home`) or for good."""
        if self.carriers.get(stream.key) is stream and not (keep_home and stream.key == stream.home):
            del self.carriers[stream.key]
        if not keep_home and self.carriers.get(stream.home) is stream:
            del self.carriers[stream.home]
        candidate = self.candidates[key]
        stream.key, stream.packed = key, candidate.packed
        if not keep_home:
            stream.home, stream.path = key, candidate.seen.path
        self.carriers[key] = stream
        self.drop_candidate(key)

    def turn(self, stream: Followed) -> None:
        """End the stream's epoch; the next one is in its home."""
        self.end(stream)
        if stream.draining:
            self.carriers.pop(stream.key, None)
        self.heads.remove(stream.head, stream.stream_id)
        stream.turn()

    def end(self, stream: Followed) -> None:
        if stream.offset and stream.position.print:
            self.ended.append(
                Ended(stream.stream_id, stream.epoch, stream.offset, stream.position.print, stream.origin.path)
            )

    def drop_candidate(self, key: FileKey) -> None:
        self.candidates.pop(key, None)
        self.questions.discard(key)

    def twins_for(self, candidate: Candidate, head: bytes, positions: Mapping[str, Position]) -> list[Followed]:
        """The streams worth comparing with a plain file, brought up to date."""
        root = candidate.seen.key.root
        changed = [name for name in self.pending if not self.streams[name].intact]  # their heads are not what they were
        streams = [
            self.streams[name] for name in dict.fromkeys([*self.heads.like(head), *changed]) if name in self.streams
        ]
        alike = most_alike(candidate.seen.path, [one for one in streams if one.key.root == root])
        for stream in alike:
            self.update(stream, positions)
        return [stream for stream in alike if not stream.is_named(candidate.seen.path)]

    def update(self, stream: Followed, positions: Mapping[str, Position]) -> None:
        position = positions.get(stream.stream_id)
        if position is not None:
            stream.note(position)

    def find_carriers(self, stream: Followed) -> list[tuple[int, FileKey]]:
        """Files that hold what was read of the stream, with their lengths, longest first."""
        root, start = stream.home.root, stream.origin.path
        candidates = [one for one in self.candidates.values() if one.seen.size and one.seen.key.root == root]
        candidates.sort(key=lambda one: (not one.seen.path.startswith(start), one.seen.path))
        found = []
        for one in candidates[:CARRIERS_TRIED]:
            key = one.seen.key
            if carries(self.peek, key, stream.offset, stream.position.print):
                length = self.peek.length(key) if one.packed else one.seen.size
                if length is not None:
                    found.append((length, key))
        return sorted(found, key=lambda pair: -pair[0])

    def being_packed(self, stream: Followed) -> bool:
        """True while a compressed file of a like name is not finished: it may become the stream's carrier."""
        start = stream.origin.path
        return any(
            one.packed and not one.settled and one.seen.path.startswith(start)
            for one in (self.candidates[key] for key in self.questions)
        )

    def has_copies(self, stream: Followed) -> bool:
        return any(copy.stream_id == stream.stream_id for copy in self.copies.values())
