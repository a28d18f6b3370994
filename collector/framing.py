"""From what a read found to the frame that travels: cut, compress, name.

Room: collector shell. Runs on the worker thread; where a block ends is decided by core/blocks.py.
"""

import msgspec

from collector.core.blocks import Cut
from collector.core.files import ReadOrder, ReadResult
from collector.core.stream import Stream
from towline.wire import codec
from towline.wire.block import Frame
from towline.wire.identity import PRINT_BYTES, PRINT_WINDOW_BYTES, print_of


class Gathered(msgspec.Struct, frozen=True):
    """What one read order brought: a frame to keep, a hole to tell, or neither. Not the bytes: what they were read into is used again."""

    order: ReadOrder
    print_matches: bool
    at_end: bool
    hole_bytes: int = 0
    hole_print: str = ""
    frame: Frame | None = None


class Framer:
    """Makes frames; keeps the compressor they share."""

    def __init__(self) -> None:
        self._compressor = codec.Compressor()

    def frame_of(self, stream: Stream, result: ReadResult, cut: Cut, now_unix_ns: int) -> Frame:
        """A block of whole lines as it travels.

        Its time is when it was read, or, for a backlog, when the file was last written (rule 7). The file's bytes are not copied on the way.
        """
        size = cut.size_bytes
        body = self._compressor.compress(memoryview(result.data)[:size])
        return Frame(
            stream=stream.id,
            epoch=result.epoch,
            start=result.offset,
            end=result.offset + size,
            body=body,
            checksum=codec.checksum_of(body),
            print=print_after(result.before, result.data, size),
            read_unix_ns=min(now_unix_ns, result.mtime_ns),
            origin=stream.origin,
            file_bytes=result.size,
            head_bytes=stream.head_bytes,
            partial=cut.partial,
            continues=cut.continues,
        )


def print_after(before: bytes, data: bytes | bytearray, size: int) -> str:
    """The print at the end of the first `size` bytes of `data`, which follow `before`."""
    tail = bytes(data[max(0, size - PRINT_BYTES) : size])
    if len(tail) < PRINT_BYTES or b"\0" in tail:
        tail = (before + data[max(0, size - PRINT_WINDOW_BYTES) : size])[-PRINT_WINDOW_BYTES:]
    return print_of(tail)
