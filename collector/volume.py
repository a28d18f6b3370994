"""How full the log volume is, and what is let go for it: Towline never evicts its app (protocol rule 12).

Room: collector shell. It measures and lists; core/pressure.py decides. `measure` blocks (statvfs, stat): it runs on the worker thread.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from collector.core.custody import sayable_path
from collector.core.files import BYSTANDER, FileKey, Scan, Seen
from collector.core.pressure import DELIVERED_BELOW, Backlog, GivenUp, Level, level_at, to_give_up
from collector.core.stream import Stream

ALLOCATED_UNIT_BYTES = 512  # of st_blocks, whatever the file system's own


@dataclass(frozen=True, slots=True)
class Limits:
    """What the configuration grants.

    limit_bytes: to all log files together; 0: the size of the file system that each root lies on.
    by_log: to the files of one log path, by its index; 0: nothing of its own.
    acknowledge: the level that custody has while there is room.
    """

    limit_bytes: int = 0
    by_log: Sequence[int] = ()
    acknowledge: Level = "delivered"


@dataclass(frozen=True, slots=True)
class Fill:
    """One budget at one scan: what is used of it, and by which files as far as we know."""

    name: str
    used_bytes: int
    limit_bytes: int
    files: Sequence[Seen]


@dataclass(slots=True)
class Volume:
    """Every budget of one pod, and how far custody reaches under each."""

    limits: Limits
    roots: Sequence[str]
    _levels: dict[str, Level] = field(default_factory=dict)

    def measure(self, scan: Scan) -> list[Fill]:
        """All budgets as of this scan. Blocks; never raises: what cannot be measured presses nobody."""
        fills = [
            _of_files(f"log {index}", [seen for seen in scan.files if index in (seen.matches, seen.rotated)], limit)
            for index, limit in enumerate(self.limits.by_log)
            if limit
        ]
        if self.limits.limit_bytes:
            return [*fills, _of_files("all", scan.files, self.limits.limit_bytes)]
        return [*fills, *(_of_file_system(root, scan) for root in self.roots)]

    def level(self, fills: Iterable[Fill]) -> Level:
        """How far custody reaches now: as far as the fullest budget allows."""
        for fill in fills:
            before = self._levels.get(fill.name, "delivered")
            self._levels[fill.name] = level_at(fill.used_bytes, fill.limit_bytes, before)
        return "stored" if "stored" in (self.limits.acknowledge, *self._levels.values()) else "delivered"

    def give_up(
        self, fills: Iterable[Fill], scan: Scan, streams: Iterable[Stream], size_of: Callable[[str], int | None]
    ) -> list[GivenUp]:
        """What is not to be read any more, of the files of budgets that are all but used up."""
        given_up: dict[str, GivenUp] = {}
        by_file = {stream.key: stream for stream in streams if stream.key is not None}
        for fill in fills:
            backlogs = list(_backlogs(fill, scan.unlinked, by_file, size_of)) if _is_full(fill) else ()
            for one in to_give_up(fill.used_bytes, fill.limit_bytes, backlogs):
                given_up.setdefault(one.stream_id, one)
        return list(given_up.values())


def _is_full(fill: Fill) -> bool:
    return fill.used_bytes > DELIVERED_BELOW * fill.limit_bytes


def _backlogs(
    fill: Fill,
    unlinked: frozenset[FileKey],
    by_file: Mapping[FileKey, Stream],
    size_of: Callable[[str], int | None],
) -> Iterator[Backlog]:
    """The rotated and unlinked files of a budget that are streams; `stored` is what was read: that much is in memory or stored."""
    for seen in fill.files:
        stream = by_file.get(seen.key)
        size = None if stream is None else size_of(stream.id)
        if stream is None or size is None:
            continue
        is_unlinked = seen.key in unlinked
        if is_unlinked or seen.matches == BYSTANDER or sayable_path(seen.path) != stream.origin.path:
            yield Backlog(stream.id, stream.epoch, stream.place, size, is_unlinked, seen.mtime_ns)


def _of_files(name: str, files: Sequence[Seen], limit_bytes: int) -> Fill:
    used = sum(seen.size for seen in files)
    if used > DELIVERED_BELOW * limit_bytes:
        used = sum(map(_allocated_bytes, files))  # a file with holes takes less than its size
    return Fill(name, used, limit_bytes, files)


def _allocated_bytes(seen: Seen) -> int:
    """What a file takes of its volume; the size where it has no name any more."""
    try:
        found = os.lstat(seen.path)
    except OSError:
        return seen.size
    return min(seen.size, found.st_blocks * ALLOCATED_UNIT_BYTES) if found.st_ino == seen.key.inode else seen.size


def _of_file_system(root: str, scan: Scan) -> Fill:
    """As df(1) counts: of what an unprivileged writer may use."""
    try:
        found = os.statvfs(root)
    except OSError:
        return Fill(root, 0, 0, ())
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    usable = used + found.f_bavail * found.f_frsize
    return Fill(root, used, usable, [seen for seen in scan.files if seen.key.root == root])
