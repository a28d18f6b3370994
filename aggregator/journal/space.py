"""Room on the disk: what the journal uses, the reserve that lets it settle when the disk is full, and whether more may come in.

Room: aggregator journal. Never enters: rows; threads.
"""

import errno
import os
import sqlite3
from pathlib import Path

from aggregator.journal.words import DamageError, JournalFullError

RESERVE_BYTES = 16 << 20
SMALLEST_RESERVE_BYTES = 256 << 10
WAL_LIMIT_BYTES = 16 << 20
FRAME_OVERHEAD_BYTES = 700  # what one frame costs beside its body: rows and indexes, rounded up


def beside(path: Path, suffix: str) -> Path:
    """A file that lies beside the journal and is named after it."""
    return path.with_name(path.name + suffix)


def size_of(path: Path) -> int:
    """Size in bytes, 0 if it is not there."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


class Space:
    """The bytes of one journal file and of what lies beside it."""

    def __init__(self, path: Path, max_bytes: int) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.wal_limit_bytes = min(WAL_LIMIT_BYTES, max(max_bytes // 16, SMALLEST_RESERVE_BYTES))
        self.reserve_target_bytes = min(RESERVE_BYTES, max(max_bytes // 16, SMALLEST_RESERVE_BYTES))
        self.reserve_bytes = size_of(self._reserve)
        self.used_bytes = 0  # as of the last transaction
        self.free_bytes = 0  # in pages of the file that hold nothing
        self.refused = ""  # why the last append found no room; "" once one did
        self._inodes: dict[Path, int] = {}

    @property
    def floor_bytes(self) -> int:
        """What is never for blocks: the reserve and the WAL."""
        return self.reserve_target_bytes + self.wal_limit_bytes

    @property
    def _reserve(self) -> Path:
        return beside(self.path, ".reserve")

    @property
    def wal(self) -> Path:
        return beside(self.path, "-wal")

    @property
    def aside_bytes(self) -> int:
        """The set-aside file with its WAL."""
        aside = beside(self.path, ".aside")
        return size_of(aside) + size_of(beside(aside, "-wal"))

    def begin_watch(self) -> None:
        """Remember which files are open, after the first statement has made them."""
        self._inodes = {path: path.stat().st_ino for path in (self.path, self.wal)}

    def check_files(self) -> None:
        """Raise DamageError if what is open is not what lies there: what is written to an unlinked file is written to nothing."""
        for path, inode in self._inodes.items():
            try:
                found = path.stat().st_ino
            except OSError as error:
                raise DamageError(f"{path.name} was taken away under us: {error.strerror}") from error
            if found != inode:
                raise DamageError(f"{path.name} was replaced under us")

    def measure(self, db: sqlite3.Connection) -> int:
        """Bytes used now, which may be inside a transaction: pages in use, WAL, reserve, set-aside."""
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        (free,) = db.execute("PRAGMA freelist_count").fetchone()
        (page_bytes,) = db.execute("PRAGMA page_size").fetchone()
        self.free_bytes = free * page_bytes
        self.used_bytes = (pages - free) * page_bytes + size_of(self.wal) + self.reserve_bytes + self.aside_bytes
        return self.used_bytes

    def room_bytes(self, db: sqlite3.Connection) -> int:
        """How many more bytes may come in; below 0 if none."""
        if not self.make_reserve():
            return -1
        used = self.measure(db)
        found = os.statvfs(self.path.parent)
        on_disk = found.f_bavail * found.f_frsize
        # Everything passes through the WAL. The file may not grow into the bytes that the WAL needs: it never gives its pages back,
        # and pages that were settled could not be used again.
        return min(self.max_bytes - used, on_disk, on_disk - self.wal_limit_bytes + self.free_bytes)

    def refuse(self, why: str, sink: str = "") -> JournalFullError:
        """The error that says so, and is remembered for the status."""
        self.refused = why
        return JournalFullError(f"journal: {why}", sink=sink)

    def look_again(self, db: sqlite3.Connection) -> None:
        """Forget that there was no room once there is some."""
        if self.room_bytes(db) > self.wal_limit_bytes:
            self.refused = ""

    def make_reserve(self) -> bool:
        """Make the reserve if it is missing and there is room for it beside the WAL; True if it is there."""
        if self.reserve_bytes:
            return True
        try:
            found = os.statvfs(self.path.parent)
            if found.f_bavail * found.f_frsize < self.floor_bytes:
                return False
            descriptor = os.open(self._reserve, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self.reserve_target_bytes)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            self.give_up_reserve()
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise DamageError(f"cannot make {self._reserve.name}: {error.strerror}") from error
            return False
        self.reserve_bytes = self.reserve_target_bytes
        return True

    def give_up_reserve(self) -> bool:
        """Give its bytes back to the volume. True if there was one."""
        had, self.reserve_bytes = self.reserve_bytes > 0, 0
        self._reserve.unlink(missing_ok=True)
        return had
