"""Times that are numbers: seconds since 1970, or their thousandths.

Room: aggregator core. Never enters: clocks.
"""

import re
from collections.abc import Mapping, Sequence

from aggregator.core.time_formats import END_UNIX_SECONDS, NS

UNITS_NS: Mapping[str, int] = {"epoch": NS, "epoch_ms": 1_000_000, "epoch_us": 1_000, "epoch_ns": 1}

_NUMBER = re.compile(r"([0-9]{1,19})(?:\.([0-9]{0,9})[0-9]*)?", re.ASCII)
_LONGEST = 64
_END_NS = END_UNIX_SECONDS * NS
_SMALLEST = 10**8  # in seconds 1973: what is smaller is a duration or a counter, hardly a time
_BY_SIZE = ((10**11, NS), (10**14, 1_000_000), (10**17, 1_000))  # 10**11 ms is 1973, too


class Epoch:
    """Numbers of one unit, or (0) of the unit that their size tells."""

    def __init__(self, unit_ns: int = 0) -> None:
        self._unit_ns = unit_ns

    def of_texts(self, texts: Sequence[str], near_unix_ns: int) -> Sequence[int | None]:  # noqa: ARG002 - a number leaves nothing open
        """The time of each text of digits, with or without a fraction."""
        return [self._of_text(text) for text in texts]

    def of_numbers(self, numbers: Sequence[float], near_unix_ns: int) -> Sequence[int | None]:  # noqa: ARG002 - as above
        """The time of each number. One with a fraction carries microseconds: a double has no room for more."""
        least, most = min(numbers), max(numbers)
        kinds, unit = set(map(type, numbers)), self._unit(least)
        if len(kinds) == 1 and _is_time(least, unit) and _is_time(most, unit) and self._unit(most) == unit:
            if kinds == {int}:
                return [number * unit for number in numbers]  # type: ignore[misc]  # all of them are int
            if unit > 1:
                micros = unit // 1000
                return [round(number * micros) * 1000 for number in numbers]
        return [self._of_number(number) for number in numbers]

    def _unit(self, number: float) -> int:
        """How many nanoseconds one is, 0 where that cannot be told."""
        if self._unit_ns:
            return self._unit_ns
        if number < _SMALLEST:
            return 0
        return next((unit for end, unit in _BY_SIZE if number < end), 1)

    def _of_number(self, number: float) -> int | None:
        unit = self._unit(number)
        if not _is_time(number, unit):
            return None
        if isinstance(number, int) or unit == 1:
            return int(number) * unit
        return round(number * (unit // 1000)) * 1000

    def _of_text(self, text: str) -> int | None:
        match = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
        if match is None:
            return None
        whole = int(match[1])
        unit = self._unit(whole)
        fraction = int((match[2] or "").ljust(9, "0")) * unit // NS
        return whole * unit + fraction if _is_time(whole, unit) else None


def _is_time(number: float, unit_ns: int) -> bool:
    return unit_ns > 0 and 0 <= number < _END_NS // unit_ns
