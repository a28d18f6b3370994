"""After a restart there is no page until those who were there have pushed again, or an interval is over: half a page would read as an end."""

import gzip
import time

import pytest
import structlog
from prometheus_client import CollectorRegistry

from aggregator.sinks.prometheus import PrometheusConfig, PrometheusSink
from tests.aggregator.exposing import CART, SHIP, family, snapshot
from tests.aggregator.serving import serving


def restarted(warmup_seconds=15.0, known=("u-cart", "u-ship")):
    sink = PrometheusSink(PrometheusConfig(warmup_seconds=warmup_seconds))
    sink.expect(known, now=100.0)
    return sink


def test_there_is_no_page_until_every_pod_that_was_there_has_pushed():
    sink = restarted()
    sink.take(CART, snapshot(family("a", ({}, 1))), now=101)
    assert sink.wait_seconds(105) == 10
    sink.take(SHIP, snapshot(family("a", ({}, 1))), now=105)
    assert sink.wait_seconds(105) == 0


def test_a_goodbye_counts_as_a_push():
    sink = restarted(known=("u-cart",))
    sink.take(CART, snapshot(goodbye=True), now=101)
    assert sink.wait_seconds(101) == 0


def test_who_does_not_come_back_is_waited_for_no_longer_than_the_warmup():
    sink = restarted()
    assert sink.wait_seconds(114.9) == pytest.approx(0.1)
    with structlog.testing.capture_logs() as logs:
        assert (sink.wait_seconds(115), sink.wait_seconds(116)) == (0, 0)
    assert [(log["event"], log["pods_missing"]) for log in logs] == [("page_shown_incomplete", 2)]


@pytest.mark.parametrize("options", [{"known": ()}, {"warmup_seconds": 0.0}])
def test_a_journal_that_knew_no_pod_and_a_warmup_of_nothing_are_not_waited_for(options):
    assert restarted(**options).wait_seconds(100) == 0


def test_nobody_who_was_not_told_of_waits():
    assert PrometheusSink(PrometheusConfig()).wait_seconds(0) == 0


def test_pods_may_push_while_a_page_is_taken_chunk_by_chunk():
    sink = PrometheusSink(PrometheusConfig())
    for pod in (CART, SHIP):
        sink.take(pod, snapshot(family("a", ({}, 1)), family("b", ({}, 1))), now=0)
    chunks = sink.page("", "gzip", 0, CollectorRegistry()).chunks
    packed = [next(chunks)]
    sink.take(CART, snapshot(sequence=2, goodbye=True), now=1)
    text = gzip.decompress(b"".join([*packed, *chunks])).decode()
    assert 'b{namespace="shop",pod="ship"} 1' in text


async def test_a_scraper_is_told_when_to_come_back_and_our_own_metrics_are_there_all_the_while(tmp_path):
    sink = PrometheusSink(PrometheusConfig(warmup_seconds=60))
    async with serving(tmp_path, page=sink) as place:
        sink.expect(["u-cart"], time.monotonic())
        answer = await place.caller.call("GET", "/metrics")
        own = await place.caller.call("GET", "/metrics?pods=0")
        sink.take(CART, snapshot(family("a", ({}, 1))), now=time.monotonic())
        after = await place.caller.call("GET", "/metrics")
    assert (answer.status, 0 < int(answer.headers["Retry-After"]) <= 60) == (503, True)
    assert own.status == 200
    assert b"aggregator_journal_used_bytes" in own.body
    assert b"aggregator_exposition_pods 0\n" in own.body
    assert (after.status, b'a{namespace="shop",pod="cart"} 1' in after.body) == (200, True)
