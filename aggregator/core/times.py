"""What time an event says it is: texts and numbers to nanoseconds since 1970, a column at once.

Room: aggregator core. Never enters: clocks (the time at which a block was read is passed in), fields' names.
"""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any, Protocol, cast

from aggregator.core.epochs import UNITS_NS, Epoch
from aggregator.core.time_formats import RFC3339, layout_of
from aggregator.core.written_times import Time, Written

NAMED = ("rfc3339", *UNITS_NS, "auto")


class _Format(Protocol):
    """One way to write a time. The same value gives the same, whatever stands beside it."""

    def of_texts(self, texts: Sequence[str], near_unix_ns: int) -> Sequence[Time]:
        """The time of each text."""

    def of_numbers(self, numbers: Sequence[float], near_unix_ns: int) -> Sequence[Time]:
        """The time of each number."""


class Times:
    """A parser's formats: the first that fits. Safe to ask from several threads.

    formats: of strptime, or of NAMED. zone: of texts that say none. Raises ValueError, whose message says what to write instead.
    """

    def __init__(self, formats: Sequence[str], zone: tzinfo = UTC) -> None:
        self._formats = [_format_of(text, zone) for text in formats]

    def read(self, values: Sequence[object], read_unix_ns: int) -> tuple[list[int], list[bool]]:
        """The time of each value, and whether it is one that cannot be read. Without a value (None), or with such a one: the read time."""
        times = self._of_values(values, read_unix_ns)
        if None not in times:
            return cast("list[int]", times), [False] * len(times)
        faults = [time is None and value is not None for time, value in zip(times, values, strict=True)]
        return [read_unix_ns if time is None else time for time in times], faults

    def _of_values(self, values: Sequence[object], near_unix_ns: int) -> list[Time]:
        kinds = set(map(type, values))
        if kinds == {str} or (kinds and kinds <= {int, float}):
            return self._first_fit(values, near_unix_ns, is_text=str in kinds)
        times: list[Time] = [None] * len(values)
        for is_text, wanted in ((True, {str}), (False, {int, float})):
            indexes = [index for index, value in enumerate(values) if type(value) in wanted]
            found = self._first_fit([values[index] for index in indexes], near_unix_ns, is_text=is_text)
            for index, time in zip(indexes, found, strict=True):
                times[index] = time
        return times

    def _first_fit(self, values: Sequence[Any], near_unix_ns: int, *, is_text: bool) -> list[Time]:
        times: list[Time] = []
        for known in self._formats if values else ():
            read = known.of_texts if is_text else known.of_numbers
            if not times:
                times = list(read(values, near_unix_ns))
            else:
                left = [index for index, time in enumerate(times) if time is None]
                found = read([values[index] for index in left], near_unix_ns)
                for index, time in zip(left, found, strict=True):
                    times[index] = time
            if None not in times:
                break
        return times


def _format_of(text: str, zone: tzinfo) -> _Format:
    if text in UNITS_NS:
        return Epoch(UNITS_NS[text])
    if text == "rfc3339":
        return Written(RFC3339, zone)
    return _Auto(zone) if text == "auto" else Written(layout_of(text), zone)


class _Auto:
    """RFC 3339, else a number whose size tells its unit."""

    def __init__(self, zone: tzinfo) -> None:
        self._written, self._epoch = Written(RFC3339, zone), Epoch()

    def of_texts(self, texts: Sequence[str], near_unix_ns: int) -> Sequence[Time]:
        times = self._written.of_texts(texts, near_unix_ns)
        if None not in times:
            return times
        numbers = self._epoch.of_texts(texts, near_unix_ns)
        return [number if time is None else time for time, number in zip(times, numbers, strict=True)]

    def of_numbers(self, numbers: Sequence[float], near_unix_ns: int) -> Sequence[Time]:
        return self._epoch.of_numbers(numbers, near_unix_ns)
