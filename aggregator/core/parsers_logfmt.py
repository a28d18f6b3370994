"""Lines of `key=value` pairs: what Go's loggers, Heroku and many others write.

Room: aggregator core. Never enters: what the keys mean.
"""

import re
from collections.abc import Mapping
from typing import Any

from aggregator.core.parsers_found import Rows, Source
from aggregator.core.parsers_types import Conversion

_KEY = r'[^\s="]+'
_PAIR = re.compile(rf'({_KEY})(?:(=)(?:"([^"\\]*(?:\\.[^"\\]*)*)"|(\S*)))?', re.DOTALL)
_BEGINNING = re.compile(rf"\s*{_KEY}=")
_ESCAPES = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


class LogfmtReader:
    """Texts that begin with `key=`. A key without a value is true. skip_empty: one with an empty value is left out."""

    def __init__(self, conversions: Mapping[str, Conversion], *, skip_empty: bool = False) -> None:
        self._conversions = conversions
        self._skip_empty = skip_empty

    def rows(self, source: Source) -> Rows:
        """The pairs of each text; of a key that is there twice the last counts."""
        texts = source.texts()
        fits = [_BEGINNING.match(text) is not None for text in texts]
        rows = [_pairs(text) for text, fit in zip(texts, fits, strict=True) if fit]
        if self._skip_empty:
            rows = [{key: value for key, value in row.items() if value != ""} for row in rows]
        for name, convert in self._conversions.items():
            found = [row for row in rows if name in row]
            for row, value in zip(found, convert([row[name] for row in found]), strict=True):
                row[name] = value
        return Rows(fields=rows, fits=None if all(fits) else fits)


def _pairs(text: str) -> dict[str, Any]:
    found = _PAIR.findall(text)
    if "\\" in text:
        return {key: _value(equals, quoted, plain) for key, equals, quoted, plain in found}
    return {key: quoted or plain if equals else True for key, equals, quoted, plain in found}


def _value(equals: str, quoted: str, plain: str) -> str | bool:
    if not equals:
        return True
    return _ESCAPES.sub(lambda match: _ESCAPED.get(match[1], match[1]), quoted) or plain
