"""What a parser is given, and what it gives: columns, not lines.

Room: aggregator core. Never enters: which parsers there are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from operator import contains
from typing import Any, Protocol

from aggregator.core.events import Texts
from aggregator.core.lines import Lines
from aggregator.core.log_fields import MISSING, field_of


class Source:
    """Events' texts as bytes and, once somebody asks, as text: U+FFFD for what is not UTF-8, without their one trailing CR."""

    __slots__ = ("_texts", "lines")

    def __init__(self, lines: Lines | Texts) -> None:
        self.lines = lines
        self._texts: Sequence[str] | None = None

    @classmethod
    def of(cls, texts: Sequence[str]) -> "Source":
        """From texts that are no lines of a file: a field's values."""
        made = cls(Texts(text.encode("utf-8", "replace") for text in texts))
        made._texts = texts
        return made

    def __len__(self) -> int:
        return len(self.lines)

    def texts(self) -> Sequence[str]:
        """All of them, decoded at once where they are lines."""
        if self._texts is None:
            self._texts = _decoded(self.lines)
        return self._texts

    def picked(self, indexes: Sequence[int]) -> "Source":
        """Those of these numbers."""
        made = Source(Texts(self.lines[index] for index in indexes))
        if self._texts is not None:
            made._texts = [self._texts[index] for index in indexes]
        return made


def _decoded(lines: Lines | Texts) -> Sequence[str]:
    if isinstance(lines, Texts):
        return [line.decode("utf-8", "replace").removesuffix("\r") for line in lines]
    if not lines:
        return []
    whole = lines.text().decode("utf-8", "replace")  # never across a line end: that is ASCII
    if "\r" in whole:
        whole = whole.replace("\r\n", "\n").removesuffix("\r")
    return whole.split("\n")


@dataclass(slots=True, kw_only=True)
class Rows:
    """Fields of the events that fit, in their order. They are the parser's own: it may still change them.

    fits: of each event, whether it did; None where all did. columns: values by field, where they were known before the rows.
    is_source: the text of each event that fits is the JSON object that its fields were read from, from brace to brace in one line.
    """

    fields: list[dict[str, Any]]
    fits: Sequence[bool] | None = None
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    is_source: bool = False

    def column(self, names: Sequence[str]) -> Sequence[Any]:
        """Of each row the first of these fields that is there and not null, else None."""
        values = self._values(names[0])
        for name in names[1:]:
            if None not in values:
                break
            others = self._values(name)
            if values.count(None) == len(values):
                values = others
            else:
                values = [other if value is None else value for value, other in zip(values, others, strict=True)]
        return values

    def _values(self, name: str) -> Sequence[Any]:
        if name in self.columns:
            return self.columns[name]
        if "." not in name:
            if self.fields and name not in self.fields[0] and not any(map(contains, self.fields, repeat(name))):
                return [None] * len(self.fields)
            return list(map(dict.get, self.fields, repeat(name)))
        found = [field_of(row, name) for row in self.fields]
        return [None if value is MISSING else value for value in found]


class Reader(Protocol):
    """One form of text."""

    def rows(self, source: Source) -> Rows:
        """What the texts say. Never raises: what does not fit is said in `fits`."""
