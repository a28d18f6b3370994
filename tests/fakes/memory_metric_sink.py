"""A destination of metrics in memory that follows a script: for tests of what drives such sinks, and an example of one.

It takes counters as deltas, distributions as deltas of their counts, gauges as they are.
"""

import asyncio
import math
from collections import Counter, defaultdict
from typing import NamedTuple

import msgspec

from aggregator.core.book import book_of, text_of
from aggregator.core.deltas import advance
from aggregator.metric_sink import Fragment, Limits, Made, Terms

SERIES, ENDS = "series", "ends"


class Point(NamedTuple):
    pod: str
    series: str
    kind: str  # count, gauge or end
    value: float
    unix_ns: int


class MemoryMetricSink:
    """Takes every payload unless the script says otherwise: an exception to raise, a Counter of refusals, or None to take it.

    `judge`, where set, is asked for every payload (as a list of points) and raises what it wants.
    """

    def __init__(self, *script, max_age_seconds=math.inf, silent_seconds=math.inf, limits=None, judge=None, lane=None):
        self.terms = Terms()
        self.max_age_seconds = max_age_seconds
        self.silent_seconds = silent_seconds
        self.script = list(script)
        self.judge = judge
        self.payloads = []  # (route, points) taken
        self.attempts = []
        self.healthchecks = []
        self.checked = 0
        self.gate = None
        self.sending = asyncio.Event()
        self.made = []  # (sequence, join, too_old)
        self.closed = False
        self._limits = limits or Limits(1000, 1_000_000)
        self._lane = lane or (lambda pod: "all")

    def limits(self, route):
        return self._limits

    def lane(self, pod):
        return self._lane(pod)

    def make(self, opened, state, moment):
        self.made.append((opened.sequence, moment.join, moment.too_old))
        deltas, book = advance(book_of(state), opened, moment.join, hold=moment.too_old)
        dropped = deltas.skipped
        points = []
        uid, taken = opened.pod.uid, opened.taken_unix_ns
        for family, counts, spreads in zip(opened.families, deltas.rows, deltas.spreads, strict=True):
            if counts:
                points += [
                    Point(uid, f"{row.name}{{{row.labels}}}", "count", count, taken)
                    for row, count in zip(family.rows, counts, strict=True)
                    if count is not None
                ]
            elif family.kind == "gauge" and moment.too_old:
                dropped["too_old"] += len(family.rows)
            elif family.kind == "gauge":
                values = [(row, float(row.value)) for row in family.rows]
                said = [(row, value) for row, value in values if math.isfinite(value)]
                dropped["not_finite"] += len(values) - len(said)
                points += [Point(uid, f"{row.name}{{{row.labels}}}", "gauge", value, taken) for row, value in said]
            points += [Point(uid, f"{family.name}{{{it.labels}}}", "count", it.count, taken) for it in spreads if it]
        return Made([_fragment(SERIES, point) for point in points], text_of(book), +dropped)

    def end(self, pod_uid, state, now_unix_ns):
        return Made([_fragment(ENDS, Point(pod_uid, "", "end", 0.0, now_unix_ns))], state)

    def pack(self, route, fragments):
        return b"\n".join(fragments)

    async def send(self, route, payload):
        points = [msgspec.json.decode(line, type=Point) for line in payload.split(b"\n")]
        self.attempts.append((route, points))
        self.sending.set()
        if self.gate is not None:
            await self.gate.wait()
        answer = self.script.pop(0) if self.script else None
        if isinstance(answer, BaseException):
            raise answer
        if self.judge is not None:
            self.judge(points)
        self.payloads.append((route, points))
        return answer or Counter()

    async def healthcheck(self):
        self.checked += 1
        if self.healthchecks:
            raise self.healthchecks.pop(0)

    async def close(self):
        self.closed = True

    @property
    def points(self):
        return [point for _, points in self.payloads for point in points]

    def totals(self):
        """What was counted, by (pod, series)."""
        total = defaultdict(float)
        for point in self.points:
            if point.kind == "count":
                total[point.pod, point.series] += point.value
        return dict(total)


def _fragment(route, point):
    return Fragment(route, msgspec.json.encode(point))
