"""Totals of lines: exact over any crash, shown only once they are settled, bounded, and gone with their pods."""

import asyncio
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.exposition_lines import lines_of, text_head
from aggregator.sinks.log_metrics.sink import LogMetricsSink
from tests.aggregator.sinks.batches import ORIGIN, POD, surroundings
from tests.aggregator.sinks.to_log_metrics import (
    LATENCY,
    QUEUE,
    REQUESTS,
    Clock,
    config_of,
    lines_batch,
    send,
    shown,
    shown_of_pod,
    sink_of,
)
from towline.wire.identity import Pod

OK, GONE = b'"GET / HTTP/1.1" 200 5', b'"GET / HTTP/1.1" 410 5'


def pod(name):
    return Pod(namespace="shop", name=name, uid=name, workload="web")


async def test_counters_gauges_and_histograms_are_shown_as_prometheus_knows_them():
    sink = sink_of(REQUESTS, QUEUE, LATENCY)
    await send(sink, OK, GONE, OK, b"queue=7", b"queue=3", b'{"ms":50}', b'{"ms":2000}')
    assert shown_of_pod(sink) == {
        'nginx_requests_total{code="200"}': "2",
        'nginx_requests_total{code="410"}': "1",
        "shop_queue_length{}": "3",
        'shop_seconds_bucket{le="0.1"}': "1",
        'shop_seconds_bucket{le="1"}': "1",
        'shop_seconds_bucket{le="+Inf"}': "2",
        "shop_seconds_sum{}": "2.05",
        "shop_seconds_count{}": "2",
    }
    assert [(family.name, family.kind, family.source) for family in sink.families()] == [
        ("nginx_requests_total", "counter", "logs"),
        ("shop_queue_length", "gauge", "logs"),
        ("shop_seconds", "histogram", "logs"),
    ]


async def test_totals_grow_over_batches_and_over_restarts():
    sink = sink_of(REQUESTS, LATENCY)
    memo = await send(sink, OK, b'{"ms":50}')
    memo |= await send(sink, OK, GONE, b'{"ms":500}')
    again = sink_of(REQUESTS, LATENCY)
    await again.recall(memo)
    assert shown(again) == shown(sink)
    await send(again, OK)
    assert shown_of_pod(again)['nginx_requests_total{code="200"}'] == "3"


async def test_only_series_that_moved_are_written_down():
    sink = sink_of(REQUESTS)
    await send(sink, OK, GONE)
    assert list(await send(sink, GONE)) == [
        '["nginx_requests_total","namespace=\\"shop\\",pod=\\"web-7d9f8c6b5-x2x4z\\"","code=\\"410\\""]'
    ]
    assert await send(sink, b"no request") == {}


async def test_what_is_not_settled_is_not_shown_as_it_may_have_to_be_counted_again():
    clock = Clock()
    sink = sink_of(REQUESTS, clock=clock)
    await send(sink, OK)
    batch = lines_batch(OK)
    await sink.send(batch, sink.encode(batch))
    assert shown_of_pod(sink) == {'nginx_requests_total{code="200"}': "1"}
    sink.settled()
    assert shown_of_pod(sink) == {'nginx_requests_total{code="200"}': "2"}


async def test_encoding_again_counts_nothing():
    sink = sink_of(REQUESTS)
    for _ in range(3):
        sink.encode(lines_batch(OK))
    await send(sink, OK)
    assert shown_of_pod(sink) == {'nginx_requests_total{code="200"}': "1"}


async def test_a_batch_that_comes_again_before_it_was_settled_counts_once():
    sink = sink_of(REQUESTS, {**REQUESTS, "name": "few_total", "max_series": 1})
    await send(sink, OK)
    batch = lines_batch(GONE, OK, b'" 500 ', start=100)
    await sink.send(batch, sink.encode(batch))
    half, rest = batch.halves()
    await sink.send(half, sink.encode(half))
    await sink.send(half, sink.encode(half))
    assert len(shown(sink)) == 2
    sink.settled()
    memo = (await sink.send(rest, sink.encode(rest))).memo
    sink.settled()
    assert shown_of_pod(sink) == {
        'nginx_requests_total{code="200"}': "2",
        'nginx_requests_total{code="410"}': "1",
        'nginx_requests_total{code="500"}': "1",
        'few_total{code="200"}': "2",
        'few_total{code="other"}': "2",
    }
    assert len(memo) == 4


async def test_a_family_that_has_not_changed_is_the_same_object():
    clock = Clock()
    sink = sink_of(REQUESTS, QUEUE, clock=clock)
    await send(sink, OK, b"queue=1")
    before = sink.families()
    await send(sink, OK)
    after = sink.families()
    assert [one is other for one, other in zip(before, after, strict=True)] == [False, True]


async def test_labels_beyond_a_pods_room_are_counted_as_other_and_nothing_is_lost():
    sink = sink_of({**REQUESTS, "max_series": 2})
    lines = [b'" %d ' % code for code in range(200, 210)]
    memo = await send(sink, *lines)
    await send(sink, *lines, pod=pod("web-2"))
    first = {name: value for name, value in shown_of_pod(sink).items() if "web-2" not in name}
    assert first == {
        'nginx_requests_total{code="200"}': "1",
        'nginx_requests_total{code="201"}': "1",
        'nginx_requests_total{code="other"}': "8",
    }
    assert len(shown(sink)) == 6
    again = sink_of({**REQUESTS, "max_series": 2})
    await again.recall(memo)
    await send(again, b'" 299 ')
    assert shown_of_pod(again)['nginx_requests_total{code="other"}'] == "9"


async def test_series_beyond_the_room_of_all_are_refused_and_counted():
    sink = sink_of(REQUESTS, max_series=1)
    await send(sink, OK, OK, GONE, GONE, GONE)
    assert shown_of_pod(sink) == {
        'nginx_requests_total{code="200"}': "2",
        'towline_log_metrics_refused_lines_total{reason="max_series",sink="counts"}': "3",
    }


async def test_a_line_of_no_use_is_counted_by_reason_and_delivered():
    sink = sink_of(QUEUE, {"name": "sum_total", "type": "counter", "match": r"queue=(?P<n>\S+)", "value": "n"})
    await send(sink, b"queue=many", b"queue=-1", b"queue=5", b"queue=1e308", b"queue=1e308")
    await send(sink, b"queue=1e308")
    assert shown_of_pod(sink) == {
        "shop_queue_length{}": "1e+308",
        "sum_total{}": "1e+308",
        'towline_log_metrics_refused_lines_total{reason="total_too_large",sink="counts"}': "2",
        'towline_log_metrics_refused_lines_total{reason="value_negative",sink="counts"}': "1",
        'towline_log_metrics_refused_lines_total{reason="value_no_number",sink="counts"}': "2",
    }


async def test_a_pods_series_end_once_its_lines_have_not_come_for_long():
    clock = Clock()
    sink = sink_of(REQUESTS, clock=clock, expire_seconds=100)
    memo = await send(sink, OK)
    clock.now += 60
    memo |= await send(sink, OK, pod=pod("web-2"))
    memo |= await send(sink, b"any line keeps it")
    clock.now += 60
    memo |= await send(sink, b"of another", pod=pod("web-3"))
    assert len(shown(sink)) == 2
    clock.now += 45
    assert shown(sink) == {}
    memo |= await send(sink, b"of another", pod=pod("web-3"))
    assert set(memo.values()) == {""}
    await send(sink, OK)
    assert shown_of_pod(sink) == {'nginx_requests_total{code="200"}': "1"}


async def test_time_in_which_nothing_ran_ends_no_series():
    clock = Clock()
    memo = await send(sink_of(REQUESTS, clock=clock, expire_seconds=100), OK)
    clock.now += 1000
    again = sink_of(REQUESTS, clock=clock, expire_seconds=100)
    await again.recall(memo)
    assert len(shown(again)) == 1


async def test_a_rule_that_became_another_begins_anew_and_what_is_left_of_it_is_forgotten():
    memo = await send(sink_of(REQUESTS, QUEUE), OK, b"queue=7")
    changed = {**REQUESTS, "labels": {"status": "code"}}
    sink = sink_of(changed)
    await sink.recall({**memo, "not ours": "7", '["a","b","c"]': "{}"})
    assert shown(sink) == {}
    after = await send(sink, OK)
    assert sorted(value for value in after.values() if not value) == [""] * 4
    assert shown_of_pod(sink) == {'nginx_requests_total{status="200"}': "1"}


async def test_a_rule_under_the_same_key_survives_its_own_change():
    plain = {"name": "x_total", "type": "counter"}
    memo = await send(sink_of(plain), b"a", b"b")
    weighed = {"name": "x_total", "type": "counter", "per": "pod", "match": "(?P<v>[0-9])", "value": "v"}
    sink = sink_of({**weighed, "labels": {"v": "v"}})
    await sink.recall(memo)
    after = memo | await send(sink, b"5")
    again = sink_of({**weighed, "labels": {"v": "v"}})
    await again.recall(after)
    assert shown_of_pod(again) == {'x_total{v="5"}': "5"}


async def test_series_of_workloads_and_of_all_add_their_pods_up():
    sink = sink_of(
        {"name": "w_total", "type": "counter", "per": "workload"}, {"name": "a_total", "type": "counter", "per": "all"}
    )
    for name in ("web-1", "web-2", "web-3"):
        await send(sink, b"line", pod=pod(name))
    assert shown(sink) == {'w_total{namespace="shop",workload="web"}': "3", "a_total{}": "3"}


async def test_the_families_are_lines_that_a_page_can_hold():
    sink = sink_of({**REQUESTS, "help": "Requests,\nby code."})
    await send(sink, OK)
    (family,) = sink.families()
    assert text_head(family.name, family.kind, family.help) == (
        b"# HELP nginx_requests_total Requests,\\nby code.\n# TYPE nginx_requests_total counter\n"
    )
    assert lines_of("", family.rows) == [
        'nginx_requests_total{namespace="shop",pod="web-7d9f8c6b5-x2x4z",code="200"} 1\n'
    ]


async def test_every_stream_is_of_one_lane_and_there_is_nobody_to_be_asked():
    sink = LogMetricsSink.build(config_of(REQUESTS), surroundings())
    assert {(sink.lane(one, ORIGIN), sink.key(one, ORIGIN)) for one in (POD, pod("b"))} == {("all", "")}
    await sink.healthcheck()
    await sink.close()


EVENTS = st.sampled_from(["settled", "killed before the send", "killed before settling", "killed after settling"])


@given(
    st.lists(st.sampled_from([200, 404, 500]), max_size=40),
    st.lists(st.tuples(st.integers(1, 10), EVENTS), max_size=20),
)
def test_after_any_crashes_every_line_is_counted_once_and_nothing_that_was_shown_is_taken_back(codes, events):
    rule = {**REQUESTS, "max_series": 2, "value": "code"}
    lines = [b'" %d ' % code for code in codes]

    async def live():
        memo, place, history = {}, 0, []
        sink = sink_of(rule)
        for count, event in [*events, (len(lines), "settled")]:
            part = lines[place : place + count]
            batch = lines_batch(*part, start=place)
            payload = sink.encode(batch)
            if event != "killed before the send":
                receipt = await sink.send(batch, sink.encode(batch))
                assert sink.encode(batch) == payload
                history.append(shown(sink))
                if event != "killed before settling":
                    memo, place = {**memo, **receipt.memo}, place + len(part)
            if event == "settled":
                sink.settled()
            else:
                sink = sink_of(rule)
                await sink.recall({key: value for key, value in memo.items() if value})
            history.append(shown(sink))
        return history

    history = asyncio.run(live())
    assert sum(float(value) for value in history[-1].values()) == sum(codes)
    for before, after in pairwise(history):
        assert all(float(value) <= float(after[name]) for name, value in before.items())
