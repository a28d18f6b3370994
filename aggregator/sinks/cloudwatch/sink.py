"""The CloudWatch sink of lines: a lane per log group, a call per batch and log stream. What it offers for metrics stands in metrics.py.

Room: aggregator sinks. Never enters: retries, batches, metrics of the forwarder's own.
"""

from collections.abc import Mapping

from aggregator.core.records import Batch
from aggregator.core.remember import Remembered
from aggregator.sink import Limits, Receipt, Surroundings
from aggregator.sinks.cloudwatch.calls import Endpoint, LogsCalls
from aggregator.sinks.cloudwatch.config import CloudWatchConfig
from aggregator.sinks.cloudwatch.groups import Groups
from aggregator.sinks.cloudwatch.metrics import CloudWatchMetrics
from aggregator.sinks.cloudwatch.names import Names
from aggregator.sinks.cloudwatch.payload import (
    EVENT_OVERHEAD_BYTES,
    MAX_BATCH_BYTES,
    MAX_EVENTS,
    CloudWatchPayload,
    make_payload,
)
from aggregator.sinks.cloudwatch.putting import EventPutter
from towline.plumbing.place import Place
from towline.wire.identity import Origin, Pod

_LIMITS = Limits(max_lines=MAX_EVENTS, max_bytes=MAX_BATCH_BYTES, line_overhead_bytes=EVENT_OVERHEAD_BYTES)
_DOMAINS = {"cn": "amazonaws.com.cn"}  # by the region's first word; everywhere else it is amazonaws.com


class CloudWatchSink:
    """Refusals, all dead letters: too_old, expired, too_new. Calls are not compressed: PutLogEvents takes no encoding."""

    def __init__(
        self,
        config: CloudWatchConfig,
        surroundings: Surroundings,
        putter: EventPutter,
    ) -> None:
        names = Names(config.log_group, config.log_stream, surroundings.replica)
        self._group, self._stream = Remembered(names.group), Remembered(names.stream)
        self._event_ids = surroundings.options.event_id
        self._putter = putter
        self.metrics = CloudWatchMetrics(config.metrics, surroundings.replica, putter) if config.metrics else None

    @classmethod
    def build(cls, config: CloudWatchConfig, surroundings: Surroundings) -> "CloudWatchSink":
        """Raises ConfigError where no region is named."""
        from aggregator.sinks.aws import BotoSigner, CredentialSource, Scope, region_of  # noqa: PLC0415 - botocore: 15 MB

        region = region_of(config.region, Place(surroundings.file, f"sinks.{surroundings.name}.region"))
        url = config.endpoint_url or f"https://logs.{region}.{_DOMAINS.get(region.partition('-')[0], 'amazonaws.com')}"
        signer = BotoSigner(CredentialSource(region), Scope(region, "logs"))
        calls = LogsCalls(surroundings.session, Endpoint(url, config.timeout_seconds), signer)
        return cls(
            config, surroundings, EventPutter(calls, Groups(calls, config.retention_days), creates=config.create)
        )

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
        return Receipt(await self._putter.put_all(payload))

    async def healthcheck(self) -> None:
        await self._putter.prove()

    async def recall(self, memo: Mapping[str, str]) -> None:
        """Nothing is remembered for CloudWatch."""

    async def close(self) -> None:
        """Nothing to let go of: the session is the service's."""
