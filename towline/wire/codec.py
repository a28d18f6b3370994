"""Values to bytes and back: requests are MessagePack, answers JSON, bodies zstd.

Room: wire. Never enters: files, sockets, clocks.
"""

import contextlib
import sys
import zlib
from collections.abc import Iterator, Mapping
from threading import Lock
from typing import TypeVar

import msgspec

from towline.wire.block import Frame

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

REQUEST_TYPE = "application/vnd.towline.v1+msgpack"
ANSWER_TYPE = "application/json"
ZSTD_LEVEL = 1
# Of a text that is compressed as it comes: 0.26 MB a context instead of 1.4, for 3 % more bytes of an exposition (measured).
_TEXT_OPTIONS: Mapping[int, int] = {
    zstd.CompressionParameter.compression_level: ZSTD_LEVEL,
    zstd.CompressionParameter.window_log: 15,
    zstd.CompressionParameter.hash_log: 12,
}

T = TypeVar("T")
Raw = bytes | bytearray | memoryview


class BodyError(ValueError):
    """A frame's body is not what its frame says: wrong checksum, wrong length, or not zstd."""


class Compressor:
    """One zstd context, used again and again: a new one for every block costs 1,800 page faults a megabyte (measured)."""

    def __init__(self) -> None:
        self._context = zstd.ZstdCompressor(level=ZSTD_LEVEL)
        self._lock = Lock()

    def compress(self, raw: Raw) -> bytes:
        """One block as one zstd frame; its length is written into the header, so that it can be checked unopened."""
        with self._lock, memoryview(raw) as view:
            self._context.set_pledged_input_size(view.nbytes)
            return self._context.compress(view, zstd.ZstdCompressor.FLUSH_FRAME)


class TextCompressor:
    """One text as one zstd frame, made as the text comes: nothing of it is held but what has come of it. Its length is not in the header."""

    def __init__(self) -> None:
        self._context = zstd.ZstdCompressor(options=_TEXT_OPTIONS)

    def add(self, raw: Raw) -> bytes:
        """The next bytes of the frame; often none."""
        return self._context.compress(raw)

    def end(self) -> bytes:
        """The last bytes of the frame."""
        return self._context.flush()


def compress(raw: Raw) -> bytes:
    """One block, where there are not many."""
    return Compressor().compress(raw)


def checksum_of(body: bytes) -> int:
    """CRC-32 of the body as it travels."""
    return zlib.crc32(body)


def check_body(frame: Frame) -> None:
    """Check a frame's body without opening it. Raises BodyError."""
    if checksum_of(frame.body) != frame.checksum:
        raise BodyError("checksum does not match the body")
    length = frame.end - frame.start
    if frame.codec == "none":
        said: int | None = len(frame.body)
    else:
        try:
            said = zstd.get_frame_info(frame.body).decompressed_size
        except zstd.ZstdError as error:
            raise BodyError("body is not zstd") from error
    if said != length:
        raise BodyError(f"body holds {said} bytes, the range {length}")


def open_body(codec: str, body: bytes, length: int) -> bytes:
    """The raw bytes of a body that must hold exactly `length` of them. Never makes more than that. Raises BodyError."""
    if codec == "none":
        raw = body
    else:
        try:
            raw = zstd.ZstdDecompressor().decompress(body, max_length=length + 1)
        except zstd.ZstdError as error:
            raise BodyError("body is not zstd") from error
    if len(raw) != length:
        raise BodyError(f"body holds {len(raw)} bytes or more, the range {length}")
    return raw


def encode_request(request: msgspec.Struct) -> bytes:
    """Encode what a collector sends."""
    return msgspec.msgpack.encode(request)


def decode_request(body: bytes, kind: type[T]) -> T:
    """Decode what a collector sent. Raises msgspec.DecodeError (ValidationError included). Unknown fields are ignored: newer collectors may add some."""
    with _as_decode_error():
        return msgspec.msgpack.decode(body, type=kind)


def encode_answer(answer: msgspec.Struct) -> bytes:
    """Encode what an aggregator answers."""
    return msgspec.json.encode(answer)


def decode_answer(body: bytes, kind: type[T]) -> T:
    """Decode what an aggregator answered. Raises msgspec.DecodeError."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(f"{type(error).__name__}: {error}") from error


@contextlib.contextmanager
def _as_decode_error() -> Iterator[None]:
    """Msgspec tells invalid UTF-8 and deep nesting by errors of Python's own."""
    try:
        yield
    except (UnicodeDecodeError, RecursionError) as error:
        raise msgspec.DecodeError(f"{type(error).__name__}: {error}") from error
