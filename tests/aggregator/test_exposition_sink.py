import gzip
import shutil
import subprocess

import msgspec
import pytest
import structlog
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from aggregator.sink import Spec
from aggregator.sinks.prometheus import PrometheusConfig, PrometheusSink
from towline.wire.identity import Pod
from towline.wire.snapshot import Family, Sample, SnapshotRequest

CART, SHIP = (Pod(namespace="shop", name=name, uid=f"u-{name}") for name in ("cart", "ship"))
PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)


def snapshot(*families, sequence=1):
    return SnapshotRequest(
        journal="j",
        pod=msgspec.Raw(b"\xc0"),
        run="r",
        sequence=sequence,
        taken_unix_ns=1,
        interval_seconds=15,
        families=families,
    )


def orders(kind="counter"):
    return Family(name="orders_total", type=kind, help="Orders.", samples=(Sample({}, 3),))


@pytest.fixture
def own():
    registry = CollectorRegistry()
    Counter("aggregator_requests", "Requests.", registry=registry).inc()
    return registry


@pytest.fixture
def sink():
    made = PrometheusSink(PrometheusConfig(), wall_unix_ns=lambda: 1_800_000_000_000_000_000)
    made.take(CART, snapshot(orders()), now=0)
    return made


def whole(page):
    return b"".join(page.chunks).decode()


def test_the_registry_builds_it_from_no_options_at_all():
    spec = Spec(PrometheusConfig, PrometheusSink.build)
    assert isinstance(spec.build(msgspec.convert({}, spec.config), None), PrometheusSink)


def test_who_asks_for_nothing_gets_the_text_format(sink, own):
    page = sink.page("", "", 0, own)
    assert (page.content_type, page.encoding) == ("text/plain; version=0.0.4; charset=utf-8", "")
    names = [family.name for family in parse_text(whole(page))]
    assert {"aggregator_requests", "orders", "towline_pod_last_snapshot_timestamp_seconds"} <= set(names)
    assert len(set(names)) == len(names)


def test_prometheus_gets_openmetrics_that_ends_once(sink, own):
    page = sink.page(PROMETHEUS_2, "", 0, own)
    assert page.content_type.startswith("application/openmetrics-text; version=1.0.0")
    text = whole(page)
    assert (text.count("# EOF"), text.endswith("# EOF\n")) == (1, True)
    assert {"aggregator_requests", "orders"} <= {family.name for family in parse_openmetrics(text)}


def test_gzip_is_the_same_page(sink, own):
    plain, packed = sink.page("", "", 0, own), sink.page("", "br, gzip;q=0.5", 0, own)
    chunks = list(packed.chunks)
    assert packed.encoding == "gzip"
    assert all(chunks)
    assert gzip.decompress(b"".join(chunks)).decode() == whole(plain)


def test_a_page_without_any_pod_is_still_a_page(own):
    text = whole(PrometheusSink(PrometheusConfig()).page("", "", 0, own))
    assert "aggregator_exposition_pods 0" in text


@pytest.mark.parametrize("accept", ["", PROMETHEUS_2])
def test_without_pods_the_page_says_the_same_of_itself_and_nothing_of_them(sink, own, accept):
    sink.take(SHIP, snapshot(orders("gauge")), now=0)
    whole_page, alone = whole(sink.page(accept, "", 0, own)), whole(sink.page(accept, "", 0, own, pods=False))
    assert [line for line in whole_page.splitlines() if "aggregator_" in line or "EOF" in line] == alone.splitlines()
    assert {
        "aggregator_exposition_pods 2",
        'aggregator_exposition_refused_series_total{reason="type_differs"} 1',
    } <= set(alone.splitlines())


def test_a_silent_pod_is_gone_at_the_next_scrape(sink, own):
    assert "orders_total" in whole(sink.page("", "", 59, own))
    assert "orders_total" not in whole(sink.page("", "", 60, own))


def test_a_family_in_quarantine_is_said_once(sink):
    with structlog.testing.capture_logs() as logs:
        for sequence in (1, 2):
            sink.take(SHIP, snapshot(orders("gauge"), sequence=sequence), now=0)
    assert [(log["event"], log["family"], log["pod"]) for log in logs] == [
        ("family_quarantined", "orders_total", "ship")
    ]


@pytest.mark.needs("promtool")
def test_promtool_finds_nothing_to_say_of_what_the_collector_samples(own):
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed")
    from collector.sources.samplers.pod_metrics import PodMetrics

    sink = PrometheusSink(PrometheusConfig())
    for pod in (CART, SHIP):
        sink.take(pod, snapshot(*PodMetrics(["/"], own_kernel=True, container="towline").sample(1)), now=0)
    page = whole(sink.page("", "", 0, own))
    done = subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
