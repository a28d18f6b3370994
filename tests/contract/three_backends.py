"""Datadog, CloudWatch and a remote write receiver side by side, the real sinks before them, and what each shows of a counter."""

import contextlib
import time
from itertools import count

import aiohttp
import pytest

from aggregator.metric_sink import metrics_of
from aggregator.registry import SINKS
from aggregator.sink import SinkOptions, Surroundings
from aggregator.sinks.cloudwatch.config import CloudWatchConfig
from aggregator.sinks.cloudwatch.metric_config import CloudWatchMetricsConfig
from aggregator.sinks.datadog.config import DatadogConfig
from tests.aggregator.sinks.to_remote_write import sink_to
from tests.contract.counting_pods import COUNTERS, ORDERS, PAGES
from tests.contract.knowable import increase
from tests.fakes.cloudwatch_front import CloudWatchFront, Credentials
from tests.fakes.datadog_intake import DatadogIntake
from tests.fakes.remote_write_receiver import RemoteWriteReceiver, is_stale

DATADOG, CLOUDWATCH, REMOTE_WRITE = NAMES = ("dd.metrics", "cw.metrics", "rw")
START_UNIX = (
    time.time() - 6 * 86_400
)  # CloudWatch's clock is the real one: two weeks back and two hours ahead are taken
_EXPOSED = {ORDERS: "shop_orders_total", PAGES: "shop_pages_total"}


class Backends:
    """`now_unix`: Datadog's clock, and that of whoever sends. `names`: the metrics that CloudWatch is to have."""

    def __init__(self, folder, names=COUNTERS):
        self._folder, self._names = folder, names
        self._stack = contextlib.AsyncExitStack()
        self.now_unix = START_UNIX

    async def __aenter__(self):
        patch = self._stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("AWS_ACCESS_KEY_ID", Credentials.access_key)
        patch.setenv("AWS_SECRET_ACCESS_KEY", Credentials.secret_key)
        patch.delenv("AWS_SESSION_TOKEN", raising=False)
        enter = self._stack.enter_async_context
        self.intake = await enter(DatadogIntake(wall_clock_ns=lambda: int(self.now_unix * 1e9)))
        self.front = await enter(CloudWatchFront(monotonic=count().__next__))  # no limit to streams made a second
        self.receiver = await enter(RemoteWriteReceiver())
        self._session = await enter(aiohttp.ClientSession())
        (self._folder / "key").write_text(self.intake.api_key)
        return self

    async def __aexit__(self, *exc):
        await self._stack.aclose()

    def forget(self):
        self.now_unix = START_UNIX
        self.intake.accepted_series.clear()
        self.front.metrics.clear()
        self.receiver.series.clear()
        for server in (self.intake, self.front, self.receiver):
            server.play()

    def sinks(self):
        """As a process has them that has just begun."""
        return {DATADOG: self._datadog(), CLOUDWATCH: self._cloudwatch(), REMOTE_WRITE: self._remote_write()}

    def play(self, name, behaviour):
        """What the destination does to its next request."""
        {DATADOG: self.intake, CLOUDWATCH: self.front, REMOTE_WRITE: self.receiver}[name].play(behaviour)

    def totals(self, pod):
        """What each destination shows of a pod's counters."""
        assert self.front.emf_faults == []
        shown = {DATADOG: self._at_datadog, CLOUDWATCH: self._at_cloudwatch, REMOTE_WRITE: self._at_remote_write}
        return {name: {counter: show(counter, pod) for counter in COUNTERS} for name, show in shown.items()}

    def _at_datadog(self, counter, pod):
        """Of points at one time it shows the last one: sent again, they must be the same."""
        points = {}
        for one in self.intake.accepted_series:
            assert not one.flags
            if one.entry["metric"] == counter and f"pod_name:{pod}" in one.entry["tags"]:
                for point in one.entry["points"]:
                    assert points.setdefault(point["timestamp"], point["value"]) == point["value"]
        total = self.intake.points.count(counter, f"pod_name:{pod}")
        assert total == sum(points.values())
        return total

    def _at_cloudwatch(self, counter, pod):
        """It adds up what it gets. What was sent again after an answer that was lost is left out, and must be the same."""
        points = {}
        for datum in self.front.metrics:
            if datum.name == counter and ("FullPodName", pod) in datum.dimensions:
                assert points.setdefault((datum.dimensions, datum.time_ms), datum.total) == datum.total
        return sum(points.values())

    def _at_remote_write(self, counter, pod):
        wanted = {("__name__", _EXPOSED.get(counter, counter)), ("pod", pod)}
        found = [samples for labels, samples in self.receiver.series.items() if wanted <= set(labels)]
        assert len(found) <= 1
        values = [value for samples in found for _, value in samples if not is_stale(value)]
        return increase(values, begins_at_0=counter in _EXPOSED)

    def _datadog(self):
        url, key = self.intake.url, str(self._folder / "key")
        config = DatadogConfig(logs_url=url, api_url=url, api_key_file=key, lanes=1)
        return metrics_of(SINKS["datadog"].build(config, self._around("datadog")))

    def _cloudwatch(self):
        dimensions = (("Namespace", "FullPodName", "*"),)
        chosen = CloudWatchMetricsConfig(include=self._names, app_dimensions=dimensions, log_stream="{replica}")
        config = CloudWatchConfig(region="eu-central-1", endpoint_url=self.front.url, metrics=chosen)
        return metrics_of(SINKS["cloudwatch"].build(config, self._around("cloudwatch")))

    def _remote_write(self):
        return sink_to(self.receiver, self._session, lanes=1)

    def _around(self, kind):
        return Surroundings(kind, SinkOptions(type=kind), self._session, "agg-0", self._folder)
