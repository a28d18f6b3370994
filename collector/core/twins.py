"""Whether one file is the copy of another: by prints, which of the many to compare by heads and names.

Room: core. Never enters: open files (a `Peek` is passed in), clocks.
"""

import os.path
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from collector.core.files import FileKey, Peek, Seen
from collector.core.following import Ended, Followed
from towline.wire.identity import EMPTY_PRINT, HEAD_BYTES, PRINT_BYTES

COMPARED_AT_MOST = (
    16  # streams that one file is compared with, the most alike names first: banners may be the same in thousands
)
ALIKE_AT_MOST = 256  # streams of one head that are looked at by name at all
UNPACKED_AT_MOST = 6  # the same for a packed file: every comparison may unpack it anew
NO_PROOF = (None, "", EMPTY_PRINT)
GZIP_MAGIC = b"\x1f\x8b"


class Heads:
    """Streams by the first bytes of their files, so that a new file is compared with few."""

    def __init__(self) -> None:
        self._sorted: list[tuple[bytes, str]] = []
        self._lengths: Counter[int] = Counter()

    def add(self, head: bytes, stream_id: str) -> None:
        if head:
            insort(self._sorted, (head, stream_id))
            self._lengths[len(head)] += 1

    def remove(self, head: bytes, stream_id: str) -> None:
        at = bisect_left(self._sorted, (head, stream_id))
        if head and at < len(self._sorted) and self._sorted[at] == (head, stream_id):
            del self._sorted[at]
            self._lengths[len(head)] -= 1
            self._lengths += Counter()  # drops the lengths that nobody has any more

    def like(self, head: bytes) -> list[str]:
        """Streams whose head begins with `head`, or is the beginning of it."""
        found = [] if not head else list(islice(self._from(head, whole=False), ALIKE_AT_MOST))
        for length in self._lengths:
            if length < len(head):
                found.extend(islice(self._from(head[:length], whole=True), ALIKE_AT_MOST))
        return found

    def _from(self, head: bytes, *, whole: bool) -> Iterator[str]:
        for at in range(bisect_left(self._sorted, (head, "")), len(self._sorted)):
            other, stream_id = self._sorted[at]
            if not other.startswith(head) or (whole and other != head):
                return
            yield stream_id


def head_of(peek: Peek, key: FileKey) -> bytes:
    """The bytes that a file is compared by first."""
    return peek.head(key, HEAD_BYTES)


def most_alike(path: str, streams: Iterable[Followed], at_most: int = COMPARED_AT_MOST) -> list[Followed]:
    """Those whose path has most in common with `path` first: `x.log` for `x.log.1`. Files that went come before those that are there."""

    def likeness(stream: Followed) -> tuple[bool, int, str]:
        names = (stream.path, stream.origin.path)
        common = max(len(os.path.commonprefix((path, name))) for name in names)  # noqa: RUF071  letters are what is wanted
        return (stream.intact and not stream.unlinked, -common, stream.stream_id)

    return sorted(streams, key=likeness)[:at_most]


def carries(peek: Peek, key: FileKey, offset: int, expected: str | None) -> bool:
    """True if the file has that print at that offset: it holds the same bytes up to there. Nothing proves nothing."""
    return offset > 0 and expected not in NO_PROOF and peek.print_at(key, offset) == expected


def looks_like(peek: Peek, key: FileKey, size: int, stream: Followed) -> bool:
    """True if a plain file of `size` bytes may be a copy of the stream's file, finished or not.

    While that file is intact the two are compared at the end of the shorter; afterwards by what is remembered of it.
    """
    if not stream.intact or stream.draining or not holds_what_was_read(peek, stream):
        return carries_some(peek, key, size, stream)
    wanted = peek.print_at(stream.key, size)
    return wanted is not None and peek.print_at(key, size) == wanted


def holds_what_was_read(peek: Peek, stream: Followed) -> bool:
    """True if the file is now what the scan saw: a truncation since then will show in the next one only."""
    size = peek.length(stream.key)
    if size is None or size < stream.size:
        return False
    return (
        not stream.offset
        or not stream.position.print
        or carries(peek, stream.key, stream.offset, stream.position.print)
    )


def carries_some(peek: Peek, key: FileKey, size: int, stream: Followed) -> bool:
    """True if the file has the stream's print at its position, or, where it is shorter, at the newest remembered one within it."""
    if size >= stream.offset > 0:
        return carries(peek, key, stream.offset, stream.position.print)
    within = [mark for mark in stream.marks if mark[0] <= size]
    return bool(within) and carries(peek, key, *within[-1])


def ended_in(peek: Peek, key: FileKey, size: int, ended: Iterable[Ended], *, packed: bool) -> Ended | None:
    """The complete content that a file holds at least: of a plain file only a proof of some length counts, banners are short."""
    fitting = [end for end in ended if end.offset <= size and (packed or end.offset >= PRINT_BYTES)]
    for end in fitting[-COMPARED_AT_MOST:][::-1]:
        if carries(peek, key, end.offset, end.print):
            return end
    return None


def convinces(seen: Seen, stream: Followed) -> bool:
    """True if looking like a file that is gone means being its copy: for as far as was read, or at some length, or by a rotated name.

    Short logs that begin alike are common; one that is shorter than what was read of the other proves little.
    """
    return seen.size >= min(PRINT_BYTES, max(stream.offset, 1)) or seen.path.startswith(stream.origin.path)
