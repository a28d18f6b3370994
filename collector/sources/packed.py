"""The bytes inside a gzip file, by their offsets: a rotated log that was compressed goes on to be read as what it was.

Room: collector source. Never enters: which stream it is. Memory is bounded: one chunk in, one chunk out, and the print window.
"""

import os
import zlib

from towline.wire.identity import PRINT_WINDOW_BYTES, print_of

MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 1 << 16
GZIP_WINDOW = 31  # zlib's way to say: gzip header and trailer


class DamagedError(Exception):
    """Not gzip all the way: cut off, or rubbish after its beginning."""


class Unpacker:
    """Reads forward; going back begins anew. `fd` stays the caller's."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._rewind()

    def read(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` on; fewer only at the end. Raises DamagedError, OSError."""
        self._seek(offset)
        pieces: list[bytes] = []
        while size > 0 and (piece := self._next(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def print_at(self, offset: int) -> str | None:
        """The print before `offset`; None where there is less. Raises DamagedError, OSError."""
        self._seek(offset)
        return print_of(self._window) if self._offset == offset else None

    @property
    def window(self) -> bytes:
        """The bytes before where it stands, as many as a print is made of."""
        return self._window

    def length(self) -> int:
        """All of it, read to the end. Raises DamagedError, OSError."""
        while self._next(CHUNK_BYTES):
            pass
        return self._offset

    def _seek(self, offset: int) -> None:
        if offset < self._offset:
            self._rewind()
        while self._offset < offset and self._next(min(CHUNK_BYTES, offset - self._offset)):
            pass

    def _rewind(self) -> None:
        self._offset = 0  # of what came out
        self._taken = 0  # of what went in
        self._input = b""
        self._window = b""
        self._inside = zlib.decompressobj(GZIP_WINDOW)

    def _next(self, size: int) -> bytes:
        """The next piece, at most `size` bytes; b"" at the end."""
        while True:
            if not self._input:
                self._input = os.pread(self._fd, CHUNK_BYTES, self._taken)
                self._taken += len(self._input)
            if self._inside.eof:
                if not self._input.rstrip(b"\0"):
                    return b""  # some writers pad the end with zeros
                self._inside = zlib.decompressobj(GZIP_WINDOW)  # another member follows
            try:
                piece = self._inside.decompress(self._input, size)
            except zlib.error as error:
                raise DamagedError(str(error)) from error
            cut_off = not self._input and not piece and not self._inside.eof
            self._input = self._inside.unused_data if self._inside.eof else self._inside.unconsumed_tail
            if cut_off:
                raise DamagedError("cut off")
            if piece:
                self._offset += len(piece)
                self._window = (self._window + piece)[-PRINT_WINDOW_BYTES:]
                return piece
