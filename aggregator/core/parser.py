"""What a parser finds in texts: fields, and the time and the level that they say.

Room: aggregator core. Never enters: configuration, clocks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, TypeVar

from aggregator.core.levels import UNKNOWN, LevelTable, level_of_priority
from aggregator.core.parsers_found import Reader, Rows, Source
from aggregator.core.times import Times

T = TypeVar("T")

_MESSAGE = "message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """Columns, one value a text. fields: None where it did not fit. times_unix_ns: its own, else the read time. levels: "" where none is said.

    time_faults: it says a time that cannot be one. is_source: of each text that fits, it is the JSON object that its fields were read from.
    """

    fields: list[dict[str, Any] | None]
    times_unix_ns: list[int]
    levels: list[str]
    time_faults: list[bool]
    is_source: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """Which fields say what; of several, the first that is there. `keep_time`: those that say the time stay fields.

    priority: syslog's number, which says the level where nothing else does. message: what becomes `message`.
    """

    time: Sequence[str] = ()
    times: Times | None = None
    keep_time: bool = True
    level: Sequence[str] = ()
    priority: str = ""
    message: Sequence[str] = ()


class Parser:
    """One parser. `key`: two that have the same find the same. Safe to use from several threads."""

    def __init__(self, name: str, key: str, reader: Reader, meaning: Meaning) -> None:
        self.name = name
        self.key = key
        self._reader = reader
        self._meaning = meaning
        self._levels = LevelTable()
        self._priorities = LevelTable(level_of_priority)

    def parse(self, texts: Sequence[str], read_unix_ns: int) -> Parsed:
        """What texts say. Never raises."""
        return self.read(Source.of(texts), read_unix_ns)

    def read(self, source: Source, read_unix_ns: int) -> Parsed:
        """What texts say, as bytes or decoded: as the parser likes them. Never raises."""
        rows = self._reader.rows(source)
        times, faults = self._times(rows, read_unix_ns)
        levels = self._levels_of(rows)
        changed = self._take_time(rows, faults) | self._name_message(rows)
        fields: list[dict[str, Any] | None] = rows.fields  # type: ignore[assignment]  # ours alone from here on
        if rows.fits is not None:
            fields = _spread(rows.fits, fields, None)
            times = _spread(rows.fits, times, read_unix_ns)
            levels = _spread(rows.fits, levels, UNKNOWN)
            faults = _spread(rows.fits, faults, other=False)
        return Parsed(
            fields=fields,
            times_unix_ns=times,
            levels=levels,
            time_faults=faults,
            is_source=rows.is_source and not changed,
        )

    def _times(self, rows: Rows, read_unix_ns: int) -> tuple[list[int], list[bool]]:
        times, count = self._meaning.times, len(rows.fields)
        if times is None or not count:
            return [read_unix_ns] * count, [False] * count
        return times.read(rows.column(self._meaning.time), read_unix_ns)

    def _levels_of(self, rows: Rows) -> list[str]:
        meaning, count = self._meaning, len(rows.fields)
        levels = self._levels.of(rows.column(meaning.level)) if meaning.level and count else [UNKNOWN] * count
        if meaning.priority and UNKNOWN in levels:
            others = self._priorities.of(rows.column((meaning.priority,)))
            levels = [level or other for level, other in zip(levels, others, strict=True)]
        return levels

    def _take_time(self, rows: Rows, faults: Sequence[bool]) -> bool:
        """Fields that said the time have done their work; those that could not say it stay. Whether there are any."""
        if self._meaning.times is None or self._meaning.keep_time:
            return False
        for name in self._meaning.time:
            if name not in rows.columns:
                for row, fault in zip(rows.fields, faults, strict=True):
                    if not fault:
                        row.pop(name, None)
            elif True in faults:  # it was left out already
                for row, value in compress(zip(rows.fields, rows.columns[name], strict=True), faults):
                    row[name] = value
        return True

    def _name_message(self, rows: Rows) -> bool:
        """What is called otherwise becomes `message`, without the line end that Docker leaves on it. Whether there may be any."""
        names = [name for name in self._meaning.message if name != _MESSAGE]
        for row in rows.fields if names else ():
            if _MESSAGE not in row:
                name = next((name for name in names if name in row), None)
                if name is not None:
                    said = row.pop(name)
                    row[_MESSAGE] = said.removesuffix("\n").removesuffix("\r") if isinstance(said, str) else said
        return bool(names)


def _spread(fits: Sequence[bool], values: Sequence[T], other: T) -> list[T]:
    """A value for every event: of those that fit their own, in order."""
    each = iter(values)
    return [next(each) if fit else other for fit in fits]
