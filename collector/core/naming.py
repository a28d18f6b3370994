"""What a file is called as a stream: its id and its origin.

Room: core. Never enters: open files (a `Peek` is passed in), clocks.
"""

from collections.abc import Iterable, Sequence

import msgspec

from collector.core.files import BYSTANDER, Peek, Seen
from collector.core.globs import Globs
from towline.wire.identity import HEAD_BYTES, Origin, stream_id


class Naming:
    """Stream ids and origins of files of one pod. `origins` belong to the patterns of `globs`, by index."""

    def __init__(self, pod_uid: str, globs: Globs, origins: Sequence[Origin], peek: Peek) -> None:
        self.globs = globs
        self._pod_uid = pod_uid
        self._origins = origins
        self._peek = peek
        self._known: set[str] = set()
        self._head_lengths: tuple[int, ...] = ()

    def remember(self, stream_ids: Iterable[str], head_lengths: Iterable[int]) -> None:
        """Names given in an earlier life, and the lengths of the heads in them."""
        self._known |= set(stream_ids)
        self._head_lengths = tuple(sorted({length for length in head_lengths if length}, reverse=True))

    def identify(self, seen: Seen) -> tuple[str, int]:
        """The id that a file has as a stream of its own, and the length of the head in it (0 with a birth time)."""
        key = seen.key
        if key.birth_ns is not None:
            return stream_id(self._pod_uid, key.root, key.inode, key.birth_ns), 0
        if self._head_lengths:
            head = self._peek.head(key, HEAD_BYTES)
            for length in self._head_lengths:
                name = stream_id(self._pod_uid, key.root, key.inode, None, head[:length])
                if len(head) >= length and name in self._known:
                    return name, length
        return stream_id(self._pod_uid, key.root, key.inode, None, key.head), len(key.head)

    def origin_of(self, seen: Seen) -> Origin:
        """What the configuration says of a file, under its present path."""
        index = seen.matches if seen.matches != BYSTANDER else seen.rotated
        return self._origin(index, seen.path)

    def origin_at(self, path: str) -> Origin:
        """What the configuration says of a path that may be in use no more."""
        index = self.globs.match(path)
        return self._origin(index if index != BYSTANDER else self.globs.rotated(path), path)

    def _origin(self, index: int, path: str) -> Origin:
        if index == BYSTANDER:
            return Origin(path=path)
        return msgspec.structs.replace(self._origins[index], path=path)
