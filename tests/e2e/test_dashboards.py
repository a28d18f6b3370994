"""The queries that docs/guides/dashboards.md lists, asked of a real Prometheus that scrapes the aggregator."""

import math
import re
import socket
from pathlib import Path

import pytest

from tests.e2e.procs import Service, free_port, wait_until
from tests.e2e.prometheus import Prometheus

pytestmark = pytest.mark.e2e

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "dashboards.md"
QUERIES = re.findall(r"```promql\n(.+?)\n```", GUIDE.read_text())
SINKS = {"file": {"type": "file", "path": "out/{pod}.jsonl"}, "prom": {"type": "prometheus"}}


def finite(found):
    """An answer whose values are numbers; two equal samples of a histogram have no quantile yet."""
    return found if all(math.isfinite(value) for _, value in found) else []


@pytest.mark.needs("prometheus")
def test_prometheus_answers_the_ten_queries_of_the_guide(stage):
    app_port, statsd_port = free_port(), free_port(socket.SOCK_DGRAM)
    metrics = {
        "interval_seconds": 1,
        "scrape": [{"url": f"http://127.0.0.1:{app_port}/metrics", "job": "shop"}],
        "dogstatsd": {"listen": f"127.0.0.1:{statsd_port}"},
    }
    stage.start({"metrics": metrics}, {"sinks": SINKS})
    ports = ["--metrics-port", str(app_port), "--dogstatsd-port", str(statsd_port)]
    app = Service(["-m", "towline.cli.example_app", "--dir", str(stage.logs), *ports], stage.folder / "app.log")
    stage.run(app)
    prometheus = Prometheus(stage)
    stage.run(prometheus.service)
    assert len(QUERIES) == 10
    for query in QUERIES:
        found = wait_until(lambda query=query: finite(prometheus.query(query)), 30, query)
        assert all(labels.get("pod", "web-0") == "web-0" for labels, _ in found), (query, found)
