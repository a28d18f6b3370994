"""The Datadog sink: sends what payload.py made, and says what the answer means.

Room: aggregator sinks. Never enters: retries, batches, metrics (the forwarder's). Answers: Datadog's OpenAPI document, operation
SubmitLog, and what its Agent does with the statuses that the document leaves out.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import orjson
import structlog

from aggregator.core.records import Batch, Slice
from aggregator.sink import Limits, Receipt, Refusal, Surroundings
from aggregator.sinks.datadog.config import DatadogConfig
from aggregator.sinks.datadog.payload import MAX_ENTRIES, DatadogPayload, PayloadMaker
from aggregator.sinks.posting import Answer, Request, exchange, retry_after_seconds
from towline.plumbing.errors import ConfigError, RejectedError, RetryableError, TooLargeError, UnauthorizedError
from towline.plumbing.place import Place
from towline.plumbing.secret import Secret, read_secret
from towline.wire.identity import Origin, Pod

MAX_AGE_SECONDS = 18 * 3600  # Datadog drops older lines behind a 2xx
MAX_AHEAD_SECONDS = 2 * 3600
AGE_MARGIN_SECONDS = 60  # for clocks that differ, and for the way there
_LOGS_PATH = "/api/v2/logs"
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
        self._session = surroundings.session
        self._timeout_seconds = config.timeout_seconds
        self._key = key
        self._key_check = KeyCheck(surroundings.session, self.api_url, config.timeout_seconds)
        self._maker = PayloadMaker(surroundings.options.event_id)
        self._lanes = config.lanes
        self._encoding: str = config.compression
        self._zstd_known = config.compression != "zstd"
        self._wall_clock_ns = wall_clock_ns
        if not addresses.listed and not config.logs_url:
            _log.warning("site_not_listed", sink=surroundings.name, site=config.site, logs_url=self.logs_url)

    @classmethod
    def build(cls, config: DatadogConfig, surroundings: Surroundings) -> "DatadogSink":
        """Raises ConfigError where there is no API key."""
        place = Place(surroundings.file, f"sinks.{surroundings.name}.api_key_file")
        key = read_secret(place, config.api_key_file, "DD_API_KEY")
        if key is None:
            raise ConfigError(place.says("there is no API key. Name a file that holds it, or set DD_API_KEY"))
        return cls(config, surroundings, key)

    @property
    def limits(self) -> Limits:
        return _LIMITS

    def lane(self, pod: Pod, origin: Origin) -> str:  # noqa: ARG002 - the protocol's signature
        digest = hashlib.blake2b(
            pod.uid.encode(), digest_size=8
        ).digest()  # Python's own hash differs between processes
        return f"logs-{int.from_bytes(digest, 'big') % self._lanes}"

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
        await self._raise_unless_taken(answer)
        self._zstd_known = self._zstd_known or payload.encoding == "zstd"
        return Receipt(truncated=payload.truncated)

    async def healthcheck(self) -> None:
        await self._key_check.check(self._key.reveal())

    async def recall(self, memo: Mapping[str, str]) -> None:
        """Nothing is remembered for Datadog."""

    async def close(self) -> None:
        """Nothing to let go of: the session is the service's."""

    async def _post(self, payload: DatadogPayload) -> Answer:
        headers = {
            "DD-API-KEY": self._key.reveal(),
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if payload.encoding != "identity":
            headers["Content-Encoding"] = payload.encoding
        return await exchange(
            self._session, Request("POST", self.logs_url, headers, payload.body), self._timeout_seconds
        )

    async def _try_gzip(self, payload: DatadogPayload, answer: Answer) -> Answer:
        """Whether zstd was the trouble: 415 says so; after a 400 it was where gzip passes. The API's document promises gzip only."""
        second = await self._post(await asyncio.to_thread(self._maker.recode, payload, "gzip"))
        if answer.status == 415 or _is_success(second.status):
            self._encoding, self._zstd_known = "gzip", True
            _log.info("compression_changed", reason="zstd_refused", compression="gzip", status=answer.status)
        return second

    async def _raise_unless_taken(self, answer: Answer) -> None:
        if _is_taken(answer):
            return
        status = answer.status
        if status == 413:
            raise TooLargeError("the logs intake says that it is too large (413)")
        if status == 400:
            raise RejectedError("the logs intake says that it is malformed (400)")
        if status in {401, 403}:
            await self._ask_about_key(status)
        what = "with something that is not Datadog's answer" if _is_success(status) else str(status)
        wait = retry_after_seconds(answer.headers, self._wall_clock_ns() / 1e9)
        raise RetryableError(f"the logs intake answered {what}", wait)

    async def _ask_about_key(self, status: int) -> None:
        """Return where the key is good after all (it was changed meanwhile). Raises UnauthorizedError where it is not, or nobody knows."""
        try:
            await self._key_check.check(self._key.reveal())
        except RetryableError as error:
            raise UnauthorizedError(
                f"the logs intake refuses the API key ({status}). Correct api_key_file or DD_API_KEY"
            ) from error

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
            indexes = range(first, first + len(piece))
            first += len(piece)
            if oldest <= piece.read_unix_ns <= newest:
                kept.append(piece)
                places += indexes
            else:
                reason = "too_old" if piece.read_unix_ns < oldest else "too_new"
                refusals += [Refusal(index, reason) for index in indexes]
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


def _is_success(status: int) -> bool:
    return 200 <= status < 300


def _is_taken(answer: Answer) -> bool:
    """True for Datadog's own yes: 202 (200 from older gateways) with `{}` or nothing. A login page's 200 is none."""
    if answer.status not in {200, 202} or not answer.whole:
        return False
    if not answer.body.strip():
        return True
    try:
        return isinstance(orjson.loads(answer.body), dict)
    except orjson.JSONDecodeError:
        return False


def _with_path(url: str) -> str:
    return url if urlsplit(url).path.strip("/") else url.rstrip("/") + _LOGS_PATH
