"""Reading a body the strict way: inflate under a cap, decode UTF-8, parse JSON without any of Python's leniencies."""

import json
import math
import re
import zlib
from collections.abc import Callable
from typing import Any

from backports.zstd import ZstdDecompressor, ZstdError

_BLANK = re.compile(r"[ \t\n\r]*")


class RefusedError(Exception):
    """The body is not acceptable: `status` and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def inflate(body: bytes, encoding: str, cap_bytes: int) -> bytes:
    """The uncompressed body; 413 above `cap_bytes` (inflating stops there), 415 for an unknown encoding, 400 for a torn body."""
    if encoding == "identity":
        raw = body
    elif encoding == "gzip":
        raw = _inflate(body, lambda: zlib.decompressobj(wbits=31), cap_bytes)
    elif encoding == "deflate":
        raw = _inflate(body, lambda: zlib.decompressobj(wbits=15), cap_bytes)
    elif encoding in {"zstd", "zstd1"}:
        raw = _inflate(body, ZstdDecompressor, cap_bytes)
    else:
        raise RefusedError(415, f"Content-Encoding {encoding} is not taken here")
    if len(raw) > cap_bytes:
        raise RefusedError(413, f"more than {cap_bytes} bytes uncompressed")
    return raw


def _inflate(body: bytes, make: Callable[[], Any], cap_bytes: int) -> bytes:
    """Every member or frame of `body` in turn, at most one byte more than `cap_bytes`."""
    raw = bytearray()
    while body and len(raw) <= cap_bytes:
        inflater = make()
        try:
            raw += inflater.decompress(body, cap_bytes + 1 - len(raw))
        except (zlib.error, ZstdError) as error:
            raise RefusedError(400, f"the body does not inflate: {error}") from error
        if not inflater.eof and len(raw) <= cap_bytes:
            raise RefusedError(400, "the compressed body ends too early")
        body = inflater.unused_data
    return bytes(raw)


def parse(body: bytes) -> Any:
    """The one JSON value in `body`; 400 for bad UTF-8, NaN, numbers out of range, duplicate keys, lone surrogates, excess depth."""
    text = _text(body)
    value, end = _decode(text, _skip(text, 0))
    if _skip(text, end) != len(text):
        raise RefusedError(400, "something follows the JSON value")
    return value


def parse_array(body: bytes) -> list[tuple[Any, int]]:
    """The items of a JSON array, each with its size in bytes as it was sent; refuses what `parse` refuses."""
    text = _text(body)
    at = _skip(text, 0)
    if text[at : at + 1] != "[":
        raise RefusedError(400, "the body is not a JSON array")
    items: list[tuple[Any, int]] = []
    at = _skip(text, at + 1)
    closed = text[at : at + 1] == "]"
    while not closed:
        value, end = _decode(text, at)
        items.append((value, len(text[at:end].encode())))
        at = _skip(text, end)
        if text[at : at + 1] not in {",", "]"}:
            raise RefusedError(400, f"neither a comma nor the end of the array at character {at}")
        closed = text[at] == "]"
        at = at if closed else _skip(text, at + 1)
    if _skip(text, at + 1) != len(text):
        raise RefusedError(400, "something follows the JSON array")
    return items


def _text(body: bytes) -> str:
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError(400, f"not UTF-8: {error.reason} at byte {error.start}") from error


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    return blank.end() if blank else at


def _decode(text: str, at: int) -> tuple[Any, int]:
    try:
        value, end = _DECODER.raw_decode(text, at)
        if "\\u" in text[at:end]:
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise RefusedError(400, "a lone surrogate is no character") from error
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, f"not JSON: {error}") from error
    return value, end


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is out of range")
    return number


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_float=_finite)
