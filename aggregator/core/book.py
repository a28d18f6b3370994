"""A pod's book at one sink: what each series that only grows stood at when it was last settled. And the book as text, for the journal.

Room: aggregator core. Never enters: snapshots (deltas.py reads them), journals.
"""

import base64
import binascii
import sys

import msgspec

from towline.wire.snapshot import Distribution

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_VANISHED = 10_000  # series that are remembered though the last snapshot had none of them
MAX_ENDPOINTS = 1_000  # whose state is remembered
_LARGEST_TEXT_BYTES = 256 << 20  # a book this large was never written: it is not believed
_EXACT = 1 << 53  # integers below are floats without loss


class Book(msgspec.Struct, array_like=True):
    """By series key: `name{labels` of a row, `family{labels` of a distribution; those of the last snapshot come first.

    values: as last seen; NaN where it was there, but its value at the last snapshot is not known. own: the same of what began at 0 with this run of the collector; spreads: distributions, which always did.
    held, held_spreads: deltas that were counted and not sent, as their snapshot was too old.
    live: how many of `values` the last snapshot had; the others vanished, and may come back.
    forgot: series were dropped from `values`, so one that is not in it may have been there before.
    is_whole_run: all snapshots of this run were taken here, from its first on, so what is not in `own` counts from 0.
    seen: endpoints (core/endpoints.py) of which the book has all series that there were, but for those of the families named.
    """

    values: dict[str, float] = {}
    own: dict[str, float] = {}
    spreads: dict[str, Distribution] = {}
    held: dict[str, float] = {}
    held_spreads: dict[str, Distribution] = {}
    live: int = 0
    forgot: bool = False
    is_whole_run: bool = False
    seen: dict[str, tuple[str, ...]] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Book).decode


def text_of(book: Book) -> str:
    """The book for the journal: about 12 bytes a series."""
    packed = _encode(msgspec.structs.replace(book, values=_whole(book.values), own=_whole(book.own)))
    return base64.b64encode(zstd.compress(packed, level=1)).decode("ascii")


def book_of(text: str | None) -> Book | None:
    """What `text_of` wrote; None where there is nothing, or nothing that can be read."""
    if not text:
        return None
    try:
        packed = zstd.ZstdDecompressor().decompress(base64.b64decode(text), max_length=_LARGEST_TEXT_BYTES)
        return _decode(packed)
    except (binascii.Error, zstd.ZstdError, msgspec.DecodeError, ValueError):
        return None


def _whole(values: dict[str, float]) -> dict[str, float]:
    """Whole numbers as integers, which are shorter: most counters are."""
    return {
        key: int(value) if -_EXACT < value < _EXACT and value == int(value) else value for key, value in values.items()
    }
