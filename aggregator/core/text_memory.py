"""Texts that are scraped again and again: how their labels are written and what shape they have is remembered, within bounds.

Room: aggregator core. Never enters: what a shape is (text_shapes.py), other parts of a snapshot.
"""

from collections.abc import Mapping

import msgspec

from aggregator.core.promtext import Budget, TextReader
from aggregator.core.relabel import LabelTexts
from aggregator.core.text_shapes import Said, TextShape, said_by, shape_of

_MAX_CHARS = 16 << 20  # of all that is remembered
_CHARS_OF_EACH = 2_048  # what remembering one scrape's labels takes at least
_MAX_SHAPES = 4  # of texts with as many lines, which different pods of a workload may have
_MAX_LINES = 30_000  # of a text whose shape is learned: that takes the time of a few readings, in one piece
# Readings before a shape is learned: where shapes never come again, learning them takes a fraction of the time that reading does.
_READINGS = 8
_CHARS_OF_COUNT = 256  # what remembering a number of lines takes


class _Alike(msgspec.Struct):
    """What is known of texts with as many lines. readings: how many there were, for each that was learned as many as that takes less."""

    shapes: list[TextShape] = []
    readings: int = 0


class EndpointTexts:
    """The texts of all endpoints whose scrapes have the same labels: those of one app, in each pod of a workload."""

    def __init__(self, own: Mapping[str, str]) -> None:
        self.labels = LabelTexts(own)
        self._alike: dict[tuple[bool, int], _Alike] = {}
        self._shape_chars = 0

    @property
    def chars(self) -> int:
        """How much is remembered, about."""
        return self.labels.chars + self._shape_chars

    def read(self, text: str, budget: Budget, *, openmetrics: bool) -> Said:
        """What a text says. It does not depend on what was read before."""
        if "\r" in text:  # looking for one character takes a tenth of the time that looking for two does
            text = text.replace("\r\n", "\n")
        feeds = text.count("\n")
        alike = self._known(openmetrics, feeds)
        if alike.shapes:
            lines = text.split("\n")
            for shape in alike.shapes:
                said = shape.read(lines, len(text) - feeds, budget)
                if said is not None:
                    return said
        reader = TextReader(self.labels, budget, openmetrics=openmetrics)
        reader.read(text)
        if alike.readings >= _READINGS and feeds < _MAX_LINES and budget.rows > 0 < budget.odd_lines:
            alike.readings -= _READINGS
            self._learn(alike.shapes, text.split("\n"), openmetrics=openmetrics)
        return said_by(reader)

    def _known(self, openmetrics: bool, feeds: int) -> _Alike:
        alike = self._alike.get((openmetrics, feeds))
        if alike is None:
            alike = self._alike[openmetrics, feeds] = _Alike()
            self._shape_chars += _CHARS_OF_COUNT
        alike.readings = min(alike.readings + 1, 2 * _READINGS)
        return alike

    def _learn(self, shapes: list[TextShape], lines: list[str], *, openmetrics: bool) -> None:
        shape = shape_of(lines, self.labels, openmetrics=openmetrics)
        if shape is None:
            return
        shapes.insert(0, shape)
        self._shape_chars += shape.chars - sum(old.chars for old in shapes[_MAX_SHAPES:])
        del shapes[_MAX_SHAPES:]


class TextMemory:
    """The texts of many endpoints. An app says the same every time, and all pods of a workload say nearly the same."""

    def __init__(self) -> None:
        self._texts: dict[tuple[tuple[str, str], ...], EndpointTexts] = {}
        self._chars = 0

    def texts(self, own: Mapping[str, str]) -> EndpointTexts:
        """Those of scrapes with these labels of their own. Hand them back with `note`, so that what is remembered stays bounded."""
        key = tuple(own.items())
        found = self._texts.get(key)
        if found is None:
            found = self._texts[key] = EndpointTexts(own)
            self._chars += _CHARS_OF_EACH
        self._chars -= found.chars
        return found

    def note(self, texts: EndpointTexts) -> None:
        """Count what has been added; at the bound, forget everything."""
        self._chars += texts.chars
        if self._chars > _MAX_CHARS:
            self._texts.clear()
            self._chars = 0
