"""An app's metrics to Datadog, through both services: the official clients count, a strict intake sees exactly that, whatever is killed between."""

import contextlib
import os
import socket
import time
from pathlib import Path

import pytest
from datadog.dogstatsd import DogStatsd
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from tests.e2e.procs import ROOT, free_port, wait_until
from tests.fakes.datadog_intake import DatadogIntake, IntakeOptions
from tests.fakes.datadog_oracles import check_metrics_with_client_models
from tests.fakes.script import Answer, RandomFaults, Recorded, Reset, Script

pytestmark = pytest.mark.e2e

OPENAPI = Path(
    os.environ.get("TOWLINE_DATADOG_OPENAPI") or ROOT.parent / "shared" / "contracts" / "datadog-openapi.yaml"
)
FAULTS = (Answer(503), Reset(), Recorded("cut"), Recorded("answer", 500))
ARRIVAL_SECONDS = 30


class Scene:
    """Both services, the app's side (DogStatsD and a Prometheus endpoint), and the intake."""

    def __init__(self, stage, backstage, **metrics):
        self.stage = stage
        self.intake = backstage.enter(DatadogIntake(IntakeOptions(openapi=OPENAPI if OPENAPI.exists() else None)))
        key = stage.folder / "api-key"
        key.write_text(self.intake.api_key)
        url = self.intake.url
        sink = {"type": "datadog", "logs_url": url, "api_url": url, "api_key_file": str(key), "timeout_seconds": 3}
        self.aggregator_changes = {
            "sinks": {"dd": {**sink, "metrics": metrics}},
            "routes": [{"to": ["dd"]}],
        }
        self.statsd_port, self.app_port = free_port(socket.SOCK_DGRAM), free_port()
        self.collector_changes = {
            "metrics": {
                "interval_seconds": 1,
                "dogstatsd": {"listen": f"127.0.0.1:{self.statsd_port}"},
                "scrape": [{"url": f"http://127.0.0.1:{self.app_port}/metrics", "job": "app"}],
            }
        }
        self.registry = CollectorRegistry()
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        server, thread = start_http_server(self.app_port, "127.0.0.1", self.registry)
        self.stack.callback(thread.join)
        self.stack.callback(server.server_close)
        self.stack.callback(server.shutdown)
        self.collector, self.aggregator = self.stage.start(self.collector_changes, self.aggregator_changes)
        self.statsd = DogStatsd(host="127.0.0.1", port=self.statsd_port, disable_telemetry=True, disable_buffering=True)
        self.stack.callback(self.statsd.close_socket)
        self.stack.callback(self.statsd.stop)
        return self

    def __exit__(self, *exc):
        self.stack.close()

    def wait_for(self, predicate, what):
        return wait_until(lambda: predicate(self.intake.points), ARRIVAL_SECONDS, what)

    def refused(self):
        """What the intake found wrong by itself."""
        return [(one.path, one.status, one.reason) for one in self.intake.requests if one.reason]


@pytest.fixture
def scene_of(stage, backstage):
    with contextlib.ExitStack() as stack:
        yield lambda **metrics: stack.enter_context(Scene(stage, backstage, **metrics))


def test_what_the_pod_measures_exposes_and_counts_arrives_in_forms_that_datadog_knows(scene_of):
    scene = scene_of()
    requests = Counter("requests", "Requests.", ["code"], registry=scene.registry)
    Gauge("depth", "Depth.", registry=scene.registry).set(7)
    latency = Histogram("latency_seconds", "Latency.", registry=scene.registry)
    requests.labels("200").inc(0)
    scene.wait_for(lambda points: "requests_total" in points.names(), "the first delta of the endpoint's counter")
    requests.labels("200").inc(5)
    for value in (0.001, 0.2, 3.0):
        latency.observe(value)
    statsd = scene.statsd
    statsd.increment("page.views", 3, tags=["route:/a"])
    statsd.gauge("pool.size", 4)
    statsd.set("users.online", "u1")
    for value in range(1, 11):
        statsd.distribution("payload.size", value)
        statsd.histogram("req.ms", value)
    statsd.event("deployed", "all of it", alert_type="success", tags=["who:ci"])
    statsd.service_check("db.up", 2, message="down")
    tags = ("pod_name:web-0", "kube_namespace:shop")
    scene.wait_for(lambda points: points.count("page.views", "route:/a", *tags) == 3, "the DogStatsD counter")
    scene.wait_for(lambda points: points.count("requests_total", "code:200", *tags) == 5, "the endpoint's counter")
    scene.wait_for(lambda points: points.count("latency_seconds.count") == 3, "the endpoint's histogram")
    scene.wait_for(lambda points: len(points.of_distribution("payload.size", *tags)) == 10, "the distribution")
    scene.wait_for(lambda points: points.count("req.ms.count") == 10, "the DogStatsD histogram")
    wait_until(lambda: scene.intake.taken["events"] and scene.intake.taken["checks"], ARRIVAL_SECONDS, "events")
    points = scene.intake.points
    assert (points.last("depth"), points.last("pool.size")) == (7, 4)
    assert sum(points.of_distribution("payload.size")) == pytest.approx(55)
    assert len(points.of_distribution("latency_seconds")) == 3
    assert {"container.memory.usage", "container.cpu.usage", "container.uptime"} <= points.names()
    assert scene.refused() == []
    for kind in ("series", "distributions", "events", "checks"):
        entries = [one.entry for one in scene.intake.taken[kind]]
        assert entries
        check_metrics_with_client_models(kind, entries)
        assert all(set(tags) <= set(entry["tags"]) for entry in entries)


def test_what_an_app_counts_is_exact_though_the_intake_fails_and_the_aggregator_is_killed(scene_of):
    scene = scene_of(sources=["dogstatsd", "scrape"])
    requests = Counter("requests", "Requests.", registry=scene.registry)
    scene.wait_for(lambda points: "requests_total" in points.names(), "the first point")
    seen = scene.intake.points.count("requests_total")
    scene.intake.script = Script(then=RandomFaults(0.4, 7, FAULTS))
    counted = 0
    for step in range(12):
        for _ in range(25):
            scene.statsd.increment("hits", 2)
            requests.inc(3)
            counted += 1
        time.sleep(0.25)
        if step % 4 == 3:
            scene.aggregator.restart()
    scene.intake.play()
    scene.wait_for(lambda points: points.count("hits") == 2 * counted, f"{2 * counted} hits")
    scene.wait_for(lambda points: points.count("requests_total") - seen == 3 * counted, f"{3 * counted} requests")
    time.sleep(2.5)  # nothing more comes
    assert scene.intake.points.count("hits") == 2 * counted
    assert scene.intake.points.count("requests_total") - seen == 3 * counted
    assert {status for _, status, _ in scene.refused()} <= {500, 503}


def test_the_last_incomplete_interval_arrives_when_the_collector_leaves(scene_of):
    scene = scene_of()
    scene.wait_for(lambda points: "container.uptime" in points.names(), "the first snapshot")
    scene.statsd.increment("last.words", 4)
    time.sleep(0.05)
    assert scene.collector.terminate() == 0
    scene.wait_for(lambda points: points.count("last.words") == 4, "what was counted last")


def test_a_metrics_intake_that_is_down_delays_no_line(scene_of, stage):
    scene = scene_of()
    scene.wait_for(lambda points: points.names(), "the first snapshot")
    scene.intake.script = Script(then=lambda seen: None if "logs" in seen.path else Answer(503))
    # Not what is owed: the snapshot before may still be on its way, and be taken.
    wait_until(lambda: stage.status()["sinks"]["dd.metrics"]["failures"], ARRIVAL_SECONDS, "metrics that are refused")
    stage.append("w.log", b"a line\n" * 50)
    wait_until(lambda: len(scene.intake.messages) == 50, ARRIVAL_SECONDS, "50 lines")
    wait_until(lambda: not stage.status()["sinks"]["dd"]["owed_bytes"], ARRIVAL_SECONDS, "settled lines")
    assert stage.status()["sinks"]["dd.metrics"]["owed_bytes"]


def test_switched_off_nothing_goes_to_the_metrics_intake(scene_of, stage):
    scene = scene_of(send="none")
    stage.append("w.log", b"a line\n")
    wait_until(lambda: len(scene.intake.messages) == 1, ARRIVAL_SECONDS, "the line")
    time.sleep(1.5)  # an interval and more
    assert not scene.intake.taken["series"]
    assert "dd.metrics" not in stage.status()["sinks"]
