"""Scraped text as rows: Prometheus text 0.0.4 and OpenMetrics 1.0, read leniently, line by line, so that a bad line harms no other.

Room: aggregator core. Never enters: compression, sockets, clocks, what a page needs of whole families (groups.py).

A sample's usual form, `name{labels} number`, is taken apart at its last blank and its first brace: the parts are looked up, and what was
never seen is checked. Everything else (comments, exemplars, timestamps, names in quotes, garbage) goes through the line reader. Timestamps are dropped, `_created` series too: they are no measurement.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import get_args

import msgspec

from aggregator.core.exposition_lines import metric_name, number, number_of
from aggregator.core.relabel import LabelTexts, UnreadableError, pairs_of, quoted_name_of, unescaped
from aggregator.core.series import Kind, Row
from aggregator.core.text_families import NAME, TextFamilies, TextFamily

BLANKS = " \t\r"  # that may stand behind a line
_CHUNK_CHARS = 65_536  # between two looks at the limits
_MAX_EXEMPLAR_CHARS = 128  # of its labels' names and values together, says OpenMetrics
_MAX_USUAL_CHARS = 300  # of a line; a number of as many digits is larger than a number can be
_FINITE = r"-?[0-9]{1,40}+(?:\.[0-9]{1,20}+)?+(?:e[+-][0-9]{2})?+"
_PLAIN = re.compile(rf"{_FINITE}|[+-]Inf|NaN")  # as the page writes a number, or near enough
_PLAIN_LINES = re.compile(rf"(?:{_FINITE}\n|[+-]Inf\n|NaN\n)*+")
_BRACED = r'\{((?:[^"{}\n]++|"(?:[^"\\\n]++|\\.)*+")*+)\}'
_WORD = r'([^ \t#{}"]++)'
_SAID = rf"{_WORD}(?:[ \t]+{_WORD})?[ \t]*(?:#[ \t]+{_BRACED}[ \t]+{_WORD}(?:[ \t]+{_WORD})?[ \t]*)?"
_TAIL = re.compile(_SAID)
_SAMPLE = re.compile(rf"[ \t]*({NAME})?[ \t]*(?:{_BRACED})?[ \t]*{_SAID}")
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
    def nowhere(self) -> list[Row]:
        """The samples that are sound, and are in no family."""
        return self._named.nowhere()

    @property
    def refused(self) -> Counter[str]:
        """Samples that are in no family, by reason."""
        return self._refused + self._named.refused()

    def read(self, text: str) -> None:
        """Read a whole text, its lines ended by line feeds alone. Never raises; reads no further than the budget allows, and counts the rest."""
        start = 0
        while start < len(text):
            if self._budget.rows <= 0 or self._budget.odd_lines <= 0:
                rest = text.count("\n", start) - text.count("\n#", start) + (not text.endswith("\n"))
                self.samples += max(rest, 0)
                self._refused["series_cap"] += max(rest, 0)
                return
            end = text.find("\n", start + _CHUNK_CHARS) + 1 or len(text)
            chunk = text[start:end]
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
                        self._meta(line.rstrip(BLANKS))
                        continue
                    rows = self._named.rows_of_new(name)
                if not (is_usual and value.isdigit()) and is_plain(value) is None:
                    value = _value_of(value)
                rows.append(new(Row, (name, texts[labels] if brace else own, value, "")))
            except UnreadableError:
                odd += 1
                self._odd_line(line.rstrip(BLANKS))
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
        name, braced, *said = found.groups()
        braced = braced or ""
        if name is None:
            name, braced = quoted_name_of(braced)
        name = metric_name(name)
        if not name:
            raise UnreadableError("malformed")
        row = Row(name, self._texts[f"{braced}}}"], *_said(*said))
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


def head_of(line: str) -> str:
    """What stands before a sample's value, or the whole line where it is none. Whether the rest can be read must be tried."""
    head, blank, value = line.rpartition(" ")
    is_usual = "#" not in head if head[-1:] == "}" else " " not in head
    if blank and is_usual and _PLAIN.fullmatch(value):
        return head + blank
    found = _SAMPLE.fullmatch(line.rstrip(BLANKS))
    head = "" if found is None else line[: found.start(3)]
    if found is None or not head.strip(BLANKS):
        return line
    try:
        _said(*found.groups()[2:])
    except UnreadableError:
        return line
    return head


def end_of_plain(joined: str, start: int) -> int:
    """Where the first value that is no plain number begins, of values that are each ended by a line feed."""
    found = _PLAIN_LINES.match(joined, start)
    return start if found is None else found.end()


def tail_of(tail: str) -> tuple[str, str, bool]:
    """What stands behind a head, and is more than a plain number: value, exemplar, whether it is a matter for the line reader.

    It is what TextReader makes of it. Raises UnreadableError, also where only the whole line can tell.
    """
    if " " not in tail:
        if tail.isdigit():
            raise UnreadableError("value")  # so many digits that it depends on the lines around it how they are written
        with suppress(UnreadableError):
            return _value_of(tail), "", False
    found = _TAIL.fullmatch(tail.rstrip(BLANKS))
    if found is None:
        raise UnreadableError("malformed")
    return (*_said(*found.groups()), True)


def _said(value: str, at: str | None, *exemplar: str | None) -> tuple[str, str]:
    """A sample's value and exemplar. Raises UnreadableError."""
    if at is not None and math.isnan(number_of(at)):
        raise UnreadableError("malformed")
    return value if _PLAIN.fullmatch(value) else _value_of(value), _exemplar(*exemplar)


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
