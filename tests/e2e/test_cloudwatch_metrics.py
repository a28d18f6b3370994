"""What a pod measures and its app counts to CloudWatch, through both services: a strict front reads the log events as CloudWatch does."""

import contextlib
import json
import socket
from collections import Counter

import pytest
from datadog.dogstatsd import DogStatsd

from tests.e2e.procs import free_port, wait_until
from tests.fakes.aws import aws_error
from tests.fakes.cloudwatch_front import CloudWatchFront, Credentials, FrontOptions, MotoThread
from tests.fakes.script import RandomFaults, Recorded, Reset, Script

pytestmark = pytest.mark.e2e

ARRIVAL_SECONDS = 30
GROUP = "/aws/containerinsights/prod/performance"
FARGATE = 'CapacityProvisioned="0.5vCPU 1GB"\n'
FAULTS = (
    aws_error("ThrottlingException", "Rate exceeded"),
    aws_error("ServiceUnavailableException"),
    Reset(),
    Recorded("cut"),
)


class Scene:
    """Both services and the front. The pod is told that it is Fargate's."""

    def __init__(self, stage, backstage, **metrics):
        self.stage = stage
        self.stack = contextlib.ExitStack()
        moto = stage.stack.enter_context(MotoThread())
        self.front = backstage.enter(CloudWatchFront(FrontOptions(moto_url=moto.url)))
        self.statsd_port = free_port(socket.SOCK_DGRAM)
        podinfo = stage.folder / "podinfo"
        podinfo.mkdir()
        (podinfo / "annotations").write_text(FARGATE)
        sink = {"type": "cloudwatch", "region": "eu-central-1", "endpoint_url": self.front.url, "timeout_seconds": 3}
        self.sinks = {"cw": {**sink, "metrics": metrics}}
        self.collector_changes = {
            "podinfo_dir": str(podinfo),
            "identity": {"cluster": "prod"},
            "metrics": {"interval_seconds": 1, "dogstatsd": {"listen": f"127.0.0.1:{self.statsd_port}"}},
        }

    def __enter__(self):
        both = (
            self.stage.collector(**self.collector_changes),
            self.stage.aggregator(sinks=self.sinks, routes=[{"to": ["cw"]}]),
        )
        none = str(self.stage.folder / "none")
        both[1].environment |= {
            "AWS_ACCESS_KEY_ID": Credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": Credentials.secret_key,
            "AWS_CONFIG_FILE": none,
            "AWS_SHARED_CREDENTIALS_FILE": none,
        }
        for service in both:
            self.stage.run(service)
        for service in both:
            service.wait_ready()
        self.collector, self.aggregator = both
        self.statsd = DogStatsd(host="127.0.0.1", port=self.statsd_port, disable_telemetry=True, disable_buffering=True)
        self.stack.callback(self.statsd.close_socket)
        self.stack.callback(self.statsd.stop)
        return self

    def __exit__(self, *exc):
        self.stack.close()

    def names(self):
        return {datum.name for datum in list(self.front.metrics)}

    def messages(self, group):
        """Of every stream of a log group."""
        return [entry["message"] for entry in list(self.front.entries) if entry["group"] == group]

    def counted(self, name):
        """What arrived of a counter; a delta that came twice must be the same, and counts once."""
        deltas = {}
        for datum in list(self.front.metrics):
            if datum.name == name:
                key = datum.dimensions, datum.time_ms
                assert deltas.setdefault(key, datum.total) == datum.total
        total = Counter()
        for (dimensions, _), gained in deltas.items():
            total[dict(dimensions).get("route")] += gained
        return dict(total)

    def wait_for(self, names):
        wait_until(lambda: self.names() >= names, ARRIVAL_SECONDS, f"{names} at CloudWatch")


DEFAULT = {
    *("pod_cpu_usage_total", "pod_cpu_limit", "pod_cpu_utilization_over_pod_limit"),
    *("pod_memory_working_set", "pod_memory_limit", "pod_memory_utilization_over_pod_limit"),
    *("pod_network_rx_bytes", "pod_network_tx_bytes"),
}


def test_the_default_set_arrives_as_container_insights_has_it(stage, backstage):
    with Scene(stage, backstage) as scene:
        scene.statsd.increment("shop.orders")
        scene.wait_for(DEFAULT)
        front = scene.front
        assert (scene.names(), front.emf_faults) == (DEFAULT, [])
        assert {group for group, _ in front.accepted} == {GROUP}
        limits = {
            datum.name: datum.total for datum in front.metrics if datum.name in {"pod_cpu_limit", "pod_memory_limit"}
        }
        assert limits == {"pod_cpu_limit": 500, "pod_memory_limit": 1 << 30}
        dimensions = {frozenset(dict(datum.dimensions)) for datum in front.metrics}
        assert dimensions == {
            frozenset({"ClusterName", "LaunchType"}),
            frozenset({"ClusterName", "Namespace", "LaunchType"}),
            frozenset({"ClusterName", "Namespace", "PodName", "LaunchType"}),
        }
        event = json.loads(front.entries[-1]["message"])
        assert (event["Type"], event["ClusterName"], event["Namespace"], event["FullPodName"]) == (
            "Pod",
            "prod",
            "shop",
            "web-0",
        )


def test_what_an_app_counts_arrives_exactly_through_faults_and_kills(stage, backstage):
    with Scene(stage, backstage, include=["shop.*"]) as scene:
        scene.front.script = Script(then=RandomFaults(0.3, 7, FAULTS))
        for number in range(60):
            scene.statsd.increment("shop.orders", 2, tags=["route:a"])
            scene.statsd.increment("shop.orders", tags=["route:b"])
            scene.statsd.histogram("shop.latency", 0.1 * (number + 1))
            if number == 30:
                wait_until(lambda: scene.counted("shop.orders"), ARRIVAL_SECONDS, "the first counts")
                scene.aggregator.restart()
        scene.front.script = Script()
        wait_until(
            lambda: scene.counted("shop.orders") == {"a": 120, "b": 60}, ARRIVAL_SECONDS, "every count at CloudWatch"
        )
        assert scene.collector.terminate() == 0
        assert scene.counted("shop.orders") == {"a": 120, "b": 60}
        values = {
            (datum.time_ms, datum.dimensions): datum for datum in scene.front.metrics if datum.name == "shop.latency"
        }
        assert sum(datum.count for datum in values.values()) == 60
        assert sum(datum.total for datum in values.values()) == pytest.approx(183.0)
        assert scene.names() == {"shop.orders", "shop.latency"}
        assert scene.front.emf_faults == []
        assert scene.stage.status()["sinks"]["cw.metrics"]["refused"] == {}


def test_one_sink_takes_lines_and_metrics_and_each_has_its_own_account(stage, backstage):
    with Scene(stage, backstage) as scene:
        stage.append("app.log", b"a line\n" * 100)
        scene.wait_for(DEFAULT)
        wait_until(lambda: scene.messages("/eks/shop/web") == ["a line"] * 100, ARRIVAL_SECONDS, "every line")
        sinks = stage.status()["sinks"]
        assert set(sinks) == {"cw", "cw.metrics"}
        lines = scene.aggregator.get("/metrics")[1].splitlines()
        assert 'aggregator_delivered_records_total{sink="cw"} 100.0' in lines
        assert {group for group, _ in scene.front.accepted} == {GROUP, "/eks/shop/web"}
