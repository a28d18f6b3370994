"""The real Prometheus scrapes the aggregator and keeps the pods' metrics with their labels; promtool finds nothing to say."""

import subprocess
import time

import pytest

from tests.e2e.procs import fetch, wait_until
from tests.e2e.prometheus import Prometheus
from tests.e2e.receivers import VictoriaMetrics

pytestmark = pytest.mark.e2e

SINKS = {"file": {"type": "file", "path": "out/{pod}.jsonl"}, "prom": {"type": "prometheus"}}


@pytest.fixture
def metrics_stage(stage):
    stage.start({"metrics": {"interval_seconds": 1}}, {"sinks": SINKS})
    return stage


def pod_families(stage):
    return {line.split("{")[0] for line in fetch(f"{stage.aggregator_url}/metrics")[1].splitlines() if 'pod="' in line}


@pytest.mark.needs("prometheus")
def test_prometheus_scrapes_the_aggregator_and_finds_the_pods_series_under_their_labels(metrics_stage):
    prometheus = Prometheus(metrics_stage)
    metrics_stage.run(prometheus.service)
    [(labels, _)] = prometheus.wait_for("up == 1")
    assert labels["job"] == "towline"
    for family in ("container_memory_working_set_bytes", "container_cpu_usage_seconds_total"):
        for labels, value in prometheus.wait_for(f'{family}{{namespace="shop",pod="web-0"}}'):
            assert (labels["namespace"], labels["pod"]) == ("shop", "web-0")
            assert value > 0
    metrics_stage.append("x.log", b"a line\n" * 10)
    wait_until(lambda: prometheus.query('aggregator_delivered_records_total{sink="file"} == 10'), 20)
    [(_, errors)] = prometheus.wait_for('scrape_samples_scraped{job="towline"}')
    assert errors > 20


@pytest.mark.needs("victoria-metrics")
def test_victoria_metrics_scrapes_the_aggregator_and_finds_the_pods_series_too(metrics_stage):
    asked = 'container_memory_working_set_bytes{namespace="shop",pod="web-0",scope="container"}'
    with VictoriaMetrics(metrics_stage.folder).scraping(metrics_stage.aggregator_port) as scraper:
        ((labels, value),) = wait_until(lambda: scraper.query(asked, time.time()), 30, "the pod at VictoriaMetrics")
    assert (labels["container"], value > 0) == ("collector", True)


@pytest.mark.needs("prometheus")
def test_a_pod_that_went_leaves_prometheus_too(stage):
    prom = {"type": "prometheus", "expire_seconds": 2}
    collector, _ = stage.start({"metrics": {"interval_seconds": 1}}, {"sinks": {**SINKS, "prom": prom}})
    prometheus = Prometheus(stage)
    stage.run(prometheus.service)
    prometheus.wait_for('container_memory_working_set_bytes{pod="web-0"}')
    collector.kill()
    wait_until(lambda: not prometheus.query('container_memory_working_set_bytes{pod="web-0"}'), 20, "staleness")
    assert prometheus.query("up == 1")


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("whose", ["aggregator", "collector"])
def test_promtool_finds_nothing_wrong_with_the_metrics_of(metrics_stage, whose):
    metrics_stage.append("x.log", b"a line\n")
    metrics_stage.wait_delivered(7)
    wait_until(lambda: "container_memory_working_set_bytes" in pod_families(metrics_stage), 20, "the pod's metrics")
    url = metrics_stage.aggregator_url if whose == "aggregator" else f"http://127.0.0.1:{metrics_stage.collector_port}"
    status, page = fetch(f"{url}/metrics")
    assert status == 200
    assert f"{whose}_" in page
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
