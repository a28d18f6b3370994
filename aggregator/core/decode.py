"""An owed block to lines, and lines to what one request can carry.

Room: aggregator core. Never enters: sockets, clocks, vendors. One unzstd per block; no loop over lines, UTF-16 excepted.
"""

from bisect import bisect_right
from collections import OrderedDict
from dataclasses import replace
from itertools import accumulate

from aggregator.core.events import Details, Texts
from aggregator.core.lines import Lines
from aggregator.core.records import OwedBlock, Slice
from towline.wire.codec import open_body

_LINE_FEEDS = {"utf-8": b"\n", "utf-16le": b"\n\0", "utf-16be": b"\0\n"}
_CODECS = {"utf-16le": "utf-16-le", "utf-16be": "utf-16-be"}
_COLUMNS_BYTES = 64  # of one event
_MEMBER_BYTES = 120  # of one member of an event: its value as an object, its share of a table
ENCODINGS = frozenset(_LINE_FEEDS)


def open_block(block: OwedBlock) -> Slice:
    """The lines of a block from its `place` on, as UTF-8. Raises BodyError where the body is not what was announced.

    A place inside a line (an earlier block ended there) makes the first line one that continues.
    """
    raw = open_body(block.codec, block.body, block.end - block.start)
    skipped = block.place - block.start
    line_feed = _LINE_FEEDS.get(block.origin.encoding, b"\n")
    continues = block.continues if not skipped else raw[skipped - len(line_feed) : skipped] != line_feed
    ends: list[int] | None = None
    if len(line_feed) == 1:
        lines = Lines(raw, skipped)
    else:
        wide, ends = _wide_lines(raw[skipped:], block, line_feed)
        lines = Lines.of(wide)
    return Slice(
        block_id=block.block_id,
        stream=block.stream,
        epoch=block.epoch,
        start=block.place,
        end=block.end,
        lines=lines,
        pod=block.pod,
        origin=block.origin,
        read_unix_ns=block.read_unix_ns,
        partial=block.partial and not raw.endswith(line_feed),
        continues=continues,
        ends=ends,
    )


def _wide_lines(raw: bytes, block: OwedBlock, line_feed: bytes) -> tuple[list[bytes], list[int]]:
    """Lines of UTF-16 as UTF-8, and the stream offset after each: their lengths no longer tell."""
    codec = _CODECS[block.origin.encoding]
    lines, ends, begun = [], [], 0
    while begun < len(raw):
        found = raw.find(line_feed, begun)
        while found > 0 and found % 2:  # the halves of two neighbours look like a line feed
            found = raw.find(line_feed, found + 1)
        last = found if found >= 0 else len(raw)
        lines.append(raw[begun:last].decode(codec, errors="replace").encode())
        begun = last + 2 if found >= 0 else last
        ends.append(block.place + begun)
    if lines and block.place == 0:
        lines[0] = lines[0].removeprefix(b"\xef\xbb\xbf")  # a byte order mark is no text
    return lines, ends


def split_to_fit(
    piece: Slice, room_lines: int, room_bytes: int, overhead_bytes: int
) -> tuple[Slice | None, Slice | None]:
    """The first lines of a slice that fit, each costing its length and `overhead_bytes`, and those that do not.

    Lines are counted, and summed only where their bytes are what limits: this runs for every batch.
    """
    count = min(room_lines, room_bytes // overhead_bytes) if overhead_bytes else room_lines
    head = piece.lines.first(count, room_bytes if overhead_bytes else room_bytes + count)
    if head.size_bytes + len(head) * overhead_bytes > room_bytes:
        sums = list(accumulate(len(line) + overhead_bytes for line in head))
        head = piece.lines.first(bisect_right(sums, room_bytes), head.span_bytes)
    return split(piece, head) if head else (None, piece)


def split(piece: Slice, head: Lines | Texts) -> tuple[Slice, Slice | None]:
    """`head`, the first lines of a slice, and the rest."""
    if head.span_bytes == piece.lines.span_bytes:
        return piece, None
    if isinstance(head, Texts) or isinstance(piece.lines, Texts):
        return piece.cut(0, len(head)), piece.cut(len(head), len(piece))
    ends, count, details = piece.ends, len(head), piece.details
    middle = piece.start + head.span_bytes if ends is None else ends[count - 1]
    first = replace(
        piece,
        end=middle,
        lines=head,
        partial=False,
        ends=None if ends is None else ends[:count],
        details=details and details.cut(0, count),
        tally={},
    )
    rest = replace(
        piece,
        start=middle,
        lines=piece.lines.after(head),
        continues=False,
        covers=(),
        ends=None if ends is None else ends[count:],
        details=details and details.cut(count, len(piece)),
    )
    return first, rest


def unopened(block: OwedBlock) -> Slice:
    """A block that cannot be opened, or need not be: its range, without lines."""
    return Slice(
        block_id=block.block_id,
        stream=block.stream,
        epoch=block.epoch,
        start=block.place,
        end=block.end,
        lines=Texts(()),
        pod=block.pod,
        origin=block.origin,
        read_unix_ns=block.read_unix_ns,
    )


def held_bytes(piece: Slice) -> int:
    """What a slice occupies in memory, about. Lines that are cut apart take more, for as long as their batch is encoded."""
    return piece.lines.span_bytes + (_detail_bytes(piece.details) if piece.details is not None else 0)


def _detail_bytes(details: Details) -> int:
    """Four columns of references, and members with their values: texts that lie in the lines, too."""
    members = sum(map(len, filter(None, details.fields)))
    return _COLUMNS_BYTES * len(details) + _MEMBER_BYTES * members


class SliceCache:
    """Opened blocks, least recently used first out: two sinks that are owed the same block open it once."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._held_bytes = 0
        self._slices: OrderedDict[tuple[int, str, int], Slice] = OrderedDict()

    def get(self, block: OwedBlock) -> Slice | None:
        """The block from its place on, if it was opened from there lately."""
        key = (block.block_id, block.stream, block.place)
        found = self._slices.get(key)
        if found is None or found.epoch != block.epoch or found.end != block.end:
            return None
        self._slices.move_to_end(key)
        # Identity may have been told again since (labels change): the block at hand knows its own.
        return replace(found, pod=block.pod, origin=block.origin, lines=found.lines.unread())

    def put(self, piece: Slice) -> None:
        """Keep an opened block while there is room."""
        key = (piece.block_id, piece.stream, piece.start)
        if key in self._slices or held_bytes(piece) > self._max_bytes:
            return
        self._slices[key] = replace(piece, lines=piece.lines.unread())
        self._held_bytes += held_bytes(piece)
        while self._held_bytes > self._max_bytes:
            _, oldest = self._slices.popitem(last=False)
            self._held_bytes -= held_bytes(oldest)
