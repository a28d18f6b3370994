"""A real Prometheus scrapes the page of a real aggregator to which pods have sent scraped text, DogStatsD and what they measured."""

import gzip
import json
import subprocess
import urllib.request

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics

from tests.aggregator.exposing import OPENMETRICS, distribution, family, scrape, sketch, snapshot
from tests.aggregator.serving import raw
from tests.e2e.procs import fetch, wait_until
from tests.e2e.test_prometheus import SINKS, Prometheus
from towline.wire.codec import REQUEST_TYPE, encode_request
from towline.wire.identity import Pod

pytestmark = pytest.mark.e2e

TEXT = """\
# TYPE took_seconds histogram
# UNIT took_seconds seconds
# HELP took_seconds How long it took.
took_seconds_bucket{le="0.1"} 3 # {trace_id="abc"} 0.07
took_seconds_bucket{le="+Inf"} 4
took_seconds_sum 1.5
took_seconds_count 4
# TYPE orders counter
# HELP orders Orders, by "way".
orders_total{way="a\\"b\\\\c\\nd}e,f=g",pod="evil"} 7
# EOF
"""


def send(url, pod, *families, **said):
    """As a collector does. Returns the status."""
    status, body = fetch(f"{url}/v1/marks?pod={pod.uid}")
    assert status == 200, body
    request = snapshot(*families, **said)
    body = encode_request(
        type(request)(
            **{
                **{name: getattr(request, name) for name in request.__struct_fields__},
                "pod": raw(pod),
                "journal": json.loads(body)["journal"],
            }
        )
    )
    asked = urllib.request.Request(
        f"{url}/v1/snapshots", body, {"Content-Type": REQUEST_TYPE, "Towline-Wire": "1"}, method="POST"
    )
    with urllib.request.urlopen(asked, timeout=5) as answer:
        return answer.status


def pods():
    return [Pod(namespace="shop", name=name, uid=f"u-{name}") for name in ("cart", "ship")]


def send_everything(url, pod, sequence=1, **said):
    took = distribution("job.took", sketch({"queue": ""}, count=2.0, sum=3.0, positive={0: 1.0, 35: 1.0}))
    memory = family(
        "container_memory_working_set_bytes", ({"container": "app"}, 5e6), help_text="Memory in use, in bytes."
    )
    return send(url, pod, memory, took, scrapes=(scrape(TEXT, OPENMETRICS),), sequence=sequence, **said)


@pytest.fixture
def page_url(stage):
    stage.run(stage.aggregator(sinks=SINKS)).wait_ready()
    return stage.aggregator_url


@pytest.mark.needs("prometheus")
def test_prometheus_knows_each_pods_histograms_counters_and_distributions_under_its_own_labels(stage, page_url):
    for pod in pods():
        assert send_everything(page_url, pod) == 200
    prometheus = Prometheus(stage)
    stage.run(prometheus.service)
    found = prometheus.wait_for("orders_total")
    assert {labels["pod"] for labels, _ in found} == {"cart", "ship"}
    assert {(labels["job"], labels["instance"], labels["way"]) for labels, _ in found} == {
        ("app", "127.0.0.1:9000", 'a"b\\c\nd}e,f=g')
    }
    [(_, quantile)] = prometheus.wait_for("histogram_quantile(0.5, sum by (le) (took_seconds_bucket))")
    assert 0 < quantile <= 0.1
    assert [value for _, value in prometheus.wait_for("sum(job_took_count)")] == [4]
    assert [value for _, value in prometheus.wait_for('sum by (job) (up{job="app"})')] == [2]
    assert prometheus.wait_for('container_memory_working_set_bytes{namespace="shop",pod="ship",container="app"} == 5e6')


@pytest.mark.needs("promtool")
def test_promtool_finds_nothing_wrong_with_a_page_of_everything_and_both_formats_agree(page_url):
    for pod in pods():
        assert send_everything(page_url, pod) == 200
    text = fetch(f"{page_url}/metrics")[1]
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    asked = urllib.request.Request(f"{page_url}/metrics", headers={"Accept": OPENMETRICS, "Accept-Encoding": "gzip"})
    with urllib.request.urlopen(asked, timeout=5) as answer:
        strict = {one.name: one for one in read_openmetrics(gzip.decompress(answer.read()).decode())}
    assert {"orders", "took_seconds", "job_took", "up"} <= strict.keys()
    assert strict["took_seconds"].samples[0].exemplar.labels == {"trace_id": "abc"}


@pytest.mark.needs("prometheus")
def test_a_finished_jobs_last_sample_stays_for_its_time_and_then_ends(stage):
    prom = {"type": "prometheus", "keep_finished_seconds": 3}
    stage.run(stage.aggregator(sinks={**SINKS, "prom": prom})).wait_ready()
    prometheus = Prometheus(stage)
    stage.run(prometheus.service)
    prometheus.wait_for("up == 1")
    job = Pod(namespace="shop", name="nightly-x", uid="u-n", labels={"batch.kubernetes.io/job-name": "nightly"})
    for pod in (job, pods()[0]):
        send_everything(stage.aggregator_url, pod)
        send_everything(stage.aggregator_url, pod, sequence=2, goodbye=True)
    prometheus.wait_for('orders_total{pod="nightly-x"}')
    assert 'pod="cart"' not in fetch(f"{stage.aggregator_url}/metrics")[1]
    wait_until(lambda: not prometheus.query('orders_total{pod="nightly-x"}'), 20, "its end")
