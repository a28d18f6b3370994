"""What is remembered of a pod between two of its snapshots: its book, and when its counts were last sent.

Room: aggregator sinks, pure. Never enters: snapshots, journals.
"""

import base64
import binascii
import sys

import msgspec

from aggregator.core.book import Book, book_of, text_of

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_LARGEST_BYTES = 64 << 20


class PodState(msgspec.Struct, array_like=True):
    """second: of the newest points: no later ones may have the same, as they would overwrite them.

    counted_unix_ns: from when on the book's deltas count. warm: DogStatsD counters that counted lately, by series, and when (in seconds).
    """

    second: int = 0
    counted_unix_ns: int = 0
    warm: dict[str, int] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(PodState).decode


def text_of_state(state: PodState, book: Book) -> str:
    """Both for the journal."""
    head = base64.b64encode(zstd.compress(_encode(state), level=1)).decode("ascii")
    return f"{head}.{text_of(book)}"


def state_of(text: str | None) -> tuple[PodState, Book | None]:
    """What was written; nothing where it cannot be read."""
    head, _, book = (text or "").partition(".")
    try:
        packed = zstd.ZstdDecompressor().decompress(base64.b64decode(head), max_length=_LARGEST_BYTES)
        return _decode(packed), book_of(book)
    except (binascii.Error, zstd.ZstdError, msgspec.DecodeError, ValueError):
        return PodState(), None
