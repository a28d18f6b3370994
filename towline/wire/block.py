"""Frames, answers and rows: the words of protocol rule 1, as they travel.

Room: wire. Never enters: files, sockets, clocks. docs/design/wire.md is the same in prose.
"""

import enum
from typing import Literal

import msgspec

from towline.wire.identity import EMPTY_PRINT, Origin

WIRE_VERSION = 1
MAX_BLOCK_BYTES = 1 << 20  # raw bytes of one block: whole lines, except where one line is longer than this
MAX_FRAMES = 4096  # of one request

GapReason = Literal["hole", "given_up", "truncated", "unreadable"]


class Code(enum.IntEnum):
    """What an answer says of one frame, or of a whole request."""

    STORED = 200
    UNREADABLE = 400  # read again once, then a gap
    UNAUTHORIZED = 401
    FORBIDDEN = 403
    REWIND = 409  # go to the row given
    TOO_LARGE = 413  # halve
    OTHER_JOURNAL = 421  # rule 4
    WIRE_VERSION = 426  # speak the version named
    BUSY = 429  # wait as told
    UNAVAILABLE = 503  # wait as told


class Frame(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A byte range `[start, end)` of one (stream, epoch): a block, a gap, or a word about the stream.

    `body` holds the range compressed by `codec`, `checksum` its CRC-32 (of the compressed bytes, so that it can be checked without opening).
    A frame without a body has a `reason` (the range is known not to be there) or is empty (`start == end`) and carries flags.
    `print` is the print at `end`. `base`, where present, is the collector's own `delivered`: below it the journal need not look.
    """

    stream: str
    epoch: int = 0
    start: int
    end: int
    codec: Literal["zstd", "none"] = "zstd"
    body: bytes = b""
    checksum: int = 0
    print: str = EMPTY_PRINT
    read_unix_ns: int = 0
    origin: Origin
    file_bytes: int = 0  # size of the file when this was read: how far behind the stream is
    head_bytes: int = 0  # length of the head in the stream's name; 0 where it has a birth time
    reason: GapReason | None = None
    partial: bool = False  # the last line goes on in the next frame
    continues: bool = False  # the first line began in the frame before
    final: bool = False  # nothing comes after `end` in this epoch
    gone: bool = False  # no file on the volume carries this stream any more
    alias: str = ""  # the stream this file instance would have had by itself, where it was recognised as a copy
    base: int | None = None


class BlocksRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`POST /v1/blocks`. `journal` is the journal_id believed in; `pod` a `Pod`, kept raw because it seldom changes.

    `since` is the newest `until` this collector has seen from that journal (0: none): rows that moved after it are told again.
    """

    journal: str
    pod: msgspec.Raw
    run: str
    frames: tuple[Frame, ...] = ()
    since: int = 0
    goodbye: bool = False


class FrameAnswer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What became of one frame, and the row as it stands: where the collector is to go on."""

    stream: str
    code: int
    epoch: int = 0
    mark: int = 0
    delivered: int = 0
    print: str = (
        ""  # the row's print, where its mark is not the frame's end: what must be found there before reading on
    )
    error: str = ""


class Delivered(msgspec.Struct, frozen=True, array_like=True):
    """One row that moved: `[stream, epoch, delivered]`."""

    stream: str
    epoch: int
    delivered: int


class BlocksAnswer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The answer to `POST /v1/blocks`, whatever its HTTP status: one entry per frame, in order, and what has been delivered since."""

    journal: str
    frames: tuple[FrameAnswer, ...] = ()
    delivered: tuple[Delivered, ...] = ()
    until: int = 0
    next_ms: int = 0  # gather at least this long before the next request
    leaving: bool = False  # this peer is draining and takes no new bytes
    error: str = ""
    versions: tuple[int, ...] = ()  # with 426: the wire versions spoken here


class Row(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A journal's record of a (stream, epoch)."""

    stream: str
    epoch: int = 0
    mark: int = 0
    delivered: int = 0
    print: str = EMPTY_PRINT
    path: str = ""
    head_bytes: int = 0
    aliases: tuple[str, ...] = ()
    final: bool = False
    gone: bool = False


class MarksAnswer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The answer to `GET /v1/marks?pod=UID`, and the body of a 421: all rows of the pod, and whose they are.

    `heard_seconds_ago` says when this pod last spoke to this journal (absent: never); with no checkpoint the newest has custody.
    """

    journal: str
    rows: tuple[Row, ...] = ()
    until: int = 0
    next_ms: int = 0
    leaving: bool = False
    heard_seconds_ago: float | None = None
