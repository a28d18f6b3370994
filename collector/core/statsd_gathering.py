"""What a snapshot says of what DogStatsD counted.

Room: collector core. Never enters: sockets, clocks, threads.
"""

from typing import Final

import msgspec

from collector.core.gathered import Gathered
from collector.core.statsd import Named, Table
from collector.core.statsd_parse import Kind
from collector.core.statsd_series import SHAPES, AnySeries, Counter, Gauge, Spread, UniqueSet
from towline.wire.snapshot import Distribution, Family, FamilyType, Flavour, Sample, Stamped

_TYPES: Final[dict[type[AnySeries], FamilyType]] = {
    Counter: "counter",
    Gauge: "gauge",
    UniqueSet: "gauge",
    Spread: "histogram",
}
_HELP: Final[dict[Kind, str]] = {
    "counter": "Counted by the app (DogStatsD).",
    "gauge": "Said by the app (DogStatsD).",
    "set": "Different values that the app named in an interval (DogStatsD).",
    "histogram": "Measured by the app (DogStatsD histogram).",
    "timing": "Measured by the app, in milliseconds (DogStatsD timing).",
    "distribution": "Measured by the app (DogStatsD distribution).",
}


class Gathering:
    """One reading of a table, in steps: between two of them datagrams may be taken in, so that whoever reads those is never away for long.

    now: monotonic seconds. fresh: what was gathered last was frozen into a snapshot.
    """

    def __init__(self, table: Table, now: float, now_unix_ns: int, *, fresh: bool) -> None:
        self._table, self._now, self._fresh = table, now, fresh
        self._unix_seconds = now_unix_ns // 1_000_000_000
        # The next one last. What comes while this is read waits for the next reading.
        self._names = list(reversed(table.names.items()))
        self._series: list[AnySeries] | None = None  # of the name that is read now
        self._samples: dict[str, list[Sample]] = {}
        self._distributions: dict[str, list[Distribution]] = {}
        self._families: dict[str, Family] = {}
        self._taken_back: list[Stamped] = []
        self._expired: list[tuple[str, AnySeries]] = []

    def step(self, most: int) -> bool:
        """Read up to `most` series. Returns whether that was all."""
        while most > 0 and self._names:
            name, named = self._names[-1]
            if self._series is None:
                self._series = list(reversed(named.series.values()))
            batch = self._series[: -most - 1 : -1]
            del self._series[-len(batch) :]
            most -= len(batch)
            for series in batch:
                if series.updated:
                    series.updated, series.updated_at = False, self._now
                self._read(name, named, series)
            if not self._series:
                self._names.pop()
                self._series = None
        return not self._names

    def result(self) -> Gathered:
        """What was read; ends what has been silent for too long. Call it once, after the last step."""
        for name, series in self._expired:
            if not series.updated:  # it may have spoken since it was read
                self._table.remove(name, series)
        if self._expired:
            self._table.forget_lines()
        stamped, events, checks = self._table.hand_over()
        families = (
            msgspec.structs.replace(
                family,
                samples=tuple(self._samples.get(name, ())),
                distributions=tuple(self._distributions.get(name, ())),
            )
            for name, family in self._families.items()
        )
        return Gathered(families=tuple(families), stamped=(*stamped, *self._taken_back), events=events, checks=checks)

    def _read(self, name: str, named: Named, series: AnySeries) -> None:
        if isinstance(series, Gauge | UniqueSet) and self._now - series.updated_at >= self._table.limits.expire_seconds:
            self._expired.append((name, series))
            return
        if name not in self._families:
            self._families[name] = _family(name, named.kind)
        if isinstance(series, Spread):
            self._distributions.setdefault(name, []).append(series.read())
            return
        if isinstance(series, Counter):
            self._read_taken_back(name, series)
        sample = series.read(fresh=self._fresh) if isinstance(series, UniqueSet) else series.read()
        self._samples.setdefault(name, []).append(sample)

    def _read_taken_back(self, name: str, series: Counter) -> None:
        """What an app took back from a count goes as a value with a time of its own: a counter that falls would read as one that began again.

        One second earlier, as a destination that keeps one value per second keeps the counter's own for the second of the snapshot.
        """
        amount = series.read_taken_back()
        if amount:
            self._taken_back.append(Stamped(name, "counter", series.labels, amount, self._unix_seconds - 1))


def _family(name: str, kind: Kind) -> Family:
    shape = SHAPES[kind]
    flavour: Flavour = kind if kind in {"histogram", "timing", "distribution"} else ""
    return Family(
        name=name,
        type=_TYPES[shape],
        help=_HELP[kind],
        unit="ms" if kind == "timing" else "",
        source="dogstatsd",
        flavour=flavour,
        from_zero=shape in {Counter, Spread},
    )
