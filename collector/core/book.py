"""The book that `Tail` keeps: which file carries which stream, which may be copies, which are.

Room: core. Never enters: open files (a `Peek` is passed in), clocks.
"""

from collections import deque
from collections.abc import Mapping

from collector.core.files import FileKey, Peek, Position
from collector.core.following import Broken, Candidate, Copy, Ended, Followed
from collector.core.twins import GZIP_MAGIC, NO_PROOF, Heads, carries, head_of, most_alike
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
        self.by_name: dict[str, set[str]] = {}  # streams by the path of their log
        self.round = 0  # counts scans
        self.pending: set[str] = set()  # streams that wait for something, and are looked at in every round

    def follow(self, stream: Followed) -> None:
        """Take a stream into the book; its file is no candidate any more."""
        self.streams[stream.stream_id] = stream
        stream.since_round = self.round
        self.carriers[stream.key] = stream
        self.by_name.setdefault(stream.origin.path, set()).add(stream.stream_id)
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
        self.by_name[stream.origin.path].discard(stream.stream_id)
        if not self.by_name[stream.origin.path]:
            del self.by_name[stream.origin.path]
        self.pending.discard(stream.stream_id)

    def note_head(self, stream: Followed) -> bool:
        """Keep the first bytes of a stream's file for comparison, until there are enough of them.

        False where what was read of it began otherwise: a short file that was truncated and written anew, already longer.
        """
        if stream.packed or stream.draining or len(stream.head) >= HEAD_BYTES or len(stream.head) >= stream.size:
            return True
        head = head_of(self.peek, stream.key)
        if head and not head.startswith(stream.head) and self._is_rewritten(stream):
            return False
        self.heads.remove(stream.head, stream.stream_id)
        stream.head = head
        self.heads.add(head, stream.stream_id)
        return True

    def _is_rewritten(self, stream: Followed) -> bool:
        """True if something was read of the file, and is not there any more. A head may have been noted before the first read."""
        expected = stream.position.print
        known = stream.offset > 0 and expected not in NO_PROOF
        return known and not carries(self.peek, stream.key, stream.offset, expected)

    def break_off(self, stream: Followed, size: int) -> None:
        """Note that the stream's file no longer holds what was read of it; `size` is the last it had before, as far as is known."""
        if stream.broken is None:
            stream.broken = Broken(self.round, size)
            self.pending.add(stream.stream_id)

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
        # Nor is the head of a log that was truncated and filled again between two scans: it is known by its name.
        known = dict.fromkeys([*self.heads.like(head), *changed, *self._named_like(candidate.seen.path)])
        streams = [self.streams[name] for name in known if name in self.streams]
        alike = most_alike(candidate.seen.path, [one for one in streams if one.key.root == root])
        for stream in alike:
            self.update(stream, positions)
        return [stream for stream in alike if not stream.is_named(candidate.seen.path)]

    def _named_like(self, path: str) -> list[str]:
        """Streams whose log's path is the beginning of `path`: `x.log` for `x.log.1`."""
        lengths = range(path.rfind("/") + 2, len(path))
        return sorted(name for length in lengths for name in self.by_name.get(path[:length], ()))

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
                one.packed = self.peek.head(key, len(GZIP_MAGIC)) == GZIP_MAGIC
                length = self.peek.length(key)
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
