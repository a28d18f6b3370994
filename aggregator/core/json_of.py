"""Fields as JSON, whatever parsers and rules have put there.

Room: aggregator core. Never enters: vendors, sockets, clocks.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from aggregator.core.text import TRUNCATION_MARK

_MARK, _BETWEEN = "\x7f", b',"\x7f",'
_MAX_DEPTH = 200  # orjson writes 254 levels, and reads 1024
_MAX_DECIMAL_BITS = 10_000
_MAX_INTEGER, _MIN_INTEGER = (1 << 64) - 1, -(1 << 63)


def json_of(value: Any) -> bytes:
    """JSON of a value that was read from JSON, or that a parser made. What JSON cannot hold becomes text; what lies too deep is cut, with a mark."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate, an integer of more than 64 bits, too many levels
        return orjson.dumps(_plain(value, 0))


def json_of_each(values: Sequence[Mapping[str, Any]]) -> list[bytes]:
    """`json_of` each: one call for many costs half as much as one for each."""
    marked: list[Any] = [_MARK] * max(2 * len(values) - 1, 0)
    marked[::2] = values
    try:
        texts = orjson.dumps(marked)[1:-1].split(_BETWEEN)
    except TypeError:
        texts = []
    return texts if len(texts) == len(values) else list(map(json_of, values))  # in a list, one of them says the mark


def _plain(value: Any, depth: int) -> Any:  # noqa: PLR0911 - one for each kind of value
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int):
        return value if _MIN_INTEGER <= value <= _MAX_INTEGER else _text_of(value)
    if isinstance(value, float) or value is None:
        return value
    if depth >= _MAX_DEPTH:
        return TRUNCATION_MARK
    if isinstance(value, Mapping):
        return {_plain(str(key), depth): _plain(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, depth + 1) for one in value]
    return _plain(str(value), depth)


def _text_of(number: int) -> str:
    """Python writes no more than 4300 decimal digits of a number; any number of others."""
    return str(number) if number.bit_length() < _MAX_DECIMAL_BITS else f"{number:#x}"
