"""From what a read found to the frame that travels: cut, compress, name.

Room: collector shell. Runs on the worker thread; where a block ends is decided by core/blocks.py.
"""

from dataclasses import dataclass

from collector.core.blocks import Cut
from collector.core.files import ReadOrder, ReadResult
from collector.core.stream import Stream
from towline.wire import codec
from towline.wire.block import Frame
from towline.wire.identity import PRINT_BYTES, PRINT_WINDOW_BYTES, print_of


@dataclass(frozen=True, slots=True)
class Gathered:
    """What one read order brought: a frame to keep, a hole to tell, or neither."""

    order: ReadOrder
    result: ReadResult
    frame: Frame | None = None
    hole_print: str = ""


def frame_of(stream: Stream, result: ReadResult, cut: Cut, now_unix_ns: int) -> Frame:
    """A block of whole lines as it travels. Its time is when it was read, or, for a backlog, when the file was last written (rule 7)."""
    raw = result.data if cut.size_bytes == len(result.data) else result.data[: cut.size_bytes]
    body = codec.compress(raw)
    return Frame(
        stream=stream.id,
        epoch=result.epoch,
        start=result.offset,
        end=result.offset + len(raw),
        body=body,
        checksum=codec.checksum_of(body),
        print=print_after(result.before, raw),
        read_unix_ns=min(now_unix_ns, result.mtime_ns),
        origin=stream.origin,
        head_bytes=stream.head_bytes,
        partial=cut.partial,
        continues=cut.continues,
    )


def print_after(before: bytes, data: bytes) -> str:
    """The print at the end of `data`, which follows `before`."""
    tail = data[-PRINT_BYTES:]
    if len(tail) < PRINT_BYTES or b"\0" in tail:
        wide = data[-PRINT_WINDOW_BYTES:]
        tail = (
            before[
                len(before) + len(wide) - PRINT_WINDOW_BYTES if len(before) + len(wide) > PRINT_WINDOW_BYTES else 0 :
            ]
            + wide
        )
    return print_of(tail)
