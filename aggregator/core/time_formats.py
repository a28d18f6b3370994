"""A strptime-like format, as a regular expression and what its groups mean together.

Room: aggregator core. Never enters: clocks (a format without a year is told what is near). Directives: strptime(3), C locale.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo

NS = 1_000_000_000
END_UNIX_SECONDS = 9_214_646_400  # 2262-01-01: what signed 64-bit nanoseconds hold, in whole years
_DAY_SECONDS = 86_400
_FIRST_YEAR, _LAST_YEAR = 1969, 2262  # what a zone may still bring within the bounds
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAMES = "jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:tember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?"
_DAY_NAMES = "(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"
_DAY_OF_MONTH = "3[01]|[12][0-9]|0[1-9]| ?[1-9]"
_OFFSET = "[Zz]|[+-][0-2][0-9]:?[0-5][0-9]"

# What each directive reads. A name twice (%d and %e) is one value.
_VALUES: Mapping[str, tuple[str, str]] = {
    "Y": ("year", "[0-9]{4}"),
    "y": ("short_year", "[0-9]{2}"),
    "m": ("month", "1[0-2]|0[1-9]|[1-9]"),
    "b": ("month_name", _MONTH_NAMES),
    "B": ("month_name", _MONTH_NAMES),
    "h": ("month_name", _MONTH_NAMES),
    "d": ("day", _DAY_OF_MONTH),
    "e": ("day", _DAY_OF_MONTH),
    "j": ("day_of_year", "36[0-6]|3[0-5][0-9]|[12][0-9]{2}|0[1-9][0-9]|00[1-9]|[1-9][0-9]|0[1-9]|[1-9]"),
    "H": ("hour", "2[0-3]|[01][0-9]| ?[0-9]"),
    "k": ("hour", "2[0-3]|[01][0-9]| ?[0-9]"),
    "I": ("hour_of_12", "1[0-2]|0[1-9]| ?[1-9]"),
    "l": ("hour_of_12", "1[0-2]|0[1-9]| ?[1-9]"),
    "p": ("half", "[ap]\\.?m\\.?"),
    "M": ("minute", "[0-5][0-9]|[0-9]"),
    "S": ("second", "6[01]|[0-5][0-9]|[0-9]"),
    "s": ("epoch", "[0-9]{1,10}"),
    "z": ("offset", _OFFSET),
    "Z": ("zone", "[A-Za-z]{1,6}"),
}
_PASSED_OVER = {"a": _DAY_NAMES, "A": _DAY_NAMES, "u": "[1-7]", "w": "[0-6]", "n": "\\s+", "t": "\\s+", "%": "%"}
_SHORT_FOR = {
    "c": "%a %b %e %H:%M:%S %Y",
    "x": "%m/%d/%y",
    "X": "%H:%M:%S",
    "T": "%H:%M:%S",
    "D": "%m/%d/%y",
    "F": "%Y-%m-%d",
    "R": "%H:%M",
    "r": "%I:%M:%S %p",
}
_FRACTIONS = "fLN"
DIRECTIVES = " ".join(f"%{letter}" for letter in (*_VALUES, *_FRACTIONS, *_PASSED_OVER, *_SHORT_FOR))
_UTC_NAMES = {"UTC", "GMT", "UT", "Z"}


@dataclass(frozen=True, slots=True)
class Layout:
    """What a format reads. `before` and `after` stand around the fraction, `separator` is the last sign before it ("" : none).

    `has_fraction` false: all of it is `before`.
    """

    before: str
    separator: str = ""
    after: str = ""
    has_fraction: bool = False

    @property
    def has_place(self) -> bool:
        """Whether the fraction can be cut out by its place: a sign that is no digit stands before it, and behind it, or nothing does."""
        begins = self.after.startswith(("(?P<offset>", "(?P<zone>", "(?: ?(?P<offset>"))
        return self.separator != "" and (begins or (not self.after[:1].isdigit() and not self.after.startswith("(")))

    @property
    def leaves_open(self) -> bool:
        """Whether a text does not say its year, or its day."""
        return not any(f"(?P<{name}>" in self.before + self.after for name in ("year", "short_year", "epoch"))

    @property
    def whole(self) -> re.Pattern[str]:
        """A text in this format. A fraction may be missing, and its separator with it."""
        fraction = f"(?:{self.separator}(?P<fraction>[0-9]{{0,9}}))?" if self.has_fraction else ""
        return re.compile(self.before + fraction + self.after, re.IGNORECASE | re.ASCII)

    @property
    def cut(self) -> re.Pattern[str]:
        """A text whose fraction was taken out of it behind the separator."""
        return re.compile(f"{self.before}(?P<separator>{self.separator}){self.after}", re.IGNORECASE | re.ASCII)


# RFC 3339, section 5.6, and what ISO 8601 allows beside it: a comma, an offset without a colon, of hours alone, or none.
RFC3339 = Layout(
    "(?P<year>[0-9]{4})-(?P<month>0[1-9]|1[0-2])-(?P<day>[0-2][0-9]|3[01])[Tt_ ]"
    "(?P<hour>[01][0-9]|2[0-3]):(?P<minute>[0-5][0-9]):(?P<second>[0-5][0-9]|60)",
    "[.,]",
    f"(?: ?(?P<offset>{_OFFSET}|[+-][0-2][0-9])| (?P<zone>[A-Za-z]{{1,6}}))?",
    has_fraction=True,
)


def layout_of(text: str) -> Layout:
    """What a format reads. Raises ValueError, whose message says what to write instead."""
    before: list[str] = []
    parts, separator, seen = before, "", set[str]()
    for literal, letter in _tokens(text):
        if letter == "":
            parts.append(_literal(literal))
        elif letter in _FRACTIONS:
            if parts is not before:
                raise ValueError(f"{text!r} has two fractions of a second. Keep one of them")
            if before and before[-1] in {"[.,]", ":"}:
                separator = before.pop()
            parts = []
        elif letter in _PASSED_OVER:
            parts.append(_PASSED_OVER[letter])
        else:
            name, pattern = _VALUES[letter]
            if name in seen:
                raise ValueError(f"{text!r} says the {name.replace('_', ' ')} twice. Keep one of them")
            seen.add(name)
            parts.append(f"(?P<{name}>{pattern})")
    _check(text, seen)
    has_fraction = parts is not before
    return Layout("".join(before), separator, "".join(parts) if has_fraction else "", has_fraction)


def _tokens(text: str) -> Iterable[tuple[str, str]]:
    """(literal, "") or ("", directive), abbreviations written out."""
    for short, long in _SHORT_FOR.items():
        text = re.sub(rf"(?<!%)((?:%%)*)%{short}", rf"\1{long}", text)
    at = 0
    while at < len(text):
        if text[at] != "%":
            yield text[at], ""
            at += 1
            continue
        letter = text[at + 1 : at + 2]
        if (letter not in _VALUES and letter not in _FRACTIONS and letter not in _PASSED_OVER) or not letter:
            raise ValueError(f"{text!r} has the directive %{letter}, which is not known here. Use: {DIRECTIVES}")
        yield "", letter
        at += 2


def _literal(char: str) -> str:
    if char.isspace():
        return "\\s+"
    return "[.,]" if char in ".," else re.escape(char)


def _check(text: str, seen: set[str]) -> None:
    if "epoch" in seen:
        return
    has_month, has_day = bool(seen & {"month", "month_name"}), "day" in seen
    if has_month != has_day or (seen & {"year", "short_year"} and not (has_day or "day_of_year" in seen)):
        raise ValueError(f"{text!r} says a part of a day, and not which. Add what is missing of %Y %m %d")
    if not seen & {"hour", "hour_of_12", "day", "day_of_year"}:
        raise ValueError(f"{text!r} says no hour. Add %H:%M:%S, or what stands for it in the lines")


class Moment:
    """What the groups of a text mean together. `zone` is that of texts that say none."""

    def __init__(self, zone: tzinfo) -> None:
        self._zone = zone
        self._is_utc = zone is UTC

    def unix_seconds(self, said: Mapping[str, str | None], near_unix_ns: int) -> int | None:
        """Whole seconds since 1970, None where there is no such time, or it is out of bounds.

        What a text leaves open (its year, its day) is chosen so that the result is as close to `near_unix_ns` as can be.
        """
        if said.get("epoch"):
            found = [int(said["epoch"] or 0)]
        else:
            of_day = _seconds_of_day(said)
            days = (date.fromordinal(day) for day in _days(said, near_unix_ns))
            found = [seconds for day in days if (seconds := self._at(day, of_day, said)) is not None]
        fitting = [seconds for seconds in found if 0 <= seconds < END_UNIX_SECONDS]
        return min(fitting, key=lambda seconds: abs(seconds * NS - near_unix_ns), default=None)

    def _at(self, day: date, of_day: int, said: Mapping[str, str | None]) -> int | None:
        local = (day.toordinal() - _EPOCH_DAY) * _DAY_SECONDS + of_day
        offset, zone = said.get("offset"), said.get("zone")
        if offset:
            return local - _offset_seconds(offset)
        if zone:
            return local if zone.upper() in _UTC_NAMES else None
        if self._is_utc:
            return local
        return local - _zone_seconds(self._zone, day, of_day)


def _zone_seconds(zone: tzinfo, day: date, of_day: int) -> int:
    """How far a zone is ahead of UTC at a local time; of an hour that is there twice, the first."""
    minutes, seconds = divmod(min(of_day, _DAY_SECONDS - 1), 60)
    local = datetime(day.year, day.month, day.day, minutes // 60, minutes % 60, seconds, tzinfo=zone)
    ahead = local.utcoffset() or timedelta()
    return ahead.days * _DAY_SECONDS + ahead.seconds


def _seconds_of_day(said: Mapping[str, str | None]) -> int:
    hour = int(said.get("hour") or 0)
    if said.get("hour_of_12"):
        hour = int(said["hour_of_12"] or 0) % 12 + 12 * (said.get("half") or "a").lower().startswith("p")
    return hour * 3600 + int(said.get("minute") or 0) * 60 + int(said.get("second") or 0)


def _offset_seconds(offset: str) -> int:
    """Of `Z`, `+02:00`, `+0200` or `+02`."""
    if offset in {"Z", "z"}:
        return 0
    digits = offset[1:].replace(":", "").ljust(4, "0")
    seconds = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -seconds if offset[0] == "-" else seconds


def _days(said: Mapping[str, str | None], near_unix_ns: int) -> list[int]:
    """The days, as ordinals, that a text may mean: one where it says the year, none where there is no such day."""
    near = _EPOCH_DAY + near_unix_ns // NS // _DAY_SECONDS
    years = _years(said, date.fromordinal(near).year)
    if said.get("day_of_year"):
        days = ((year, date(year, 1, 1).toordinal() + int(said["day_of_year"] or 0) - 1) for year in years)
        return [day for year, day in days if date.fromordinal(day).year == year]
    month, name, day = said.get("month"), said.get("month_name"), said.get("day")
    if not day:
        return [near - 1, near, near + 1]
    number = int(month) if month else _MONTHS.index((name or "")[:3].lower()) + 1
    return [ordinal for year in years if (ordinal := _ordinal(year, number, int(day)))]


def _years(said: Mapping[str, str | None], near: int) -> list[int]:
    if said.get("year"):
        years = [int(said["year"] or 0)]
    elif said.get("short_year"):
        short = int(said["short_year"] or 0)
        years = [short + (2000 if short < 69 else 1900)]  # POSIX: strptime(3), %y
    else:
        years = [near - 1, near, near + 1]
    return [year for year in years if _FIRST_YEAR <= year <= _LAST_YEAR]


def _ordinal(year: int, month: int, day: int) -> int:
    try:
        return date(year, month, day).toordinal()
    except ValueError:  # 30 February, or 29 in most years
        return 0
