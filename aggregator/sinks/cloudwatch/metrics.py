"""The CloudWatch sink of metrics: log events in the embedded metric format, put as lines are; CloudWatch makes metrics of them.

Room: aggregator sinks. Never enters: retries, batches, what is made of a snapshot (metric_making.py).
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from aggregator.core.remember import Remembered
from aggregator.core.series import Opened
from aggregator.metric_sink import Limits, Made, Moment, Terms
from aggregator.sinks.cloudwatch.metric_config import DEFAULT, CloudWatchMetricsConfig
from aggregator.sinks.cloudwatch.metric_making import Making, event_of
from aggregator.sinks.cloudwatch.names import Names
from aggregator.sinks.cloudwatch.payload import (
    EVENT_OVERHEAD_BYTES,
    MAX_BATCH_BYTES,
    MAX_EVENTS,
    CloudWatchPayload,
    payload_of_events,
)
from aggregator.sinks.cloudwatch.putting import EventPutter
from towline.wire.identity import Origin, Pod

MAX_AGE_SECONDS = 14 * 86_400 - 3_600.0  # CloudWatch takes two weeks; an hour is for waits on the way
_LANES = 4  # of one log group: so many requests under way at a time
_FORMAT = {"x-amzn-logs-format": "json/emf"}
_LIMITS = Limits(1 << 30, MAX_BATCH_BYTES, EVENT_OVERHEAD_BYTES, MAX_EVENTS)
_NO_FILE = Origin(path="")


class MetricsPayload(NamedTuple):
    """Calls of one log stream, and how many metrics each of their events holds."""

    calls: CloudWatchPayload
    points: Sequence[int]


class CloudWatchMetrics:
    """Refused: too_old, expired, too_new, as CloudWatch says behind a 200. A route is a log group and a log stream."""

    def __init__(self, config: CloudWatchMetricsConfig, replica: str, putter: EventPutter) -> None:
        names = Names(config.log_group, config.log_stream, replica)
        self._group, self._stream = Remembered(names.group), Remembered(names.stream)
        self._making = Making(config)
        self._putter = putter
        self.terms = Terms(config.share, config.when_full, of_lines=set(config.include) != {DEFAULT})
        self.max_age_seconds = MAX_AGE_SECONDS
        self.silent_seconds = float("inf")

    def limits(self, route: str) -> Limits:  # noqa: ARG002 - the protocol's signature
        return _LIMITS

    def lane(self, pod: Pod) -> str:
        """A log group's pods, in a few lanes by log stream: so a stream's events stay in order."""
        digest = hashlib.blake2b(self._stream(pod, _NO_FILE).encode(), digest_size=8).digest()
        return f"{self._group(pod, _NO_FILE)}:{int.from_bytes(digest, 'big') % _LANES}"

    def make(self, opened: Opened, state: str | None, moment: Moment) -> Made:
        route = f"{self._group(opened.pod, _NO_FILE)}\n{self._stream(opened.pod, _NO_FILE)}"
        return self._making.make(route, opened, state, moment)

    def end(self, pod_uid: str, state: str, now_unix_ns: int) -> Made:  # noqa: ARG002 - the protocol's signature
        """A series that ends is not told to CloudWatch: it has no word for it."""
        return Made(state=state)

    def pack(self, route: str, fragments: Sequence[bytes]) -> MetricsPayload:
        group, _, stream = route.partition("\n")
        events, points = zip(*map(event_of, fragments), strict=True)
        return MetricsPayload(payload_of_events(events, group, stream), points)

    async def send(self, route: str, payload: MetricsPayload) -> Counter[str]:  # noqa: ARG002 - the protocol's signature
        refused: Counter[str] = Counter()
        for one in await self._putter.put_all(payload.calls, _FORMAT):
            refused[one.reason] += payload.points[one.index]
        return refused

    async def healthcheck(self) -> None:
        await self._putter.prove()

    async def close(self) -> None:
        """Nothing to let go of: the session is the service's."""
