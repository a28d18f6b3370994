"""The shape of a scraped text: all of it but its numbers, so that the next text of the same shape is read by its numbers alone.

Room: aggregator core. Never enters: how a line is read (promtext.py), where shapes are kept (text_memory.py). With a shape or without one, a text says the same.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat
from operator import itemgetter

import msgspec

from aggregator.core.groups import sound_rows
from aggregator.core.histograms import are_sound, usual_size
from aggregator.core.promtext import BLANKS, Budget, TextReader, end_of_plain, head_of, tail_of
from aggregator.core.relabel import LabelTexts, UnreadableError
from aggregator.core.series import Row, SeriesFamily
from aggregator.core.text_families import TextFamily

_CHARS_OF_EACH = 128  # what remembering a line takes beside its head
_PLENTY = 1 << 60  # a budget that is not to end
_SIMPLE = frozenset({"gauge", "counter", "unknown", "gaugehistogram"})


class Said(msgspec.Struct):
    """What a text says: sound families, the `samples` it held, the refused ones among them included, and why they were refused."""

    families: list[tuple[SeriesFamily, list[Row]]]
    samples: int
    refused: Counter[str]


class _FamilyShape(msgspec.Struct, gc=False):
    """A family's place among the text's values. size: of its histograms, where they are usual; is_simple: each of its series is there once."""

    header: SeriesFamily
    start: int
    end: int
    size: int
    is_simple: bool

    def sound(self, values: Sequence[str], rows: list[Row], refused: Counter[str], *, are_counts: bool) -> list[Row]:
        """What `sound_rows` makes of the rows. `are_counts`: no value of the whole text is less than 0 or no number."""
        if self.is_simple and (are_counts or self.header.kind != "counter"):
            return rows
        if self.size and are_sound(values, self.size):
            return rows
        return sound_rows(self.header.kind, self.header.name, rows, refused)


class TextShape:
    """One shape. chars: about what it takes to remember it."""

    def __init__(self, heads: list[str], reader: TextReader) -> None:
        """`heads`: of each line what precedes its value; `reader`: has read that text with the lines' places for values."""
        rows = [row for family in reader.families for row in family.rows]
        places = [int(row.value) for row in (*rows, *reader.nowhere)]
        names = {row.name: row.name for row in rows}
        self.chars = sum(map(len, heads)) + _CHARS_OF_EACH * len(heads)
        self._heads = heads
        self._head_chars = sum(map(len, heads))
        self._places = len(places)
        self._pick = itemgetter(*places)
        self._names = [names[row.name] for row in rows]
        self._labels = [row.labels for row in rows]
        self._samples = reader.samples
        self._refused = reader.refused
        self._odd_lines = sum(1 for head in heads if head.strip(BLANKS)) - len(places)
        self._families: list[_FamilyShape] = []
        start = 0
        for family in reader.families:
            self._families.append(_family_shape(family, start))
            start += len(family.rows)

    def read(self, lines: list[str], chars: int, budget: Budget) -> Said | None:
        """Read a text of so many characters in its lines. None where it is not of this shape, or something about it is for a TextReader to tell."""
        tails = list(map(str.removeprefix, lines, self._heads))
        tail_chars = len("".join(tails))
        if len(lines) != len(self._heads) or tail_chars != chars - self._head_chars:
            return None  # a line that does not begin with its head has lost nothing
        values = self._pick(tails)
        joined = "\n".join(values) + "\n"
        if len(joined) != tail_chars + self._places:
            return None  # something stands behind a line that has no value
        odd = _odd_places(joined)
        if self._samples >= budget.rows or self._odd_lines + len(odd) >= budget.odd_lines:
            return None
        try:
            told = {place: tail_of(values[place]) for place in odd}
        except UnreadableError:
            return None
        budget.rows -= self._samples
        budget.odd_lines -= self._odd_lines + sum(is_odd for _, _, is_odd in told.values())
        return self._said(values, told, are_counts=not (told or "-" in joined or "N" in joined))

    def _said(self, values: Sequence[str], told: dict[int, tuple[str, str, bool]], *, are_counts: bool) -> Said:
        exemplars: Iterable[str] = repeat("")
        if told:
            odd = {place: value for place, (value, _, _) in told.items()}
            values = [odd.get(place, value) for place, value in enumerate(values)]
            exemplars = [told[place][1] if place in told else "" for place in range(len(values))]
        # The values that go nowhere stand behind all others, and are left.
        columns = zip(self._names, self._labels, values, exemplars, strict=False)
        rows = list(map(tuple.__new__, repeat(Row), columns))
        refused = +self._refused
        families = [
            (
                one.header,
                one.sound(values[one.start : one.end], rows[one.start : one.end], refused, are_counts=are_counts),
            )
            for one in self._families
        ]
        return Said(families, self._samples, refused)


def shape_of(lines: list[str], texts: LabelTexts, *, openmetrics: bool) -> TextShape | None:
    """A text's shape, or None where it has none that can be relied on. It takes as long as two or three readings.

    It is what a TextReader finds where each value is the number of its line: what it makes of a line does not depend on the value otherwise.
    """
    heads = [line if line[:1] == "#" else head_of(line) for line in lines]
    marks = {str(place): head for place, (head, line) in enumerate(zip(heads, lines, strict=True)) if head != line}
    if len(marks) < 2 or not all(head[-1] == " " and head[-2:-1] not in BLANKS for head in marks.values()):
        return None
    budget = Budget(_PLENTY, _PLENTY)
    reader = TextReader(texts, budget, openmetrics=openmetrics)
    reader.read("\n".join([f"{head}{place}" if str(place) in marks else head for place, head in enumerate(heads)]))
    found = [row.value for family in reader.families for row in family.rows] + [row.value for row in reader.nowhere]
    said = sum(1 for head in heads if head.strip(BLANKS))
    is_whole = (
        len(found) == len(marks) and set(found) == marks.keys() and _PLENTY - budget.odd_lines == said - len(marks)
    )
    return TextShape(heads, reader) if is_whole else None


def said_by(reader: TextReader) -> Said:
    """What a reader has read."""
    refused = reader.refused
    families = [(_header_of(one), sound_rows(one.kind, one.name, one.rows, refused)) for one in reader.families]
    return Said(families, reader.samples, refused)


def _header_of(family: TextFamily) -> SeriesFamily:
    name, said = family.name, family.meta
    return SeriesFamily(name=name, kind=family.kind, help=said.help, unit=said.unit, said=name, source="scrape")


def _family_shape(family: TextFamily, start: int) -> _FamilyShape:
    rows = family.rows
    size = usual_size(family.name, rows) if family.kind == "histogram" else 0
    is_simple = family.kind in _SIMPLE and len({row.labels for row in rows}) == len(rows)
    return _FamilyShape(_header_of(family), start, start + len(rows), size, is_simple)


def _odd_places(joined: str) -> list[int]:
    """Which of the values, each ended by a line feed, are more than a plain number."""
    odd: list[int] = []
    place = start = 0
    while True:
        end = end_of_plain(joined, start)
        if end == len(joined):
            return odd
        place += joined.count("\n", start, end)
        odd.append(place)
        place += 1
        start = joined.index("\n", end) + 1
