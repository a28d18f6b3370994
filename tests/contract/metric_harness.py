"""A sink of metrics before its counterpart, for each that there is: the same situations, played by each in its own way.

A new sink of metrics is one class here and one row in METRIC_HARNESSES.
"""

import contextlib
import time

import aiohttp
import pytest

from aggregator.core.joining import Join
from aggregator.core.opening import OpenLimits, open_snapshot
from aggregator.core.series import Opened
from aggregator.metric_sink import Moment, metrics_of
from aggregator.registry import SINKS
from aggregator.sink import SinkOptions, Surroundings
from aggregator.sinks.cloudwatch.config import CloudWatchConfig
from aggregator.sinks.cloudwatch.metric_config import CloudWatchMetricsConfig
from aggregator.sinks.datadog.config import DatadogConfig
from tests.aggregator.pointing import PodTeller
from tests.aggregator.sinks.to_remote_write import sink_to
from tests.fakes.cloudwatch_front import CloudWatchFront, Credentials, aws_error
from tests.fakes.datadog_intake import DatadogIntake
from tests.fakes.memory_metric_sink import MemoryMetricSink
from tests.fakes.remote_write_receiver import RemoteWriteReceiver
from tests.fakes.script import Answer
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, UnauthorizedError

KNOWN = Moment(Join.SAME_RUN)


def opened_of(teller: PodTeller, values, **more) -> Opened:
    """A pod's next snapshot, opened, and taken just now: destinations have age limits."""
    teller.unix = max(teller.unix, time.time() - 60)
    return open_snapshot(teller.pod, teller.snapshot(values, **more), OpenLimits())


def settled(sink, teller: PodTeller) -> str:
    """The state of a pod that is known: its first snapshot is out of custody."""
    return sink.make(opened_of(teller, {"hits_total": 1}), None, Moment(Join.UNKNOWN)).state


class MetricHarness:
    """One sink and what it sends to. `start` sets `sink`; `received()` is every (series name, value) that arrived, in order, copies included."""

    sink = None

    def __init__(self, folder):
        self.folder = folder
        self.stack = contextlib.AsyncExitStack()

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *exc):
        await self.sink.close()
        await self.stack.aclose()


class MemoryHarness(MetricHarness):
    async def start(self):
        self.sink = MemoryMetricSink()

    def received(self):
        return [(point.series.partition("{")[0], point.value) for point in self.sink.points]

    def busy(self):
        self.sink.script = [RetryableError("429", retry_after_seconds=7)]

    def too_large(self):
        self.sink.script = [TooLargeError("413")]

    def poisoned(self):
        self.sink.script = [RejectedError("400")]

    def unauthorized(self):
        self.sink.script = [UnauthorizedError("403")]


class DatadogHarness(MetricHarness):
    async def start(self):
        self.intake = await self.stack.enter_async_context(DatadogIntake())
        session = await self.stack.enter_async_context(aiohttp.ClientSession())
        key = self.folder / "key"
        key.write_text(self.intake.api_key)
        config = DatadogConfig(
            logs_url=self.intake.url, api_url=self.intake.url, api_key_file=str(key), timeout_seconds=5
        )
        options = SinkOptions(type="datadog")
        place = Surroundings(name="dd", options=options, session=session, replica="agg-0", folder=self.folder)
        self.sink = metrics_of(SINKS["datadog"].build(config, place))

    def received(self):
        return [
            (one.entry["metric"], point["value"])
            for one in self.intake.accepted_series
            for point in one.entry["points"]
        ]

    def busy(self):
        self.intake.play(Answer(429, {"Retry-After": "7"}))

    def too_large(self):
        self.intake.play(Answer(413))

    def poisoned(self):
        self.intake.play(then=Answer(400))  # a first 400 may be its encoding's fault

    def unauthorized(self):
        self.intake.api_key = "another"


class CloudWatchHarness(MetricHarness):
    asks_to_wait_seconds = 0.0  # ThrottlingException names no time

    async def start(self):
        patch = self.stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("AWS_ACCESS_KEY_ID", Credentials.access_key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", Credentials.secret_key)
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        self.front = await self.stack.enter_async_context(CloudWatchFront())
        session = await self.stack.enter_async_context(aiohttp.ClientSession())
        config = CloudWatchConfig(
            region="eu-central-1", endpoint_url=self.front.url, metrics=CloudWatchMetricsConfig(include=("*",))
        )
        around = Surroundings("cw", SinkOptions(type="cloudwatch"), session, "agg-0", self.folder)
        self.sink = metrics_of(SINKS["cloudwatch"].build(config, around))

    def received(self):
        assert self.front.emf_faults == []
        return [(datum.name, datum.total) for datum in self.front.metrics]

    def busy(self):
        self.front.play(aws_error("ThrottlingException", "Rate exceeded"))

    def too_large(self):
        self.front.play(aws_error("InvalidParameterException", "Upload too large: 2 bytes"))

    def poisoned(self):
        self.front.play(aws_error("InvalidParameterException", "bad"))

    def unauthorized(self):
        self.front.play(aws_error("AccessDeniedException"))


class RemoteWriteHarness(MetricHarness):
    async def start(self):
        self.receiver = await self.stack.enter_async_context(RemoteWriteReceiver())
        session = await self.stack.enter_async_context(aiohttp.ClientSession())
        self.sink = sink_to(self.receiver, session)

    def received(self):
        told = self.receiver.series.items()
        return [(dict(labels)["__name__"], value) for labels, samples in told for _, value in samples]

    def busy(self):
        self.receiver.play(Answer(429, {"Retry-After": "7"}))

    def too_large(self):
        self.receiver.play(Answer(413))

    def poisoned(self):
        self.receiver.play(Answer(400, body="label name is too long"))

    def unauthorized(self):
        self.receiver.play(Answer(403))


METRIC_HARNESSES = {
    "remote_write": RemoteWriteHarness,
    "memory": MemoryHarness,
    "datadog": DatadogHarness,
    "cloudwatch": CloudWatchHarness,
}
