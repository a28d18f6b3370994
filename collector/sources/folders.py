"""Looking into the watched folders, and opening what lies there: nothing outside of a root, nothing but regular files.

Room: collector source. Never enters: what a file means. The app owns these folders and may put anything there: links to
elsewhere, FIFOs, devices. Every part below a root is opened by its parent's descriptor, and no link is followed, but for one
to a name in the same folder.
"""

import errno
import os
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
OPEN_ROOT = OPEN_FOLDER & ~os.O_NOFOLLOW  # the root itself may be a link: the configuration named it
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # a FIFO without a writer would block for ever
TOO_MANY_OPEN = (errno.EMFILE, errno.ENFILE)
DEEPEST = 32  # folders below a root: a pattern with ** ends there


class Refusals:
    """What was not read, and why: each (path, reason) is counted once for as long as it lasts. Reasons are a closed list."""

    def __init__(self) -> None:
        self.counters: Counter[str] = Counter()
        self.standing: dict[str, str] = {}  # path: reason

    def note(self, path: str, reason: str) -> None:
        if self.standing.get(path) != reason:
            self.standing[path] = reason
            self.counters[reason] += 1

    def clear(self, path: str) -> None:
        self.standing.pop(path, None)


@contextmanager
def opened_folder(root: str, below: str = "") -> Iterator[int]:
    """A descriptor of the folder `below` a root, reached part by part. Raises OSError."""
    fd = os.open(root, OPEN_ROOT)
    try:
        for part in below.split("/") if below else ():
            inner = os.open(part, OPEN_FOLDER, dir_fd=fd)
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


def open_file(folder_fd: int, name: str) -> int:
    """Open a regular file of an open folder. Raises OSError; NotRegularError for anything else that has that name."""
    fd = os.open(name, OPEN_FILE, dir_fd=folder_fd)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise NotRegularError(name)
    return fd


class NotRegularError(OSError):
    """A folder, FIFO, socket or device where a log file was expected."""


def target_in_same_folder(folder_fd: int, folder: str, name: str) -> str | None:
    """The name that a link points to, if it points to a file of its own folder; None if it leads anywhere else, or is gone."""
    try:
        target = os.readlink(name, dir_fd=folder_fd)
    except OSError:
        return None
    where, _, last = target.rpartition("/")
    here = where in ("", ".") or (where.startswith("/") and os.path.normpath(where) == os.path.normpath(folder))
    return last if here and last not in ("", ".", "..") else None


def reason_of(error: OSError) -> str:
    """The word for an error, from a closed list: it becomes a metric's label."""
    if isinstance(error, PermissionError):
        return "permission"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return "vanished"
    if isinstance(error, NotRegularError):
        return "not_regular"
    return {errno.ELOOP: "link", **dict.fromkeys(TOO_MANY_OPEN, "descriptors")}.get(error.errno or 0, "unreadable")
