"""Totals of lines on the page: beside the pods' families, each as it is at the scrape, and only once it is settled."""

import time

from prometheus_client import CollectorRegistry

from aggregator.sinks.prometheus import PrometheusConfig, PrometheusSink
from tests.aggregator.forwarding import Stock, deliver_all
from tests.aggregator.sinks.to_log_metrics import IDENTITY, QUEUE, REQUESTS, lines_batch, send, sink_of
from tests.fakes.memory_journal import MemoryJournal
from towline.wire.identity import Pod
from towline.wire.snapshot import Family, Sample, SnapshotRequest

OK = b'" 200 '
SERIES = f'nginx_requests_total{{{IDENTITY},code="200"}}'


def page_with(*sinks):
    page = PrometheusSink(PrometheusConfig())
    page.include(lambda: [family for sink in sinks for family in sink.families()])
    return page


def lines_of(page, accept=""):
    text = b"".join(page.page(accept, "", time.monotonic(), CollectorRegistry()).chunks).decode()
    return [line for line in text.splitlines() if "exposition" not in line]


async def test_a_page_has_them_with_their_type_and_help_in_both_formats():
    sink = sink_of(REQUESTS)
    page = page_with(sink)
    assert lines_of(page) == []
    await send(sink, OK)
    await send(sink, OK)
    head = "# HELP nginx_requests_total Log lines that matched."
    assert lines_of(page) == [head, "# TYPE nginx_requests_total counter", f"{SERIES} 2"]
    openmetrics = lines_of(page, "application/openmetrics-text; version=1.0.0")
    assert openmetrics[:1] + openmetrics[-2:] == ["# TYPE nginx_requests counter", f"{SERIES} 2", "# EOF"]


async def test_what_ended_leaves_the_page_and_what_stays_the_same_is_rendered_once():
    sink = sink_of(REQUESTS, QUEUE, expire_seconds=100)
    page = page_with(sink)
    await send(sink, OK, b"queue=1")
    first = lines_of(page)
    assert lines_of(page) == first
    sink._clock.now += 100
    assert lines_of(page) == []


def take(page, kind):
    family = Family(name="nginx_requests_total", type=kind, help="The app's.", samples=(Sample({}, 7.0),))
    request = SnapshotRequest(
        journal="", pod=b"", run="r", sequence=1, taken_unix_ns=1, interval_seconds=15, families=(family,)
    )
    page.take(Pod(namespace="shop", name="web-1", uid="1"), request, time.monotonic())


async def test_a_pods_own_family_of_the_same_name_and_type_stands_under_the_same_head():
    sink = sink_of(REQUESTS)
    page = page_with(sink)
    await send(sink, OK)
    lines_of(page)
    take(page, "counter")
    shown = [line for line in lines_of(page) if "nginx" in line and "# HELP" not in line]
    assert shown == [
        "# TYPE nginx_requests_total counter",
        f"{SERIES} 1",
        'nginx_requests_total{namespace="shop",pod="web-1"} 7',
    ]


async def test_a_name_that_a_pod_has_under_another_type_is_the_pods():
    sink = sink_of(REQUESTS)
    page = page_with(sink)
    take(page, "gauge")
    await send(sink, OK)
    text = b"".join(page.page("", "", time.monotonic(), CollectorRegistry()).chunks).decode()
    assert f"{SERIES} 1" not in text
    assert "aggregator_exposition_quarantined_families 1\n" in text


async def test_the_same_totals_of_two_sinks_stand_under_one_head():
    first, second = sink_of(QUEUE), sink_of(QUEUE)
    await send(first, b"queue=many")
    await send(second, b"queue=many")
    shown = lines_of(page_with(first, second))
    assert sum(line.startswith("# TYPE") for line in shown) == 1
    assert sum(line.startswith("towline_log_metrics_refused_lines_total{") for line in shown) == 2


async def test_a_total_is_shown_once_the_journal_has_it_and_not_before():
    class Watched(MemoryJournal):
        shown = None

        async def settle(self, *settled):
            self.shown = list(sink.families())
            await super().settle(*settled)

    sink = sink_of(REQUESTS)
    stock = Stock({"counts": sink}, Watched())
    await stock.add(OK + b"\n")
    await deliver_all(stock)
    assert stock.journal.shown == []
    assert [row.value for family in sink.families() for row in family.rows] == ["1"]


async def test_what_was_sent_and_not_settled_does_not_count_when_another_batch_comes():
    sink = sink_of(REQUESTS)
    batch = lines_batch(OK)
    await sink.send(batch, sink.encode(batch))
    await send(sink, OK, start=100)
    assert [row.value for family in sink.families() for row in family.rows] == ["1"]
