"""Endpoints that answer as no app should: each has its stated outcome, is counted by reason, and harms no neighbour."""

import random

import pytest

from tests.e2e.deployment import Deployment
from tests.e2e.hostile import (
    Endpoints,
    answer,
    dripping,
    endless_chunks,
    endless_length,
    silent,
    sound_page,
    valued,
)
from tests.e2e.procs import free_port, wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.needs("promtool")]

SINKS = {"file": {"type": "file", "path": "out/{pod}.jsonl"}, "prom": {"type": "prometheus"}}
ARRIVAL_SECONDS = 30.0
NOISE = random.Random(1).randbytes(200_000)
GOOD = answer("# TYPE good_total counter\n# HELP good_total Good.\ngood_total 7\n")
REFUSED = 'aggregator_exposition_refused_series_total{reason="%s"}'
VICTIM = {"POD_NAME": "victim-0", "POD_UID": "00000000-0000-4000-8000-000000000002"}


def scraping(endpoints, **options):
    """Options of a collector that scrapes every path, each as a job of its own."""
    chosen = {"timeout_seconds": 0.5, **options}
    scrape = [{"url": endpoints.url(path), "job": path, **chosen} for path in endpoints.said]
    return {"interval_seconds": 1, "scrape": scrape}


def neighbour(stage):
    """A second pod with a collector of its own, shipping to the same aggregator."""
    pod = Deployment(stage.folder / "neighbour", VICTIM)
    pod.aggregator_url = stage.aggregator_url
    return pod


def scrapes(collector, outcome):
    return collector.metric(f'collector_scrapes_total{{outcome="{outcome}"}}')


NO_EXPOSITION = {
    "slow": (silent, "timed_out"),
    "dripping": (dripping, "timed_out"),
    "endless-chunks": (endless_chunks, "too_many_series"),
    "endless-length": (endless_length, "too_large"),
    "web-page": (answer("<html>", "text/html"), "not_text"),
    "picture": (answer(NOISE, "image/png"), "not_text"),
    "broken": (answer("down", status="500 Oh"), "status_500"),
    "exploding": (answer("".join(f'exploding{{id="{n}"}} 1\n' for n in range(100_000))), "too_many_series"),
    "no-http": (b"SSH-2.0-OpenSSH_9.2\r\n", "no_answer"),
}


def test_what_is_no_exposition_is_down_for_its_reason_and_its_neighbours_are_up(stage, backstage):
    said = {path: one for path, (one, _) in NO_EXPOSITION.items()}
    endpoints = backstage.enter(Endpoints({"good": GOOD, **said, "good-too": GOOD}))
    metrics = scraping(endpoints)
    metrics["scrape"].append({"url": f"http://127.0.0.1:{free_port()}/metrics", "job": "nobody"})
    collector, aggregator = stage.start({"metrics": metrics}, {"sinks": SINKS})
    outcomes = {outcome for _, outcome in NO_EXPOSITION.values()} | {"refused"}
    wait_until(lambda: all(scrapes(collector, one) >= 3 for one in outcomes), ARRIVAL_SECONDS, "three scrapes of each")
    wait_until(lambda: aggregator.metric("good_total"), ARRIVAL_SECONDS, "them to be on the page")
    page = sound_page(stage.aggregator_url)
    ups = {dict(labels)["job"]: value for (name, labels), value in page.items() if name == "up"}
    assert ups == dict.fromkeys((*NO_EXPOSITION, "nobody"), 0.0) | {"good": 1.0, "good-too": 1.0}
    assert valued(page, "good_total", pod="web-0") == [7.0, 7.0]
    assert valued(page, "endless_total") == valued(page, "exploding") == []
    assert valued(page, "container_cpu_usage_seconds_total")
    assert collector.get("/healthz")[0] == 200


BAD_TEXT = b"""\
# TYPE twice counter
twice 1
# TYPE twice gauge
twice{late="1"} 2
odd{value="line\\nend \\"quoted\\" back\\\\slash } brace , comma=\\"1\\" # hash"} 1
odd{raw="a\nb"} 1
odd{pod="victim-0",namespace="kube-system",job="else"} 2
odd{never="closed} 3
not a sample
odd{a="1",a="2"} 4
"odd" 5
nan_gauge NaN
inf_gauge -Inf
big_gauge 1e308
# TYPE big_total counter
big_total 1e308
# TYPE bad_total counter
bad_total{is="nan"} NaN
bad_total{is="negative"} -1
bad_total{is="good"} 1
too_big 1e999
# TYPE shrinking histogram
shrinking_bucket{le="1"} 5
shrinking_bucket{le="2"} 3
shrinking_bucket{le="+Inf"} 5
shrinking_sum 5
shrinking_count 5
aggregator_series 9
# TYPE container_cpu_usage_seconds_total gauge
container_cpu_usage_seconds_total{container="else"} 1e9
\xff\xfe{\x00} 1
after_all_that 1
"""
ILL_NAMED = ["twice", "odd", "nan_gauge", "inf_gauge", "big_gauge", "big_total", "bad_total", "after_all_that"]


def test_what_can_be_read_of_a_bad_text_is_shown_and_the_rest_is_counted_line_by_line(stage, backstage):
    endpoints = backstage.enter(Endpoints({"bad": answer(BAD_TEXT), "noise": answer(NOISE), "good": GOOD}))
    _, aggregator = stage.start({"metrics": scraping(endpoints)}, {"sinks": SINKS})
    wait_until(lambda: aggregator.metric("after_all_that"), ARRIVAL_SECONDS, "the last line of the text")
    page = sound_page(stage.aggregator_url, ILL_NAMED)
    mine = {"namespace": "shop", "pod": "web-0", "job": "bad"}
    for name, values in {
        "twice_total": [1.0],
        "inf_gauge": [float("-inf")],
        "big_gauge": [1e308],
        "big_total": [1e308],
        "bad_total": [1.0],
        "too_big": [],
        "shrinking_bucket": [],
        "aggregator_series": [],
        "after_all_that": [1.0],
    }.items():
        assert valued(page, name, **mine) == values, name
    assert len(valued(page, "nan_gauge", **mine)) == 1
    odd = 'line\nend "quoted" back\\slash } brace , comma="1" # hash'
    assert valued(page, "odd", value=odd, **mine) == [1.0]
    assert valued(page, "odd", exported_job="else", **mine) == [2.0]
    assert {dict(labels).get("pod") for name, labels in page if name == "odd"} == {"web-0"}
    assert 1e9 not in valued(page, "container_cpu_usage_seconds_total")
    assert valued(page, "up", job="noise") == [0.0]
    assert valued(page, "up", job="bad") == valued(page, "up", job="good") == [1.0]
    assert valued(page, "good_total", job="good") == [7.0]
    for reason in ("malformed", "type_differs", "value", "histogram", "name"):
        assert aggregator.metric(REFUSED % reason) > 0, reason


def test_a_type_that_changes_between_scrapes_is_in_quarantine_while_another_pod_shows_the_first(stage, backstage):
    gauge, counter = (
        answer(f"# TYPE fickle {kind}\nfickle {value}\nsteady 1\n") for kind, value in (("gauge", 5), ("counter", 6))
    )
    endpoints = backstage.enter(Endpoints({"fickle": [counter], "victim": counter}))
    options = scraping(endpoints)
    fickle, victim = options["scrape"]
    collector, aggregator = stage.start({"metrics": {**options, "scrape": [fickle]}}, {"sinks": SINKS})
    pod = neighbour(stage)
    other = stage.run(pod.collector(metrics={**options, "scrape": [victim]})).wait_ready()

    def quarantined():
        return aggregator.metric("aggregator_exposition_quarantined_families")

    wait_until(lambda: aggregator.metric("fickle") == 12, ARRIVAL_SECONDS, "both pods' counters")
    endpoints.said["fickle"] = gauge
    wait_until(quarantined, ARRIVAL_SECONDS, "the quarantine")
    page = sound_page(stage.aggregator_url, ["fickle", "steady"])
    assert valued(page, "fickle_total") == valued(page, "fickle_total", pod="victim-0") == [6.0]
    assert sorted(valued(page, "steady")) == [1.0, 1.0]
    assert valued(page, "up", pod="web-0") == [1.0]
    assert aggregator.metric(REFUSED % "type_differs") > 0
    assert [one["family"] for one in aggregator.log_events() if one["event"] == "family_quarantined"] == ["fickle"]
    other.terminate()
    wait_until(lambda: not quarantined(), ARRIVAL_SECONDS, "the end of the quarantine")
    assert valued(sound_page(stage.aggregator_url, ["fickle", "steady"]), "fickle") == [5.0]
    assert collector.is_alive
