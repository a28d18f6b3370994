"""What DogStatsD's lines add up to. What a snapshot says of it is core/statsd_gathering.py.

Room: collector core. Never enters: sockets, clocks, threads: one caller at a time.

Counts and distributions grow since the run began; a gauge is its last value until it has been silent for a while; a set begins anew with each snapshot.
A name belongs to the type that it came with first, for as long as it has series. What bounds the memory refuses what is new: what is there goes on.
"""

from collections import Counter as Tally
from collections.abc import Callable, Iterable
from typing import Literal

import msgspec

from collector.core.statsd_parse import (
    Kind,
    MalformedError,
    Metric,
    Reason,
    numbers_of,
    parse_check,
    parse_event,
    parse_metric,
)
from collector.core.statsd_series import NAME_BYTES, SHAPES, AnySeries, Budgets, Spread, UniqueSet, begin, size_bytes
from towline.wire.snapshot import Event, ServiceCheck, Stamped

MAX_CHECKS = 2_000  # of one interval, as is what follows
MAX_EVENT_BYTES = 512 << 10  # of checks as many again
MAX_STAMPED_BYTES = 1 << 20  # names and tags, and for each value:
STAMPED_BYTES = 300
KNOWN_BYTES = 256  # what is remembered of a line beside its text
KNOWN_FACTOR = 400  # bytes of known lines for each series that is allowed

_Add = Callable[[bytes, float], None]


class Named:
    """All series of one name."""

    __slots__ = ("kind", "latest", "said", "series")

    def __init__(self, kind: Kind, said: bytes) -> None:
        self.kind = kind
        self.said = said  # the name as it came: one object for all lines that are known
        # By the hash of their labels: as tuples these would take as much room as the series.
        self.series: dict[int, AnySeries] = {}
        self.latest: dict[str, str] = {}  # labels of the newest one


class Limits(msgspec.Struct, frozen=True):
    """How many series there may be, and for how long a gauge or a set is said after its last value."""

    max_series: int = 10_000
    expire_seconds: float = 300.0


class Table:
    """Takes datagrams in; a `Gathering` reads it."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.packets = 0
        self.accepted = 0  # lines
        self.refused: Tally[Reason] = Tally()  # lines, except for `truncated`: datagrams
        self.names: dict[str, Named] = {}
        self.stamped: list[Stamped] = []
        self.events: list[Event] = []
        self.checks: list[ServiceCheck] = []
        self._event_bytes = self._check_bytes = self._stamped_bytes = 0
        self._budgets = Budgets(limits.max_series)
        # Where a value goes, by the bytes around it: a line that was met before is not parsed.
        self._known: dict[tuple[bytes, bytes], tuple[_Add, float]] = {}
        self._known_bytes = 0

    @property
    def series(self) -> int:
        """How many there are."""
        return self.limits.max_series - self._budgets.series.left

    @property
    def coarse(self) -> int:
        """Values that were counted in a bucket that is not theirs (core/sketch.py)."""
        spreads = (one for named in list(self.names.values()) for one in list(named.series.values()))
        return sum(one.sketch.coarse for one in spreads if isinstance(one, Spread))

    def take(self, datagrams: Iterable[bytes], now_unix_seconds: int) -> None:
        """Take in datagrams, each with any number of lines. Never raises: a line that makes no sense is counted, its neighbours are not hurt."""
        known = self._known
        packets = accepted = 0
        for datagram in datagrams:
            packets += 1
            for line in datagram.split(b"\n"):
                name, _, rest = line.partition(b":")
                value, _, tail = rest.partition(b"|")
                found = known.get((name, tail))
                if found is None:
                    self._meet(line, now_unix_seconds)
                    continue
                try:
                    found[0](value, found[1])
                except MalformedError as error:
                    self.refused[error.reason] += 1
                except ValueError:
                    self._take_packed(value, *found)
                else:
                    accepted += 1
        self.packets += packets
        self.accepted += accepted

    def _meet(self, line: bytes, now_unix_seconds: int) -> None:
        """Take in a line that is not yet known."""
        if not line:
            return
        try:
            if line.startswith(b"_e{"):
                self._keep_event(parse_event(line, now_unix_seconds), len(line))
            elif line.startswith(b"_sc|"):
                self._keep_check(parse_check(line, now_unix_seconds), len(line))
            else:
                self._take_metric(parse_metric(line))
        except MalformedError as error:
            self.refused[error.reason] += 1
        else:
            self.accepted += 1

    def _take_packed(self, packed: bytes, add: _Add, weight: float) -> None:
        """Take in what is no number: several, or none."""
        try:
            for value in numbers_of(packed, weight):
                add(value, weight)
        except MalformedError as error:
            self.refused[error.reason] += 1
        else:
            self.accepted += 1

    def _keep_event(self, event: Event, size_bytes: int) -> None:
        if self._event_bytes + size_bytes > MAX_EVENT_BYTES:
            raise MalformedError("pending_limit")
        self._event_bytes += size_bytes
        self.events.append(event)

    def _keep_check(self, check: ServiceCheck, size_bytes: int) -> None:
        if len(self.checks) >= MAX_CHECKS or self._check_bytes + size_bytes > MAX_EVENT_BYTES:
            raise MalformedError("pending_limit")
        self._check_bytes += size_bytes
        self.checks.append(check)

    def _take_metric(self, metric: Metric) -> None:
        fields = metric.fields
        if fields.unix_seconds:
            self._keep_stamped(metric)
            return
        named, series = self._series_of(metric)
        for value in metric.values:
            series.add(value, fields.weight)
        self._know(named.said, metric, series.add)

    def _keep_stamped(self, metric: Metric) -> None:
        """A value with a time of its own is passed on: it belongs to no interval of ours."""
        stamped_bytes = len(metric.values) * (len(metric.name) + len(metric.tail) + STAMPED_BYTES)
        if self._stamped_bytes + stamped_bytes > MAX_STAMPED_BYTES:
            raise MalformedError("pending_limit")
        self._stamped_bytes += stamped_bytes
        fields = metric.fields
        kind: Literal["gauge", "counter"] = "counter" if fields.kind == "counter" else "gauge"
        name = metric.name.decode("utf-8", "replace")
        self.stamped += [
            Stamped(name, kind, fields.labels, float(value) * fields.weight, fields.unix_seconds)
            for value in metric.values
        ]

    def _series_of(self, metric: Metric) -> tuple[Named, AnySeries]:
        name, fields = metric.name.decode("utf-8", "replace"), metric.fields
        named = self.names.get(name)
        if named is None:
            named = Named(fields.kind, metric.name)
        elif SHAPES[named.kind] is not SHAPES[fields.kind]:
            raise MalformedError("type_changed")
        key = _key(fields.labels)
        series = named.series.get(key)
        if series is None:
            self._pay_for(size_bytes(fields.kind, name, fields.labels) + (0 if named.series else NAME_BYTES))
            # Values that the newest series has as well are not held again: most tags are the same in all.
            latest = named.latest
            named.latest = {tag: old if (old := latest.get(tag)) == new else new for tag, new in fields.labels.items()}
            series = begin(fields.kind, named.latest, self._budgets)
            named.series[key] = series
            self.names[name] = named
        return named, series

    def _pay_for(self, wanted_bytes: int) -> None:
        if not self._budgets.series.take(1):
            raise MalformedError("series_limit")
        if not self._budgets.bytes.take(wanted_bytes):
            self._budgets.series.left += 1
            raise MalformedError("memory_limit")

    def _know(self, name: bytes, metric: Metric, add: _Add) -> None:
        """Remember where such a line goes. Apps that send one series in ever new orders of its tags make this forget, not grow."""
        self._known_bytes += len(metric.tail) + KNOWN_BYTES
        if self._known_bytes > max(KNOWN_FACTOR * self.limits.max_series, 4 * KNOWN_BYTES):
            self.forget_lines()
        self._known[name, metric.tail] = add, metric.fields.weight

    def forget_lines(self) -> None:
        """Parse every line anew: where its values went may be gone."""
        self._known.clear()
        self._known_bytes = 0

    def remove(self, name: str, series: AnySeries) -> None:
        """End a series. Call `forget_lines` after the last."""
        named = self.names[name]
        del named.series[_key(series.labels)]
        self._budgets.series.left += 1
        self._budgets.bytes.left += size_bytes(named.kind, name, series.labels)
        if not named.series:
            del self.names[name]
            self._budgets.bytes.left += NAME_BYTES
        if isinstance(series, UniqueSet):
            series.forget()

    def hand_over(self) -> tuple[tuple[Stamped, ...], tuple[Event, ...], tuple[ServiceCheck, ...]]:
        """What is said once and then forgotten."""
        pending = tuple(self.stamped), tuple(self.events), tuple(self.checks)
        self.stamped, self.events, self.checks = [], [], []
        self._event_bytes = self._check_bytes = self._stamped_bytes = 0
        return pending


def _key(labels: dict[str, str]) -> int:
    return hash(tuple(labels.items()))
