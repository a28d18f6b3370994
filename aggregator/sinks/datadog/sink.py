"""The Datadog sink: sends what payload.py made. What an answer means is in door.py; metrics go through metrics.py.

Room: aggregator sinks. Never enters: retries, batches, metrics of our own (the forwarder's).
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import structlog

from aggregator.core.records import Batch, Slice
from aggregator.sink import Limits, Receipt, Refusal, Surroundings
from aggregator.sinks.datadog.config import DatadogConfig
from aggregator.sinks.datadog.door import Door, Post, is_success
from aggregator.sinks.datadog.lanes import lane_of
from aggregator.sinks.datadog.metrics import DatadogMetrics
from aggregator.sinks.datadog.payload import MAX_ENTRIES, DatadogPayload, PayloadMaker, times_of
from aggregator.sinks.posting import Answer
from towline.plumbing.errors import SecretAbsentError, TooLargeError
from towline.plumbing.place import Place
from towline.plumbing.secret import Secret, read_secret
from towline.wire.identity import Origin, Pod

MAX_AGE_SECONDS = 18 * 3600  # Datadog drops older lines behind a 2xx
MAX_AHEAD_SECONDS = 2 * 3600
AGE_MARGIN_SECONDS = 60  # for clocks that differ, and for the way there
_LOGS_PATH = "/api/v2/logs"
_INTAKE = "the logs intake"
_LIMITS = Limits(max_lines=MAX_ENTRIES, max_bytes=4_500_000, line_overhead_bytes=600)

_log = structlog.get_logger()


class DatadogSink:
    """A pod is always in the same lane, so that its lines stay in order; a few lanes side by side make up for the way to Datadog and back.

    Refusals, all dead letters: too_old, too_new.
    """

    def __init__(
        self,
        config: DatadogConfig,
        surroundings: Surroundings,
        key: Secret,
        wall_clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        from aggregator.sinks.datadog.control import KeyCheck, addresses_of  # noqa: PLC0415 - 4 MB, only where wanted

        addresses = addresses_of(config.site)
        self.logs_url = _with_path(config.logs_url or addresses.logs)
        self.api_url = (config.api_url or addresses.api).rstrip("/")
        check = KeyCheck(surroundings.session, self.api_url, config.timeout_seconds)
        self._door = Door(surroundings.session, key, check, config.timeout_seconds, lambda: wall_clock_ns() / 1e9)
        self._maker = PayloadMaker(surroundings.options.event_id)
        self._lanes = config.lanes
        self._encoding: str = config.compression
        self._zstd_known = config.compression != "zstd"
        self._wall_clock_ns = wall_clock_ns
        self.metrics: DatadogMetrics | None = None
        if config.metrics.send == "all":
            self.metrics = DatadogMetrics(config.metrics, self._door, self.api_url, config.compression, config.lanes)
        if not addresses.listed and not config.logs_url:
            _log.warning("site_not_listed", sink=surroundings.name, site=config.site, logs_url=self.logs_url)

    @classmethod
    def build(cls, config: DatadogConfig, surroundings: Surroundings) -> "DatadogSink":
        """Raises ConfigError where there is no API key, or none that can be used."""
        place = Place(surroundings.file, f"sinks.{surroundings.name}.api_key_file")
        key = read_secret(place, config.api_key_file, "DD_API_KEY")
        if key is None:
            raise SecretAbsentError(place.says("there is no API key. Name a file that holds it, or set DD_API_KEY"))
        return cls(config, surroundings, key)

    @property
    def limits(self) -> Limits:
        return _LIMITS

    def lane(self, pod: Pod, origin: Origin) -> str:  # noqa: ARG002 - the protocol's signature
        return lane_of(pod, "logs", self._lanes)

    def key(self, pod: Pod, origin: Origin) -> str:  # noqa: ARG002 - the protocol's signature
        return ""

    def encode(self, batch: Batch) -> DatadogPayload:
        return self._maker.make(batch, self._encoding)

    async def send(self, batch: Batch, payload: DatadogPayload) -> Receipt:
        """One request; two where zstd turns out not to be understood. Lines that Datadog would drop for their age are refused here."""
        if not payload.lines:
            return Receipt()
        if payload.too_large:
            raise TooLargeError(f"{payload.lines} lines, {payload.raw_bytes} bytes uncompressed")
        if self._has_untimely(payload):
            return await self._send_timely(batch)
        if payload.encoding == "zstd" and self._encoding == "gzip":  # encoded before zstd was refused
            payload = await asyncio.to_thread(self._maker.recode, payload, "gzip")
        answer = await self._post(payload)
        if payload.encoding == "zstd" and not self._zstd_known and answer.status in {400, 415}:
            answer = await self._try_gzip(payload, answer)
        await self._door.raise_unless_taken(answer, _INTAKE)
        self._zstd_known = self._zstd_known or payload.encoding == "zstd"
        return Receipt(truncated=payload.truncated)

    async def healthcheck(self) -> None:
        await self._door.check_key()

    async def recall(self, memo: Mapping[str, str]) -> None:
        """Nothing is remembered for Datadog."""

    async def close(self) -> None:
        """Nothing to let go of: the session is the service's."""

    async def _post(self, payload: DatadogPayload) -> Answer:
        return await self._door.post(Post(self.logs_url, payload.body, payload.encoding))

    async def _try_gzip(self, payload: DatadogPayload, answer: Answer) -> Answer:
        """Whether zstd was the trouble: 415 says so; after a 400 it was where gzip passes. The API's document promises gzip only."""
        second = await self._post(await asyncio.to_thread(self._maker.recode, payload, "gzip"))
        if answer.status == 415 or is_success(second.status):
            self._encoding, self._zstd_known = "gzip", True
            _log.info("compression_changed", reason="zstd_refused", compression="gzip", status=answer.status)
        return second

    def _has_untimely(self, payload: DatadogPayload) -> bool:
        oldest, newest = self._timely()
        return payload.oldest_unix_ns < oldest or payload.newest_unix_ns > newest

    async def _send_timely(self, batch: Batch) -> Receipt:
        """Send what Datadog would keep, and refuse the rest: behind a 2xx it would be gone without a word."""
        oldest, newest = self._timely()
        kept: list[Slice] = []
        places: list[int] = []
        refusals: list[Refusal] = []
        first = 0
        for piece in batch.slices:
            wanted = []
            for index, time_unix_ns in enumerate(times_of(piece), first):
                wanted.append(oldest <= time_unix_ns <= newest)
                if wanted[-1]:
                    places.append(index)
                else:
                    refusals.append(Refusal(index, "too_old" if time_unix_ns < oldest else "too_new"))
            first += len(piece)
            if any(wanted):
                kept.append(piece.kept(wanted))
        if not kept:
            return Receipt(refusals)
        rest = Batch(tuple(kept), batch.key)
        receipt = await self.send(rest, await asyncio.to_thread(self.encode, rest))
        refusals += [Refusal(places[one.index], one.reason, one.keep) for one in receipt.refusals]
        return Receipt(refusals, truncated=receipt.truncated)

    def _timely(self) -> tuple[int, int]:
        """The oldest and the newest time that Datadog keeps, in Unix nanoseconds."""
        now = self._wall_clock_ns()
        return (
            now - (MAX_AGE_SECONDS - AGE_MARGIN_SECONDS) * 1_000_000_000,
            now + (MAX_AHEAD_SECONDS - AGE_MARGIN_SECONDS) * 1_000_000_000,
        )


def _with_path(url: str) -> str:
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + _LOGS_PATH
