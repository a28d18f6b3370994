"""What the collector knows about files: what a scan saw, what follows from it, what is to be read.

Room: core. Never enters: open files, clocks. The values here are the whole conversation between `Tail` (decides), the shipper and `FileTail` (does).
"""

from typing import Protocol

import msgspec

from towline.wire.identity import Origin

BYSTANDER = -1  # a file of a watched folder whose name no configured log path matches


class FileKey(msgspec.Struct, frozen=True):
    """One file instance. `head` is its first bytes at discovery, only where the file system keeps no birth time."""

    root: str
    inode: int
    birth_ns: int | None
    head: bytes = b""


class Seen(msgspec.Struct, frozen=True):
    """What one stat said of a regular file.

    `matches` is the index of the configured log path, or BYSTANDER; `rotated` the index that its name would have without
    a rotation suffix (`x.log.1`, `x.log-20261122`), or BYSTANDER. An unlinked file that is still open is seen under its last path.
    """

    key: FileKey
    path: str
    size: int
    mtime_ns: int
    matches: int
    rotated: int = BYSTANDER


class Scan(msgspec.Struct, frozen=True):
    """One look at everything: `files` holds all regular files of the watched folders and every file that is open.

    A root is complete when all its folders could be listed: only then is a file that was not seen not there.
    `unlinked` names the open files that no watched folder names any more.
    """

    files: tuple[Seen, ...] = ()
    complete_roots: frozenset[str] = frozenset()
    unlinked: frozenset[FileKey] = frozenset()


class Position(msgspec.Struct, frozen=True):
    """How far a stream is: `offset` and the `print` there are the end of what was read. A print of None is not known."""

    epoch: int
    offset: int
    print: str | None
    stored: int = 0
    delivered: int = 0


class Peek(Protocol):
    """Small looks into a file, outside the stream of reads. A file that cannot be read answers as if it were empty or None."""

    def head(self, key: FileKey, length: int) -> bytes:
        """The first bytes as they lie on disk, at most `length`."""

    def print_at(self, key: FileKey, offset: int) -> str | None:
        """The print before `offset`, of the decompressed bytes where the file is gzip; None where it is shorter than that."""

    def length(self, key: FileKey) -> int | None:
        """How many bytes it holds, decompressed where the file is gzip; None where it is damaged or unreadable."""


class Opened(msgspec.Struct, frozen=True):
    """A file is a stream of its own, or goes on as the stream that its instance already was: read it from `offset`.

    `head_bytes` is the length of the head in the stream's name (wire `Frame.head_bytes`).
    """

    stream_id: str
    key: FileKey
    origin: Origin
    epoch: int
    offset: int
    head_bytes: int = 0


class Inherited(msgspec.Struct, frozen=True):
    """`key` is a copy of what (stream, epoch) was and goes on as it from `offset`; `alias` is the stream it would have been by itself."""

    stream_id: str
    key: FileKey
    origin: Origin
    epoch: int
    offset: int
    alias: str
    head_bytes: int = 0


class Copied(msgspec.Struct, frozen=True):
    """A file holds nothing but what (stream, epoch) already carries: its name belongs into the row, and nothing of it is read."""

    stream_id: str
    epoch: int
    alias: str


class Truncated(msgspec.Struct, frozen=True):
    """`epoch` is over: the next one opens at 0 of `key`, once what was read is stored.

    `lost_bytes_at_least` follow the position, were seen in the file, and are in no copy.
    """

    stream_id: str
    key: FileKey
    epoch: int
    lost_bytes_at_least: int


class Unlinked(msgspec.Struct, frozen=True):
    """The file has no name any more; its open descriptor is read on."""

    stream_id: str


class Missing(msgspec.Struct, frozen=True):
    """The file went, with `size_bytes` at least that were not read, and no copy carries them. A `Gone` follows."""

    stream_id: str
    size_bytes: int


class Gone(msgspec.Struct, frozen=True):
    """No file carries the stream any more: its descriptor may be closed."""

    stream_id: str


class Waiting(msgspec.Struct, frozen=True):
    """A file looks like a live stream's copy and waits until that is clear. Said once a file."""

    key: FileKey


Event = Opened | Inherited | Copied | Truncated | Unlinked | Missing | Gone | Waiting


class ReadOrder(msgspec.Struct, frozen=True):
    """Read at most `max_bytes` of a stream from `offset` of `key` on, if the bytes before it still have `expected_print` (None: not compared)."""

    stream_id: str
    key: FileKey
    epoch: int
    offset: int
    expected_print: str | None
    max_bytes: int


class ReadResult(msgspec.Struct, frozen=True):
    """What one read found. Without `print_matches` there is no data, and the bytes before `offset` are not what they were.

    `hole_bytes`: a hole begins at `offset` and is this long (page granularity): a gap, never read. `data` is empty then.
    `at_end`: nothing came after `data` when it was read. `error` is a reason from a closed list, "" if there was none.
    `before`: what lies right before `offset`, enough for the print at any place in `data`, and to say whether a line begins there.
    """

    stream_id: str
    epoch: int
    offset: int
    data: bytes | bytearray
    print_matches: bool
    size: int
    mtime_ns: int
    at_end: bool
    hole_bytes: int = 0
    error: str = ""
    before: bytes = b""
