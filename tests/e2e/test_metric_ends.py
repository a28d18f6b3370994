"""Ends and beginnings, with real processes: what was counted last reaches the page, and no restart makes two of one series or half a page."""

import contextlib
import socket

import pytest

from tests.e2e.hostile import Endpoints, answer, silent, sound_page, valued
from tests.e2e.procs import fetch, free_port, wait_until
from tests.e2e.test_bad_metrics import ARRIVAL_SECONDS, GOOD, SINKS, scraping

pytestmark = [pytest.mark.e2e, pytest.mark.needs("promtool")]


@pytest.fixture
def sender():
    """A connected sender and its DogStatsD options."""
    port = free_port(socket.SOCK_DGRAM)
    with contextlib.closing(socket.socket(type=socket.SOCK_DGRAM)) as made:
        made.connect(("127.0.0.1", port))
        yield made, {"listen": f"127.0.0.1:{port}"}


def test_a_finished_jobs_last_incomplete_interval_is_on_the_page_after_it_ended(stage, backstage, sender):
    sending, dogstatsd = sender
    podinfo = stage.folder / "podinfo"
    podinfo.mkdir()
    (podinfo / "labels").write_text('batch.kubernetes.io/job-name="nightly"\n')
    endpoints = backstage.enter(Endpoints({"good": GOOD, "hung": silent}))
    metrics = {**scraping(endpoints, timeout_seconds=60), "interval_seconds": 600, "dogstatsd": dogstatsd}
    metrics["scrape"][1]["timeout_seconds"] = 1  # long for a goodbye, short for the first interval
    collector, aggregator = stage.start({"metrics": metrics, "podinfo_dir": str(podinfo)}, {"sinks": SINKS})
    wait_until(lambda: collector.metric("collector_snapshots_sent_total"), ARRIVAL_SECONDS, "the first snapshot")
    endpoints.said["good"] = answer("# TYPE good_total counter\n# HELP good_total Good.\ngood_total 8\n")
    for _ in range(200):
        sending.send(b"rows:3|c\ntook:20|ms")
    assert collector.terminate() == 0
    page = sound_page(stage.aggregator_url)
    assert valued(page, "rows_total", pod="web-0") == [600.0]
    assert valued(page, "took_count", pod="web-0") == [200.0]
    assert valued(page, "good_total", job="good") == [8.0]
    assert (valued(page, "up", job="good"), valued(page, "up", job="hung")) == ([1.0], [0.0])
    assert valued(page, "container_cpu_usage_seconds_total", pod="web-0")
    assert aggregator.is_alive


def test_a_collector_that_was_killed_begins_its_counts_again_and_makes_no_second_series(stage, backstage, sender):
    sending, dogstatsd = sender
    endpoints = backstage.enter(Endpoints({"good": GOOD}))
    collector, aggregator = stage.start({"metrics": {**scraping(endpoints), "dogstatsd": dogstatsd}}, {"sinks": SINKS})
    sending.send(b"hits:5|c\nlevel:5|g")
    wait_until(lambda: aggregator.metric("hits_total") == 5, ARRIVAL_SECONDS, "the first life's count")
    before = sound_page(stage.aggregator_url)
    collector.restart()
    sending.send(b"hits:2|c")
    wait_until(lambda: aggregator.metric("hits_total") == 2, ARRIVAL_SECONDS, "the second life's count")
    after = sound_page(stage.aggregator_url)
    assert valued(after, "hits_total") == [2.0]
    assert valued(after, "level") == []
    assert valued(after, "good_total") == valued(before, "good_total") == [7.0]
    kept = {name for name, labels in before if ("pod", "web-0") in labels} - {"level"}
    assert kept <= {name for name, _ in after}


def test_an_aggregator_that_began_again_shows_no_page_until_the_pods_have_spoken_and_then_all_of_it(stage, backstage):
    endpoints = backstage.enter(Endpoints({"good": GOOD}))
    collector, aggregator = stage.start({"metrics": scraping(endpoints)}, {"sinks": SINKS})
    wait_until(lambda: aggregator.metric("good_total") == 7, ARRIVAL_SECONDS, "the page")
    before = sound_page(stage.aggregator_url)
    collector.pause()
    try:
        aggregator.restart()
        assert fetch(f"{stage.aggregator_url}/metrics")[0] == 503
        assert fetch(f"{stage.aggregator_url}/metrics?pods=0")[0] == 200
    finally:
        collector.resume()
    statuses = []

    def answered():
        status, body = fetch(f"{stage.aggregator_url}/metrics")
        statuses.append((status, "good_total" in body))
        return status == 200

    wait_until(answered, ARRIVAL_SECONDS, "the page to come back")
    assert set(statuses) <= {(503, False), (200, True)}
    of_pod = {series for series in before if ("pod", "web-0") in series[1]}
    wait_until(lambda: of_pod <= sound_page(stage.aggregator_url).keys(), ARRIVAL_SECONDS, "every series again")
