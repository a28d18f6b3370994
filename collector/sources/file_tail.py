"""Log files as they are on disk: what a scan sees, and what a read finds. It does; `core.tail` decides.

Room: collector source. Never enters: streams, offsets that were not asked for, asyncio. All calls block: one worker thread makes them.
"""

import errno
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Self, TypeVar

import msgspec

from collector.core.files import FileKey, ReadOrder, ReadResult, Scan, Seen
from collector.core.globs import Globs, Pattern
from collector.sources import statx
from collector.sources.descriptors import Descriptors, Held, raise_limit
from collector.sources.folders import TOO_MANY_OPEN, Refusals, open_file, opened_folder, reason_of
from collector.sources.packed import MAGIC, DamagedError, Unpacker
from collector.sources.reader import Scratch, gap_at_start, print_before, read_piece
from collector.sources.scanner import Scanner

SCAN_SECONDS = 1.0  # with inotify a scan only finds what the kernel did not say
POLL_SECONDS = 0.25  # without it
SCAN_SHARE = 100  # scans may take one part of so many of a core: with very many files there are fewer


T = TypeVar("T")


class FileTail:
    """The files of the watched folders. Implements `Peek` for `Tail`; `counters` says by reason what was not read."""

    def __init__(self, patterns: Sequence[Pattern], descriptor_limit: int | None = None) -> None:
        self._refusals = Refusals()
        self._descriptors = Descriptors(raise_limit() if descriptor_limit is None else descriptor_limit)
        globs = Globs(patterns)
        self._scanner = Scanner(globs, self._descriptors, self._refusals)
        self._scan_cost_seconds = 0.0
        self._nameless: dict[FileKey, Seen] = {}
        self._absent: set[FileKey] = set()  # open files that the last scan did not find under any name
        self._files: list[Seen] | None = None
        self._scratch = Scratch()
        self._unpackers: dict[FileKey, Unpacker] = {}
        self._lengths: dict[FileKey, tuple[tuple[int, int], int | None]] = {}

    def watching(self, patterns: Sequence[Pattern]) -> Self:
        """The same with other patterns: files stay open, and where they were seen last is still known."""
        globs, paths = Globs(patterns), self._scanner.paths
        self._scanner = Scanner(globs, self._descriptors, self._refusals)
        self._nameless, self._absent, self._files = {}, set(), None
        for key in self._descriptors:
            path = paths.get(key, key.root)
            root = globs.root_over(path)
            if root is None:
                self._close(key)
                continue
            now = msgspec.structs.replace(key, root=root)
            self._descriptors.rename(key, now)
            self._scanner.paths[now] = path
        self._unpackers.clear()
        return self

    @property
    def counters(self) -> Mapping[str, int]:
        """What was refused or given up, by reason: each path once for as long as it lasts."""
        return Counter(dict(self._refusals.counters)) + Counter(descriptor_limit=self._descriptors.closed_early)

    @property
    def refused(self) -> Mapping[str, str]:
        """Paths that cannot be read now, and why."""
        return self._refusals.standing

    @property
    def pause_seconds(self) -> float:
        """How long to wait between two scans for which nothing else asked: longer where they cost much."""
        return max(SCAN_SECONDS, SCAN_SHARE * self._scan_cost_seconds)

    @property
    def folders(self) -> Mapping[str, int]:
        """The folders to watch, with their inodes, as of the last scan."""
        return self._scanner.folders

    def scan(self) -> Scan:
        """Look at every watched folder and every open file."""
        began = time.thread_time()
        files, complete = self._scanner.look()
        self._scan_cost_seconds = time.thread_time() - began
        if files == self._files:  # the same values again: nothing has a new name, or lost one
            candidates = self._absent
        else:
            there = {seen.key for seen in files}
            candidates = {key for key in self._descriptors if key not in there}
        self._files = files
        nameless, unlinked = self._look_at_nameless(candidates, complete)
        return Scan((*files, *nameless), complete, frozenset(unlinked))

    def let_go_of_buffers(self) -> None:
        """The next whole block makes its buffer anew."""
        self._scratch.let_go()

    def read_one(self, order: ReadOrder) -> ReadResult:
        """Carry out one read order; an error is said in the result. A whole block is returned in a buffer that the next read overwrites: one copy, and no fresh pages."""
        path = self._scanner.paths.get(order.key, order.key.root)
        try:
            held = self._held(order.key)
            if held.packed is None:
                held.packed = _is_packed(held.fd)
            result = self._read_packed(order, held.fd) if held.packed else _read_plain(order, held.fd, self._scratch)
        except DamagedError:
            self._close(order.key)
            return self._failed(order, path, "packed_damaged")
        except OSError as error:
            self._close(order.key)
            return self._failed(order, path, reason_of(error))
        held.backlog_bytes = max(0, result.size - order.offset - len(result.data))
        self._refusals.clear(path)
        return result

    def keep_only(self, needed: AbstractSet[FileKey]) -> None:
        """Close every file that is not needed now; one that has a name is opened again when it is."""
        for key in self._descriptors:
            if key not in needed:
                self._close(key)

    def close(self) -> None:
        """Close everything."""
        for key in self._descriptors:
            self._close(key)

    # Peek.

    def head(self, key: FileKey, length: int) -> bytes:
        return self._with_file(key, lambda fd: os.pread(fd, length, 0), b"")

    def print_at(self, key: FileKey, offset: int) -> str | None:
        def look(fd: int) -> str | None:
            return Unpacker(fd).print_at(offset) if _is_packed(fd) else print_before(fd, offset)

        return self._with_file(key, look, None)

    def length(self, key: FileKey) -> int | None:
        return self._with_file(key, lambda fd: self._length(key, fd), None)

    def _length(self, key: FileKey, fd: int) -> int | None:
        found = os.fstat(fd)
        if not _is_packed(fd):
            return found.st_size
        looks = (found.st_size, found.st_mtime_ns)
        known = self._lengths.get(key)
        if known is None or known[0] != looks:
            self._lengths[key] = looks, self._unpacked_length(key, fd)
        return self._lengths[key][1]

    def _unpacked_length(self, key: FileKey, fd: int) -> int | None:
        try:
            return Unpacker(fd).length()
        except DamagedError:
            self._refusals.note(self._scanner.paths.get(key, key.root), "packed_damaged")
            return None

    # Open files.

    def _look_at_nameless(
        self, candidates: Iterable[FileKey], complete: frozenset[str]
    ) -> tuple[list[Seen], set[FileKey]]:
        """Open files that have no name in a watched folder; whether that is sure."""
        found: dict[FileKey, Seen] = {}
        unlinked: set[FileKey] = set()
        for key in candidates:
            held = self._descriptors.get(key)
            if held is None:
                continue
            now = os.fstat(held.fd)
            seen = self._nameless.get(key)
            if seen is None or (seen.size, seen.mtime_ns) != (now.st_size, now.st_mtime_ns):
                path = self._scanner.paths.get(key, key.root)
                seen = self._scanner.describe(key, path, now.st_size, now.st_mtime_ns)
            found[key] = seen
            # One that is renamed while its folder is listed may be missed once. Without any name it is gone for sure.
            if now.st_nlink == 0 or (key in self._absent and key.root in complete):
                unlinked.add(key)
            held.named = key not in unlinked
        self._nameless, self._absent = found, set(found)
        return list(found.values()), unlinked

    def _close(self, key: FileKey) -> None:
        self._descriptors.close(key)
        self._unpackers.pop(key, None)

    def _held(self, key: FileKey) -> Held:
        """The open file, opened again where it was closed. Raises OSError: FileNotFoundError where that instance is at its path no more."""
        held = self._descriptors.get(key)
        if held is None:
            held = self._descriptors.take(key, self._opened(key), 0)
        return held

    def _opened(self, key: FileKey) -> int:
        path = self._scanner.paths.get(key)
        if path is None:
            raise FileNotFoundError(errno.ENOENT, "no path")
        below, _, name = path[len(key.root.rstrip("/")) + 1 :].rpartition("/")
        with opened_folder(key.root, below) as folder:
            fd = self._open_or_make_room(folder, name)
        if os.fstat(fd).st_ino == key.inode and statx.birth_of(fd) == key.birth_ns and self._has_head(fd, key):
            return fd
        os.close(fd)
        raise FileNotFoundError(errno.ENOENT, "another file has that path now")

    def _open_or_make_room(self, folder: int, name: str) -> int:
        try:
            return open_file(folder, name)
        except OSError as error:
            if error.errno not in TOO_MANY_OPEN or not self._descriptors.close_smallest():
                raise
        return open_file(folder, name)

    @staticmethod
    def _has_head(fd: int, key: FileKey) -> bool:
        return not key.head or os.pread(fd, len(key.head), 0) == key.head

    def _with_file(self, key: FileKey, look: Callable[[int], T], otherwise: T) -> T:
        """Look into a file; one that is not open is opened for that only."""
        held = self._descriptors.get(key)
        try:
            if held is not None:
                return look(held.fd)
            fd = self._opened(key)
            try:
                return look(fd)
            finally:
                os.close(fd)
        except DamagedError:
            self._refusals.note(self._scanner.paths.get(key, key.root), "packed_damaged")
        except OSError as error:
            self._refusals.note(self._scanner.paths.get(key, key.root), reason_of(error))
        return otherwise

    # Reads.

    def _failed(self, order: ReadOrder, path: str, reason: str) -> ReadResult:
        self._refusals.note(path, reason)
        return ReadResult(order.stream_id, order.epoch, order.offset, b"", True, 0, 0, at_end=False, error=reason)

    def _read_packed(self, order: ReadOrder, fd: int) -> ReadResult:
        found = os.fstat(fd)
        unpacker = self._unpackers.get(order.key)
        if unpacker is None:
            unpacker = self._unpackers[order.key] = Unpacker(fd)
        size = self._length(order.key, fd) or 0
        print_there = unpacker.print_at(order.offset)
        matches = print_there is not None and order.expected_print in (None, print_there)
        before = unpacker.window
        data = unpacker.read(order.offset, order.max_bytes) if matches else b""
        gap = gap_at_start(before, data)
        return ReadResult(
            order.stream_id,
            order.epoch,
            order.offset,
            b"" if gap else data,
            matches,
            size,
            found.st_mtime_ns,
            at_end=order.offset + (gap or len(data)) >= size,
            hole_bytes=gap,
            before=before,
        )


def _is_packed(fd: int) -> bool:
    return os.pread(fd, len(MAGIC), 0) == MAGIC


def _read_plain(order: ReadOrder, fd: int, scratch: Scratch) -> ReadResult:
    piece = read_piece(fd, order, scratch)
    return ReadResult(
        order.stream_id,
        order.epoch,
        order.offset,
        piece.data,
        piece.print_matches,
        piece.size,
        piece.mtime_ns,
        at_end=order.offset + len(piece.data) + piece.hole_bytes >= piece.size,
        hole_bytes=piece.hole_bytes,
        before=piece.before,
    )
