"""What the file sink does to the disk: blocking, one call at a time per path.

Room: aggregator sinks. Never enters: asyncio, pods.

Before the first bytes that ever go to a path, an intent is kept beside it: the length it had, and which lines are coming. It
covers the one moment that the journal's memo cannot: killed after that first append and before it was settled.
"""

import contextlib
import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK  # NONBLOCK: a FIFO in the way must not hang us
_FILE_MODE = 0o644


class Intent(msgspec.Struct, frozen=True):
    """The length before the first append, and what that append held: `stream:epoch:start` of its slices."""

    length: int
    starts: tuple[str, ...]


@contextlib.contextmanager
def opened(path: str) -> Iterator[int]:
    """A descriptor of the regular file at `path`, made with its folders where there is none. Raises OSError."""
    folder = Path(path).parent
    folder.mkdir(parents=True, exist_ok=True)
    made = not os.path.lexists(path)
    descriptor = os.open(path, _OPEN, _FILE_MODE)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", path)
        if made:
            sync_folder(folder)
        yield descriptor
    finally:
        os.close(descriptor)


def write_after(descriptor: int, length: int, content: bytes) -> None:
    """Make the file `length` bytes of what it holds and then `content`, on disk. Raises OSError, having cut back to `length`."""
    os.ftruncate(descriptor, length)
    try:
        view, at = memoryview(content), length
        while view:
            written = os.pwrite(descriptor, view, at)
            view, at = view[written:], at + written
        os.fsync(descriptor)
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, length)
        raise


def cut_to(path: str, length: int) -> int | None:
    """Cut the file to `length` bytes where it is longer: its length then (shorter than asked is left so). None: there is no file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        size = os.fstat(descriptor).st_size
        if size > length:
            os.ftruncate(descriptor, length)
            os.fsync(descriptor)
        return min(size, length)
    finally:
        os.close(descriptor)


def first_length(path: str, descriptor: int, starts: Sequence[str]) -> int:
    """Where the first append of this process begins in a file of which no memo is known; its intent is on disk afterwards.

    An intent that names one of the same slices: what came after its length was never settled, and goes. Else all is kept.
    """
    size = os.fstat(descriptor).st_size
    left = read_intent(path)
    if left is not None and not set(left.starts).isdisjoint(starts):
        size = min(size, left.length)
    elif size and os.pread(descriptor, 1, size - 1) != b"\n":
        os.pwrite(descriptor, b"\n", size)  # a torn line of somebody's stays a line of its own
        size += 1
    _write_intent(path, Intent(size, tuple(starts)))
    return size


def read_intent(path: str) -> Intent | None:
    """What a first append that may never have been settled left behind."""
    try:
        return msgspec.json.decode(intent_path(path).read_bytes(), type=Intent)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def forget_intent(path: str) -> None:
    intent_path(path).unlink(missing_ok=True)


def intent_path(path: str) -> Path:
    """Hidden beside the file, of a fixed length whatever the file's name."""
    digest = hashlib.blake2b(os.path.basename(path).encode(), digest_size=8).hexdigest()  # noqa: PTH119 - a text, not a file
    return Path(path).parent / f".towline-{digest}"


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_intent(path: str, intent: Intent) -> None:
    place = intent_path(path)
    temporary = place.with_suffix(".tmp")
    with temporary.open("wb") as file:
        file.write(msgspec.json.encode(intent))
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(place)
    sync_folder(place.parent)
