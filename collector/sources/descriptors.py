"""The open files: how many, and which to close when there are too many.

Room: collector source. Never enters: scans, prints. Rule 5: an open file can be read to its end whatever becomes of its name.
"""

import os
import resource
from collections.abc import Iterator
from dataclasses import dataclass

from collector.core.files import FileKey

RESERVED = 64  # descriptors left to sockets, folders, the checkpoint
FEWEST = 16


@dataclass(slots=True)
class Held:
    """One open file. `backlog_bytes`: how much of it was not read when it was last looked at."""

    fd: int
    backlog_bytes: int
    named: bool = True
    packed: bool | None = None  # None: not looked at yet


def raise_limit() -> int:
    """Raise the soft limit of open files to the hard one, and say how many of them may be log files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return max(FEWEST, hard - min(RESERVED, hard // 2))


class Descriptors:
    """Open files by instance, at most `limit`: beyond it the one with the smallest backlog is closed, one without a name last."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held: dict[FileKey, Held] = {}
        self._by_inode: dict[tuple[str, int], FileKey] = {}
        self.closed_early = 0

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[FileKey]:
        return iter(tuple(self._held))

    def get(self, key: FileKey) -> Held | None:
        return self._held.get(key)

    def instance_at(self, root: str, inode: int) -> FileKey | None:
        """The open file that has this inode: as long as it is open, no other can have it."""
        return self._by_inode.get((root, inode))

    def take(self, key: FileKey, fd: int, backlog_bytes: int) -> Held:
        """Keep an open file, closing others where there are too many."""
        while self._held and len(self._held) >= self._limit:
            self.close_smallest()
        held = self._held[key] = Held(fd, backlog_bytes)
        self._by_inode[key.root, key.inode] = key
        return held

    def rename(self, old: FileKey, new: FileKey) -> None:
        """Call an open file by another key: it was empty when it was named and its file system has no birth times, or another folder is watched."""
        self._held[new] = self._held.pop(old)
        del self._by_inode[old.root, old.inode]
        self._by_inode[new.root, new.inode] = new

    def close_smallest(self) -> bool:
        """Close the file that loses least by it; False where there is none."""
        if not self._held:
            return False
        key = min(self._held, key=lambda key: (not self._held[key].named, self._held[key].backlog_bytes))
        self.close(key)
        self.closed_early += 1
        return True

    def close(self, key: FileKey) -> None:
        held = self._held.pop(key, None)
        if held is not None:
            del self._by_inode[key.root, key.inode]
            os.close(held.fd)

    def close_all(self) -> None:
        for key in tuple(self._held):
            self.close(key)
