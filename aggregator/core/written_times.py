"""Times that are texts of one layout, a column at once.

Room: aggregator core. Never enters: clocks.

The lines of a second share all of their time but the fraction. That part is worked out once: where lines of few seconds stand together it is
put in the place of the text, and the digits of all are read as one JSON array; else it is looked up.
"""

from collections.abc import Callable, Sequence
from datetime import tzinfo
from operator import itemgetter
from typing import Any

import orjson

from aggregator.core.time_formats import NS, Layout, Moment

Time = int | None  # nanoseconds since 1970; None where a value says no time that can be

_MAX_REMEMBERED = 4096
_LONGEST = 128  # characters of a time
_DIGITS = 9
_FEW_SECONDS = 12  # replacing so many costs less than looking each line up
_FEW_LINES = 8
_SMALLEST, _LARGEST = 10**18, 10**19 - 1  # nanoseconds of 19 digits: from 2001 to 2286


class Written:
    """One layout. Safe to ask from several threads."""

    def __init__(self, layout: Layout, zone: tzinfo) -> None:
        self._whole, self._cut = layout.whole, layout.cut
        self._has_place = layout.has_fraction and layout.has_place
        self._leaves_open = layout.leaves_open
        self._moment = Moment(zone)
        self._tables: dict[int, _Table] = {}

    def of_texts(self, texts: Sequence[str], near_unix_ns: int) -> Sequence[Time]:
        """The time of each text in this layout."""
        first = self._whole.fullmatch(texts[0][:_LONGEST]) if self._has_place else None
        if first is not None and first["fraction"]:
            at, end = first.span("fraction")
            bases = self._table(at, near_unix_ns)
            try:
                return _replaced(texts, (at, end), bases) or _looked_up(texts, at, len(first[0]) - end, bases)
            except _OtherwiseError:
                pass  # one of them is written in another way, or is no time
        table = self._table(0, near_unix_ns)
        return [table[text] for text in texts]

    def of_numbers(self, numbers: Sequence[float], near_unix_ns: int) -> Sequence[Time]:
        """The time of each number, read as its digits: 20261122 may be a day."""
        return self.of_texts([repr(number) for number in numbers], near_unix_ns)

    def _table(self, at: int, near_unix_ns: int) -> "_Table":
        """Whole texts (0), or texts whose fraction was taken out at `at`, and their times."""
        table = self._tables.get(at)
        if table is not None:
            return table
        if at:
            table = _Table(lambda text: self._base_ns(text, at, near_unix_ns))
        else:
            table = _Table(lambda text: self._whole_ns(text, near_unix_ns))
        if not self._leaves_open:  # else what a text means depends on what is near
            self._tables[at] = table
        return table

    def _whole_ns(self, text: str, near_unix_ns: int) -> Time:
        match = self._whole.fullmatch(text) if len(text) <= _LONGEST else None
        if match is None:
            return None
        said = match.groupdict()
        seconds = self._moment.unix_seconds(said, near_unix_ns)
        return None if seconds is None else seconds * NS + int((said.get("fraction") or "").ljust(_DIGITS, "0"))

    def _base_ns(self, text: str, at: int, near_unix_ns: int) -> int:
        match = self._cut.fullmatch(text) if len(text) <= _LONGEST - _DIGITS else None
        # Where the separator is not where it was, the part that was taken out is no fraction.
        seconds = (
            self._moment.unix_seconds(match.groupdict(), near_unix_ns)
            if match and match.end("separator") == at
            else None
        )
        if seconds is None:
            raise _OtherwiseError
        return seconds * NS


def _replaced(texts: Sequence[str], fraction: tuple[int, int], bases: "_Table") -> Sequence[Time] | None:
    """Of texts that differ in few seconds, and in as many digits as the first has in `fraction`; None where they are others.

    Raises _OtherwiseError where one is no such text.
    """
    at, end = fraction
    if len(texts) < _FEW_LINES or len(set(map(itemgetter(slice(at)), texts))) > _FEW_SECONDS:
        return None
    tail, zeros = texts[0][end:], "0" * (_DIGITS - end + at)
    # As texts may hold line feeds, and anything else: what comes out is looked at closely.
    whole = "\n".join((tail, *texts))
    if not whole.endswith(tail):
        return None
    for _ in range(_FEW_SECONDS):
        begun = whole.find("\n") + 1
        if not begun:
            break
        head = whole[begun : begun + at]
        seconds = bases[head + tail] // NS
        whole = whole.replace(f"{tail}\n{head}", f"{zeros},{seconds}")
    numbers = (whole[len(zeros) + 1 : len(whole) - len(tail)] + zeros).encode("utf-8", "replace")
    if numbers.translate(None, b"0123456789") != b"," * (len(texts) - 1):
        return None
    try:
        times: list[int] = orjson.loads(b"[%b]" % numbers)
    except orjson.JSONDecodeError:  # a number begins with 0, or is none
        return None
    return times if all(_SMALLEST <= end <= _LARGEST for end in (min(times), max(times))) else None


def _looked_up(texts: Sequence[str], at: int, tail: int, bases: "_Table") -> list[Time]:
    """Of texts whose fraction begins at `at` and ends `tail` before their end. Raises _OtherwiseError where one is no such text."""
    parts = list(map(itemgetter(slice(at, -tail or None)), texts))
    heads: Sequence[str] = list(map(itemgetter(slice(at)), texts))
    tails = set(map(itemgetter(slice(-tail, None)), texts)) if tail else {""}
    if len(tails) == 1:
        known = {head: bases[head + next(iter(tails))] for head in set(heads)}
    else:
        heads = [text[:at] + text[-tail:] for text in texts]
        known = {head: bases[head] for head in set(heads)}
    digits = "".join(parts)
    if not (digits.isdigit() and digits.isascii()):
        raise _OtherwiseError
    widths = set(map(len, parts))
    if not widths <= set(range(1, _DIGITS + 1)):
        raise _OtherwiseError
    if len(widths) > 1:
        parts = [part.ljust(_DIGITS, "0") for part in parts]
    width = len(parts[0])
    scale = 10 ** (_DIGITS - width)
    # Read as one JSON array, in which a number must not begin with 0.
    numbers: list[int] = orjson.loads(f"[1{',1'.join(parts)}]")
    known = {head: base - scale * 10**width for head, base in known.items()}
    return [known[head] + number * scale for head, number in zip(heads, numbers, strict=True)]


class _OtherwiseError(Exception):
    """A text is not written as the first of its column is."""


class _Table(dict[str, Any]):
    """A function of a text with its newest answers. Bounded: lines of one time come together."""

    def __init__(self, work_out: Callable[[str], Time]) -> None:
        super().__init__()
        self._work_out = work_out

    def __missing__(self, text: str) -> Time:
        answer = self._work_out(text)
        if answer is not None:  # what is no time may be of any length
            if len(self) >= _MAX_REMEMBERED:
                self.clear()
            self[text] = answer
        return answer
