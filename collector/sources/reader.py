"""One read of one open file: the bytes before the offset compared, the bytes after it returned, holes told but never read.

Room: collector source. Never enters: paths, streams, decisions.
"""

import errno
import os

import msgspec

from collector.core.files import ReadOrder
from towline.wire.identity import PRINT_BYTES, PRINT_WINDOW_BYTES, print_of

BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's own
PAGE_BYTES = 4096
SCRATCH_FROM_BYTES = 256 << 10  # smaller reads are not worth a buffer


class Piece(msgspec.Struct, frozen=True):
    """What was found at an offset. Either data or a hole, never both; neither where the print does not match."""

    data: bytes | bytearray
    print_matches: bool
    size: int
    mtime_ns: int
    hole_bytes: int = 0
    before: bytes = b""  # up to 64 kB right before the offset: enough for the print at any later place


class Scratch:
    """A buffer for reads of a whole block, made when one comes: a pod that only writes a little never has one."""

    def __init__(self) -> None:
        self._buffer: bytearray | None = None

    def of(self, wanted: int, block_bytes: int) -> bytearray | None:
        """The buffer for a read of `wanted` bytes; None where that is less than a block, or too small to be worth one."""
        if wanted < max(block_bytes, SCRATCH_FROM_BYTES):
            return None
        if self._buffer is None or len(self._buffer) != wanted:
            self._buffer = bytearray(wanted)
        return self._buffer

    def let_go(self) -> None:
        """The next whole block makes it anew."""
        self._buffer = None


def read_piece(fd: int, order: ReadOrder, scratch: Scratch) -> Piece:
    """Read on from the order's offset, in one pread with the bytes before it (kernel: a hole is what SEEK_DATA skips). Raises OSError.

    A whole block is returned in `scratch`, uncopied: good until the next one.
    """
    offset = order.offset
    found = os.fstat(fd)
    size, mtime_ns = found.st_size, found.st_mtime_ns
    if size < offset:
        return Piece(b"", print_matches=False, size=size, mtime_ns=mtime_ns)
    wanted, hole = min(order.max_bytes, size - offset), 0
    sparse = found.st_blocks * BLOCK_BYTES < size
    if sparse and wanted:
        wanted, hole = _until_hole(fd, offset, size, wanted)
    before, data = _read_both(fd, offset, wanted, scratch.of(wanted, order.max_bytes))
    if order.expected_print is not None and print_of(before) != order.expected_print:
        return Piece(b"", print_matches=False, size=size, mtime_ns=mtime_ns)
    if first_gap := gap_at_start(before, data):
        data, hole = b"", first_gap
    elif sparse and data and offset + len(data) < size:
        data, hole = _without_last_nuls(fd, offset, size, data)
    return Piece(data, print_matches=True, size=size, mtime_ns=mtime_ns, hole_bytes=hole, before=before)


def _read_both(fd: int, offset: int, wanted: int, scratch: bytearray | None) -> tuple[bytes, bytes | bytearray]:
    """The bytes before an offset and those from it on, as they were at one moment."""
    before_bytes = min(offset, PRINT_BYTES)
    if scratch is not None:
        before = bytearray(before_bytes)
        count = os.preadv(fd, [before, scratch], offset - before_bytes)
        if count == before_bytes + wanted:
            return _widened(fd, offset, bytes(before)), scratch
    both = os.pread(fd, before_bytes + wanted, offset - before_bytes)
    return _widened(fd, offset, both[:before_bytes]), both[before_bytes:]


def gap_at_start(before: bytes, data: bytes | bytearray) -> int:
    """How many NULs a file begins with, or goes on with: it was truncated, and a writer who does not append wrote on where it was.

    In its first page such a gap is no hole to the file system.
    """
    return _length_of_nuls(data) if data.startswith(b"\0\0") and not before.strip(b"\0") else 0


def print_before(fd: int, offset: int) -> str | None:
    """The print before `offset`; None where the file is shorter. Raises OSError."""
    start = max(0, offset - PRINT_BYTES)
    before = os.pread(fd, offset - start, start)
    if len(before) < offset - start:
        return None
    return print_of(_widened(fd, offset, before))


def _widened(fd: int, offset: int, before: bytes) -> bytes:
    """What a print before `offset` is made of: the wide window, but only where the narrow one has NULs."""
    if b"\0" in before and offset > PRINT_BYTES:
        start = max(0, offset - PRINT_WINDOW_BYTES)
        return os.pread(fd, offset - start, start)
    return before


def _until_hole(fd: int, offset: int, size: int, wanted: int) -> tuple[int, int]:
    """How much to read at `offset` of a sparse file before its next hole; 0 and the hole's length where one begins there."""
    data_at = _seek(fd, offset, os.SEEK_DATA, size)
    if data_at > offset:
        return 0, _first_letter(fd, data_at, size) - offset
    return min(wanted, _seek(fd, offset, os.SEEK_HOLE, size) - offset), 0


def _without_last_nuls(fd: int, offset: int, size: int, data: bytes | bytearray) -> tuple[bytes | bytearray, int]:
    """A hole begins at a page's end, the writer's gap before it: NULs that end at a hole belong to it."""
    end = offset + len(data)
    data_at = _seek(fd, end, os.SEEK_DATA, size)
    if data_at == end:
        return data, 0
    letters = data.rstrip(b"\0")
    if len(data) - len(letters) >= PAGE_BYTES:
        return data, 0  # longer than what a page's rest can be: somebody wrote them
    return letters, 0 if letters else _first_letter(fd, data_at, size) - offset


def _first_letter(fd: int, data_at: int, size: int) -> int:
    """Where the writing goes on after a hole: NULs at the beginning of its first page belong to the gap."""
    return data_at + _length_of_nuls(os.pread(fd, min(PAGE_BYTES, size - data_at), data_at))


def _length_of_nuls(data: bytes | bytearray) -> int:
    """How many NULs `data` begins with, but for one that is the upper half of a UTF-16BE letter."""
    length = len(data) - len(data.lstrip(b"\0"))
    return length - 1 if length % 2 and data[length + 1 : length + 2] == b"\0" else length


def _seek(fd: int, offset: int, whence: int, size: int) -> int:
    """Where the next data or hole is; the end of the file where there is none. Only positions move, and pread does not use them."""
    try:
        return min(size, os.lseek(fd, offset, whence))
    except OSError as error:
        if error.errno == errno.ENXIO:
            return size
        return offset if whence == os.SEEK_DATA else size  # this file system cannot tell: all of it is data
