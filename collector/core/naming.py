"""What a file is called as a stream: its id and its origin.

Room: core. Never enters: open files (a `Peek` is passed in), clocks.
"""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

import msgspec

from collector.core.files import BYSTANDER, FileKey, Peek, Seen
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
        """The id that a file has as a stream of its own, and the length of the head in it (0 with a birth time).

        A file keeps the name that it has: a configuration that watches another folder above it, or one below, makes it no other stream.
        """
        key, own = seen.key, self._id(seen.key, seen.key.root, seen.key.head)
        if not self._known or own in self._known:
            return own, len(key.head)
        roots = (key.root, *_folders_over(seen.path))
        if key.birth_ns is not None:
            names = ((self._id(key, root, b""), 0) for root in roots)
        else:
            head = self._peek.head(key, HEAD_BYTES) if self._head_lengths else b""
            lengths = [length for length in self._head_lengths if length <= len(head)]
            names = ((self._id(key, root, head[:length]), length) for length in lengths for root in roots)
        return next((found for found in names if found[0] in self._known), (own, len(key.head)))

    def _id(self, key: FileKey, root: str, head: bytes) -> str:
        return stream_id(self._pod_uid, root, key.inode, key.birth_ns, head if key.birth_ns is None else b"")

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


def _folders_over(path: str) -> list[str]:
    """Every folder that a path lies in, the nearest first."""
    return [str(folder) for folder in PurePosixPath(path).parents]
