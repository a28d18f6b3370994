"""What a field's text is turned into. What cannot be turned stays the text that it is.

Room: aggregator core. Never enters: which fields there are.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

Conversion = Callable[[Sequence[Any]], Sequence[Any]]  # of a column; None (the field is not there) stays None

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:[0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})(?:[eE][+-]?[0-9]{1,3})?", re.ASCII)
_HEX = re.compile(r"(?:0[xX])?[0-9a-fA-F]{1,16}", re.ASCII)
_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_WHITE = " \t\r\n"
_LARGEST = 1 << 63  # signed 64 bits: what every destination reads back as it was
# RFC 5424, section 6.3: in a value ", \ and ] are escaped by \.
_ELEMENT = re.compile(r'\[([^ ="\]]{1,64})((?: +[^ ="\]]{1,64}="[^"\\\]]*(?:\\.[^"\\\]]*)*")*) *\]', re.DOTALL)
_PARAMETER = re.compile(r'([^ ="\]]+)="([^"\\\]]*(?:\\.[^"\\\]]*)*)"', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\\]])')


def _integers(values: Sequence[Any]) -> Sequence[Any]:
    return _numbers_at_once(values, {int}) or [_integer(value) for value in values]


def _floats(values: Sequence[Any]) -> Sequence[Any]:
    found = _numbers_at_once(values, {int, float})
    return list(map(float, found)) if found else [_float(value) for value in values]


def _numbers_at_once(values: Sequence[Any], kinds: set[type]) -> Sequence[Any] | None:
    """All values as one JSON array of numbers; None where one is no number as JSON writes it."""
    try:
        found: list[Any] = orjson.loads(f"[{','.join(values)}]")
    except (orjson.JSONDecodeError, TypeError):
        return None
    fits = len(found) == len(values) and set(map(type, found)) <= kinds
    return found if fits and (not found or (min(found) >= -_LARGEST and max(found) < _LARGEST)) else None


def _integer(value: Any) -> Any:
    text = value.strip(_WHITE) if isinstance(value, str) else ""
    number = int(text) if _INTEGER.fullmatch(text) else _LARGEST
    return number if -_LARGEST <= number < _LARGEST else value


def _float(value: Any) -> Any:
    text = value.strip(_WHITE) if isinstance(value, str) else ""
    number = float(text) if _FLOAT.fullmatch(text) else math.inf
    return value if math.isinf(number) else number


def _boolean(value: Any) -> Any:
    return _WORDS.get(value.strip(_WHITE).lower(), value) if isinstance(value, str) else value


def _hex(value: Any) -> Any:
    text = value.strip(_WHITE) if isinstance(value, str) else ""
    number = int(text, 16) if _HEX.fullmatch(text) else _LARGEST
    return number if number < _LARGEST else value


def _structured_data(value: Any) -> Any:
    """`[id name="value" ...][...]` as {id: {name: value}}; `-` as nothing."""
    if value == "-":
        return None
    elements: dict[str, dict[str, str]] = {}
    at = 0
    while isinstance(value, str) and (element := _ELEMENT.match(value, at)):
        said = {name: _ESCAPED.sub(r"\1", text) for name, text in _PARAMETER.findall(element[2])}
        elements.setdefault(element[1], {}).update(said)
        at = element.end()
    return elements if elements and at == len(value) else value


def _structured_data_column(values: Sequence[Any]) -> Sequence[Any]:
    """Most lines of a program say the same. Each event has elements of its own: a rule may not change another's."""
    known = {value: _structured_data(value) for value in set(values)}
    return [
        {name: {**said} for name, said in found.items()} if isinstance(found := known[value], dict) else found
        for value in values
    ]


def _each(convert: Callable[[Any], Any]) -> Conversion:
    return lambda values: [convert(value) for value in values]


CONVERSIONS: Mapping[str, Conversion] = {
    "string": lambda values: values,
    "integer": _integers,
    "float": _floats,
    "boolean": _each(_boolean),
    "hex": _each(_hex),
    "structured_data": _structured_data_column,
}
