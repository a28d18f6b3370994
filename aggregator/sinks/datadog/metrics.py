"""Metrics to Datadog: sends what points.py made, and says what the answer means.

Room: aggregator sinks. Never enters: retries, batches, states (the forwarder's).
"""

import asyncio
import math
from collections import Counter
from collections.abc import Mapping, Sequence

import structlog

from aggregator.core.series import Opened
from aggregator.metric_sink import Limits, Made, Moment, Terms
from aggregator.sinks.datadog.door import Door, Post, is_success
from aggregator.sinks.datadog.lanes import lane_of
from aggregator.sinks.datadog.metric_options import MAX_AGE_SECONDS, DatadogMetricsConfig
from aggregator.sinks.datadog.points import PointsMaker
from aggregator.sinks.datadog.series_payload import (
    CHECKS,
    DISTRIBUTIONS,
    EVENTS,
    PATHS,
    SERIES,
    MetricsPacker,
    Packed,
    limits_of,
)
from aggregator.sinks.posting import Answer
from towline.plumbing.errors import TooLargeError
from towline.wire.identity import Pod

AGE_MARGIN_SECONDS = 60.0  # for clocks that differ, and for the way there
_INTAKES: Mapping[str, str] = {
    SERIES: "the metrics intake",
    DISTRIBUTIONS: "the intake of distributions",
    EVENTS: "the events intake",
    CHECKS: "the intake of service checks",
}
_HEADERS: Mapping[str, str] = {"zstd": "zstd1"}  # the document's word for it, at this intake

_log = structlog.get_logger()


class DatadogMetrics:
    """A pod is always in the same lane, so that its points come in order."""

    def __init__(self, config: DatadogMetricsConfig, door: Door, api_url: str, compression: str, lanes: int) -> None:
        self._config, self._door, self._api_url, self._lanes = config, door, api_url, lanes
        self._maker = PointsMaker(config)
        self._packer = MetricsPacker()
        self._encoding = compression
        self._zstd_known = compression != "zstd"

    @property
    def terms(self) -> Terms:
        return Terms(self._config.share, self._config.when_full, of_lines="logs" in self._config.sources)

    @property
    def max_age_seconds(self) -> float:
        return min(self._config.max_age_seconds, MAX_AGE_SECONDS - AGE_MARGIN_SECONDS)

    @property
    def silent_seconds(self) -> float:
        return math.inf  # a series that is not said ends by itself

    def limits(self, route: str) -> Limits:
        return limits_of(route)

    def lane(self, pod: Pod) -> str:
        return lane_of(pod, "metrics", self._lanes)

    def make(self, opened: Opened, state: str | None, moment: Moment) -> Made:
        return self._maker.make(opened, state, moment)

    def end(self, pod_uid: str, state: str, now_unix_ns: int) -> Made:  # noqa: ARG002 - the protocol's signature
        return Made((), state)

    def pack(self, route: str, fragments: Sequence[bytes]) -> Packed:
        return self._packer.pack(route, fragments, self._encoding)

    async def send(self, route: str, payload: Packed) -> Counter[str]:
        """One request; two where zstd turns out not to be understood."""
        if payload.is_too_large:
            raise TooLargeError(f"{len(payload.body)} bytes, {payload.raw_bytes} uncompressed")
        if payload.encoding == "zstd" and self._encoding == "gzip":  # packed before zstd was refused
            payload = await asyncio.to_thread(self._packer.recode, payload, "gzip")
        answer = await self._post(route, payload)
        if payload.encoding == "zstd" and not self._zstd_known and answer.status in {400, 415}:
            answer = await self._try_gzip(route, payload, answer)
        await self._door.raise_unless_taken(answer, _INTAKES[route])
        self._zstd_known = self._zstd_known or payload.encoding == "zstd"
        return Counter()

    async def healthcheck(self) -> None:
        await self._door.check_key()

    async def close(self) -> None:
        """Nothing to let go of: the session is the service's."""

    async def _post(self, route: str, payload: Packed) -> Answer:
        media = "text/json" if route == DISTRIBUTIONS else "application/json"
        encoding = _HEADERS.get(payload.encoding, payload.encoding)
        return await self._door.post(Post(self._api_url + PATHS[route], payload.body, encoding, media))

    async def _try_gzip(self, route: str, payload: Packed, answer: Answer) -> Answer:
        """Whether zstd was the trouble: 415 says so; after a 400 it was where gzip passes."""
        second = await self._post(route, await asyncio.to_thread(self._packer.recode, payload, "gzip"))
        if answer.status == 415 or is_success(second.status):
            self._encoding, self._zstd_known = "gzip", True
            _log.info("compression_changed", reason="zstd_refused", compression="gzip", status=answer.status)
        return second
