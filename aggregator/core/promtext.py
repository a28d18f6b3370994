"""Scraped text as rows: Prometheus text 0.0.4 and OpenMetrics 1.0, read leniently, line by line, so that a bad line harms no other.

Room: aggregator core. Never enters: compression, sockets, clocks, what a page needs of whole families (groups.py).

A sample's usual form, `name{labels} number`, is taken apart at its last blank and its first brace: the parts are looked up, and what was
never seen is checked. Everything else (comments, exemplars, timestamps, names in quotes, garbage) goes through the line reader. Timestamps are dropped, `_created` series too: they are no measurement.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from typing import get_args

import msgspec

from aggregator.core.exposition_lines import metric_name, number, number_of
from aggregator.core.relabel import LabelTexts, UnreadableError, pairs_of, quoted_name_of, unescaped
from aggregator.core.series import Kind, Row
from aggregator.core.text_families import NAME, TextFamilies, TextFamily

_CHUNK_CHARS = 65_536  # between two looks at the limits
_MAX_EXEMPLAR_CHARS = 128  # of its labels' names and values together, says OpenMetrics
_MAX_USUAL_CHARS = 300  # of a line; a number of as many digits is larger than a number can be
_PLAIN = re.compile(
    r"-?[0-9]{1,17}(?:\.[0-9]{1,20})?(?:e[+-][0-9]{2})?|[+-]Inf|NaN"
)  # as the page writes a number, or near enough
_BRACED = r'\{((?:[^"{}\n]++|"(?:[^"\\\n]++|\\.)*+")*+)\}'
_WORD = r'([^ \t#{}"]++)'
_SAMPLE = re.compile(
    rf"[ \t]*({NAME})?[ \t]*(?:{_BRACED})?[ \t]*{_WORD}(?:[ \t]+{_WORD})?[ \t]*"
    rf"(?:#[ \t]+{_BRACED}[ \t]+{_WORD}(?:[ \t]+{_WORD})?[ \t]*)?"
)
_META = re.compile(rf'#[ \t]++(HELP|TYPE|UNIT)[ \t]++({NAME}|"(?:[^"\\]++|\\.)++")(?:[ \t]++(.*+))?+')
_KINDS: Mapping[str, Kind] = {kind: kind for kind in get_args(Kind)} | {"untyped": "unknown"}


class Budget(msgspec.Struct):
    """How much more is read, of all texts of one snapshot together. `odd_lines` are those that the line reader must look at."""

    rows: int
    odd_lines: int = 50_000


class TextReader:
    """What a text says: its families, the `samples` it held, the refused ones among them included, and why they were refused."""

    def __init__(self, texts: LabelTexts, budget: Budget, *, openmetrics: bool) -> None:
        self.samples = 0
        self._named = TextFamilies(openmetrics=openmetrics)
        self._refused: Counter[str] = Counter()
        self._texts = texts
        self._budget = budget

    @property
    def families(self) -> list[TextFamily]:
        """The families that have samples, sound or not."""
        return self._named.families()

    @property
    def refused(self) -> Counter[str]:
        """Samples that are in no family, by reason."""
        return self._refused + self._named.refused()

    def read(self, text: str) -> None:
        """Read a whole text. Never raises; reads no further than the budget allows, and counts the rest."""
        start = 0
        while start < len(text):
            if self._budget.rows <= 0 or self._budget.odd_lines <= 0:
                rest = text.count("\n", start) - text.count("\n#", start) + (not text.endswith("\n"))
                self.samples += max(rest, 0)
                self._refused["series_cap"] += max(rest, 0)
                return
            end = text.find("\n", start + _CHUNK_CHARS) + 1 or len(text)
            chunk = text[start:end].replace("\r\n", "\n")
            lines = chunk.split("\n")
            # str.isdigit is the quick look, but it takes digits beyond ASCII too, and a thousand of them.
            self._read(lines, is_usual=chunk.isascii() and max(map(len, lines)) < _MAX_USUAL_CHARS)
            start = end

    def _read(self, lines: list[str], *, is_usual: bool) -> None:
        texts, rows_of, own = self._texts, self._named.rows_of, self._texts.own
        new, is_plain = tuple.__new__, _PLAIN.fullmatch
        odd, before = 0, self.samples
        for line in lines:
            head, _, value = line.rpartition(" ")
            name, brace, labels = head.partition("{")
            try:
                rows = rows_of.get(name)
                if rows is None:
                    if line[:1] == "#":
                        odd += 1
                        self._meta(line.rstrip(" \t\r"))
                        continue
                    rows = self._named.rows_of_new(name)
                if not (is_usual and value.isdigit()) and is_plain(value) is None:
                    value = _value_of(value)
                rows.append(new(Row, (name, texts[labels] if brace else own, value, "")))
            except UnreadableError:
                odd += 1
                self._odd_line(line.rstrip(" \t\r"))
        self.samples += len(lines) - odd
        self._budget.rows -= self.samples - before

    def _odd_line(self, line: str) -> None:
        if not line:
            return
        self._budget.odd_lines -= 1
        self.samples += 1
        try:
            self._odd_sample(line)
        except UnreadableError as error:
            self._refused[error.reason] += 1

    def _odd_sample(self, line: str) -> None:
        """Raises UnreadableError, whatever is wrong with the line."""
        found = _SAMPLE.fullmatch(line)
        if found is None:
            raise UnreadableError("malformed")
        name, braced, value, at, *exemplar = found.groups()
        braced = braced or ""
        if name is None:
            name, braced = quoted_name_of(braced)
        name = metric_name(name)
        if not name or (at is not None and math.isnan(number_of(at))):
            raise UnreadableError("malformed")
        row = Row(name, self._texts[f"{braced}}}"], _value_of(value), _exemplar(*exemplar))
        rows = self._named.rows_of.get(name)
        if rows is None:
            rows = self._named.rows_of_new(name)
        rows.append(row)

    def _meta(self, line: str) -> None:
        self._budget.odd_lines -= 1
        found = _META.fullmatch(line)
        if found is None:
            return  # a comment
        what, name, said = found.group(1, 2, 3)
        if name[0] == '"':
            name = metric_name(unescaped(name[1:-1]))
        if what == "TYPE":
            if said in _KINDS:
                self._named.say_type(name, _KINDS[said])
        elif what == "HELP":
            self._named.say_help(name, unescaped(said or ""))
        else:
            self._named.say_unit(name, said or "")


def _value_of(text: str) -> str:
    """A value as the page writes it. Raises UnreadableError."""
    value = number_of(text)
    if math.isnan(value) and text.lower().lstrip("+-") != "nan":
        raise UnreadableError("malformed")
    if math.isinf(value) and "inf" not in text.lower():
        raise UnreadableError("value")  # 1e999: larger than a number can be, and not said to be infinite
    return number(value)


def _exemplar(braced: str | None, value: str | None, at: str | None) -> str:
    """An exemplar as OpenMetrics writes it, "" where there is none or it cannot be read: losing one loses no series."""
    if braced is None or value is None:
        return ""
    try:
        pairs = dict(pairs_of(braced))
    except UnreadableError:
        return ""
    numbers = [number_of(value), number_of(at or "0")]
    if sum(map(len, (*pairs, *pairs.values()))) > _MAX_EXEMPLAR_CHARS or not all(map(math.isfinite, numbers)):
        return ""
    stamp = f" {at}" if at else ""
    return f" # {{{LabelTexts({}).of(pairs.items())}}} {number(numbers[0])}{stamp}"
