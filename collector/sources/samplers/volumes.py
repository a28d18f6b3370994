"""How full the volumes of the watched log folders are, and when they will be.

Room: collector source, a sampler. When a volume is full is decided in core/fullness.py.

statvfs does not see an emptyDir's sizeLimit, and an emptyDir on disk shares its file system with other writers: so what the
files below the folder take is counted as well.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from collector.core.fullness import Growth
from collector.sources.samplers.view import POD, Labels, Value, View

MOST_ENTRIES = 2000  # of one folder: walking more would cost more than it says
REST_ROUNDS = 40  # ten minutes of the default interval
_ALLOCATED_UNIT_BYTES = 512  # of st_blocks, whatever the file system's own


class VolumeSampler:
    """Each volume once, however many watched folders lie on it. limit_bytes: what all log files together may take; 0: the file system's size."""

    def __init__(self, folders: Iterable[str], limit_bytes: int = 0) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self._limit_bytes = limit_bytes
        self._used: dict[str, Growth] = {}
        self._files = Growth()
        self._rounds_left: dict[str, int] = {}  # until folders with too many entries are counted again

    def sample(self, view: View) -> Iterable[Value]:
        by_mount: dict[str, list[str]] = {}
        for folder in self._folders:
            try:
                Path(folder).stat()
            except FileNotFoundError:
                continue  # the app makes its folder when it likes
            by_mount.setdefault(_mountpoint(folder), []).append(folder)
        sizes = {mount: self._size(mount, folders) for mount, folders in by_mount.items()}
        to_limit = self._seconds_to_limit(view.now, sizes.values())
        for mount, folders in by_mount.items():
            labels = {**POD, "mountpoint": mount}
            yield "towline_volume_files_bytes", labels, sizes[mount]
            yield from self._of_file_system(view.now, folders[0], labels, to_limit)

    def _size(self, mount: str, folders: Sequence[str]) -> int | None:
        left = self._rounds_left.get(mount, 0)
        size = _files_bytes(folders) if not left else None
        self._rounds_left[mount] = left - 1 if left else REST_ROUNDS * (size is None)
        return size

    def _of_file_system(self, now: float, folder: str, labels: Labels, to_limit: float | None) -> Iterable[Value]:
        found = os.statvfs(folder)
        used, available = (found.f_blocks - found.f_bfree) * found.f_frsize, found.f_bavail * found.f_frsize
        yield "kubelet_volume_stats_used_bytes", labels, used
        yield "kubelet_volume_stats_capacity_bytes", labels, found.f_blocks * found.f_frsize
        yield "kubelet_volume_stats_available_bytes", labels, available
        yield "kubelet_volume_stats_inodes", labels, found.f_files
        yield "kubelet_volume_stats_inodes_used", labels, found.f_files - found.f_ffree
        yield "kubelet_volume_stats_inodes_free", labels, found.f_ffree
        growth = self._used.setdefault(labels["mountpoint"], Growth())
        growth.note(now, used)
        ends = [end for end in (growth.seconds_to_full(available), to_limit) if end is not None]
        yield "towline_volume_full_seconds", labels, min(ends) if ends else None

    def _seconds_to_limit(self, now: float, sizes: Iterable[int | None]) -> float | None:
        """When the log files will have used up their limit; None where there is none, or where they could not be counted."""
        known = [size for size in sizes if size is not None]
        if not self._limit_bytes or not known:
            return None
        self._files.note(now, sum(known))
        return self._files.seconds_to_full(self._limit_bytes - sum(known))


def _files_bytes(folders: Sequence[str]) -> int | None:
    """What the files below take of their volume, as du(1) counts; None where there are too many to count at each sample."""
    total, entries, left = 0, 0, list(_without_nested(folders))
    while left:
        try:
            with os.scandir(left.pop()) as found:
                for entry in found:
                    entries += 1
                    if entries > MOST_ENTRIES:
                        return None
                    if entry.is_dir(follow_symlinks=False):
                        left.append(entry.path)
                    else:
                        total += entry.stat(follow_symlinks=False).st_blocks * _ALLOCATED_UNIT_BYTES
        except (FileNotFoundError, PermissionError):
            continue  # it went while we looked, or is not ours to see
    return total


def _without_nested(folders: Sequence[str]) -> Iterable[str]:
    """Those that do not lie below another one of them."""
    paths = [Path(folder).resolve() for folder in folders]
    return (str(path) for path in dict.fromkeys(paths) if not any(other in path.parents for other in paths))


def _mountpoint(folder: str) -> str:
    path = Path(folder).resolve()
    while not path.is_mount():
        path = path.parent
    return str(path).encode(errors="replace").decode()  # a label is UTF-8, a path need not be
