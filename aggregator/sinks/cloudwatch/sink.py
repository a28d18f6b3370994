"""The CloudWatch sink: a lane per log group, a call per batch and log stream.

Room: aggregator sinks. Never enters: retries, batches, metrics (the forwarder's).
"""

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from aggregator.core.records import Batch
from aggregator.core.remember import Remembered
from aggregator.sink import Limits, Receipt, Refusal, Surroundings
from aggregator.sinks.cloudwatch.calls import Endpoint, LogsCalls, ServiceError
from aggregator.sinks.cloudwatch.config import CloudWatchConfig, Names
from aggregator.sinks.cloudwatch.groups import Groups
from aggregator.sinks.cloudwatch.payload import (
    EVENT_OVERHEAD_BYTES,
    MAX_BATCH_BYTES,
    MAX_EVENTS,
    Body,
    CloudWatchPayload,
    PutRequest,
    make_payload,
)
from towline.plumbing.errors import ConfigError, RetryableError, UnauthorizedError
from towline.plumbing.place import Place
from towline.wire.identity import Origin, Pod

_LIMITS = Limits(max_lines=MAX_EVENTS, max_bytes=MAX_BATCH_BYTES, line_overhead_bytes=EVENT_OVERHEAD_BYTES)
_MISSING = "ResourceNotFoundException"
_DOMAINS = {"cn": "amazonaws.com.cn"}  # by the region's first word; everywhere else it is amazonaws.com


class CloudWatchSink:
    """Refusals, all dead letters: too_old, expired, too_new. Calls are not compressed: PutLogEvents takes no encoding."""

    def __init__(
        self,
        config: CloudWatchConfig,
        surroundings: Surroundings,
        calls: LogsCalls,
        groups: Groups,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        names = Names(config, surroundings.replica)
        self._group, self._stream = Remembered(names.group), Remembered(names.stream)
        self._event_ids = surroundings.options.event_id
        self._creates = config.create
        self._calls = calls
        self._groups = groups
        self._clock = clock

    @classmethod
    def build(cls, config: CloudWatchConfig, surroundings: Surroundings) -> "CloudWatchSink":
        """Raises ConfigError where no region is named."""
        from aggregator.sinks.cloudwatch.credentials import BotoSigner, CredentialSource  # noqa: PLC0415 - botocore: 15 MB

        region = config.region or os.environ.get("AWS_REGION", "") or os.environ.get("AWS_DEFAULT_REGION", "")
        if not region:
            place = Place(surroundings.file, f"sinks.{surroundings.name}.region")
            raise ConfigError(place.says("is missing. Write the region's name, or set AWS_REGION"))
        url = config.endpoint_url or f"https://logs.{region}.{_DOMAINS.get(region.partition('-')[0], 'amazonaws.com')}"
        signer = BotoSigner(CredentialSource(region), region)
        calls = LogsCalls(surroundings.session, Endpoint(url, config.timeout_seconds), signer)
        return cls(config, surroundings, calls, Groups(calls, config.retention_days))

    @property
    def limits(self) -> Limits:
        return _LIMITS

    def lane(self, pod: Pod, origin: Origin) -> str:
        return self._group(pod, origin)

    def key(self, pod: Pod, origin: Origin) -> str:
        return self._stream(pod, origin)

    def encode(self, batch: Batch) -> CloudWatchPayload:
        first = batch.slices[0]
        return make_payload(batch, self.lane(first.pod, first.origin), batch.key, event_ids=self._event_ids)

    async def send(self, batch: Batch, payload: CloudWatchPayload) -> Receipt:  # noqa: ARG002 - the protocol's signature
        """Every call of the batch in turn; a retry with the same payload goes on with the first that was not answered."""
        while payload.sent < len(payload.requests):
            request = payload.requests[payload.sent]
            answer = await self._put(payload, request)
            payload.refusals += _refusals(answer.get("rejectedLogEventsInfo"), request)
            payload.sent += 1
        return Receipt(list({one.index: one for one in payload.refusals}.values()))

    async def healthcheck(self) -> None:
        """Proves address, clock and credentials with a call that needs no particular log group. A role that may not make it is fine."""
        try:
            await self._calls.call("DescribeLogGroups", Body.of(b'{"limit":1}'))
        except UnauthorizedError as error:
            if "AccessDenied" not in str(error):
                raise

    async def recall(self, memo: Mapping[str, str]) -> None:
        """Nothing is remembered for CloudWatch."""

    async def close(self) -> None:
        """Nothing to let go of: the session is the service's."""

    async def _put(self, payload: CloudWatchPayload, request: PutRequest) -> dict[str, Any]:
        started = self._clock()
        try:
            return await self._calls.call("PutLogEvents", request.body)
        except ServiceError as error:
            if error.kind != _MISSING or not self._creates:
                fix = "Create it, or set create: true" if error.kind == _MISSING else "Look at its state in AWS"
                raise RetryableError(f"log group or stream: {error}. {fix}") from error
        await self._groups.make(payload.group, payload.stream, started)
        try:
            return await self._calls.call("PutLogEvents", request.body)
        except ServiceError as error:
            raise RetryableError(f"log group or stream: {error}. It was made just now") from error


def _refusals(rejected: dict[str, int] | None, request: PutRequest) -> list[Refusal]:
    """What CloudWatch took with a 200 and threw away: kept as dead letters, for it will not take them later either."""
    if not rejected:
        return []
    events = sum(map(len, request.indexes))
    old, expired = rejected.get("tooOldLogEventEndIndex") or 0, rejected.get("expiredLogEventEndIndex") or 0
    new = rejected.get("tooNewLogEventStartIndex")
    named = dict.fromkeys(request.lines(events if new is None else new, events), "too_new")
    named |= dict.fromkeys(request.lines(0, expired), "expired")
    named |= dict.fromkeys(request.lines(0, old), "too_old")
    return [Refusal(index, reason) for index, reason in named.items()]
