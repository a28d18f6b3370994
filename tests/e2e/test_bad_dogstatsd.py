"""Datagrams that make no sense, numbers that are none, tags without end: all the way to the page each has its stated outcome, and the lines beside it count."""

import contextlib
import math
import socket

import pytest

from tests.e2e.hostile import sound_page, valued
from tests.e2e.procs import free_port, wait_until
from tests.e2e.test_bad_metrics import ARRIVAL_SECONDS, REFUSED, SINKS

pytestmark = [pytest.mark.e2e, pytest.mark.needs("promtool")]

STATSD_REFUSED = 'collector_dogstatsd_refused_total{reason="%s"}'
EXPLOSION = 100_000
MAX_SERIES = 20_000  # more than the page shows of a pod

# What is sent, and for which reason it is refused: each between two good lines of its own datagram.
MALFORMED = {
    b"no colon": "form",
    b":1|c": "form",
    b"name:|c": "form",
    b"name:1": "form",
    b"\xff\xfe\x00|\x01": "form",
    b"name:1|": "type",
    b"name:1|kv": "type",
    b"name:one|c": "value",
    b"name:1:two:3|h": "value",
    b"name:nan|g": "not_finite",
    b"name:inf|c": "not_finite",
    b"name:-inf|h": "not_finite",
    b"name:1e309|d": "not_finite",
    b"name:1e308|c|@0.1": "not_finite",
    b"name:1|c|@0": "rate",
    b"name:1|c|@2": "rate",
    b"name:1|c|@much": "rate",
    b"name:1|c|Tnow": "timestamp",
    b"name:1|c|T99999999999999999999": "timestamp",
    b"n" * 201 + b":1|c": "too_long",
    b"name:1|c|#" + b"t" * 4096: "too_long",
    b"_e{5,4}:title": "event",
    b"_e{x,y}:title|text": "event",
    b"_e{99999999999999,1}:t|t": "event",
    b"_sc|up|9": "check",
    b"_sc|": "check",
    b"between:1|g": "type_changed",
}


@pytest.fixture
def statsd(stage):
    """Both services, DogStatsD on: (a connected sender, collector, aggregator)."""
    port = free_port(socket.SOCK_DGRAM)
    metrics = {"interval_seconds": 1, "dogstatsd": {"listen": f"127.0.0.1:{port}", "max_series": MAX_SERIES}}
    collector, aggregator = stage.start({"metrics": metrics}, {"sinks": SINKS})
    with contextlib.closing(socket.socket(type=socket.SOCK_DGRAM)) as sender:
        sender.connect(("127.0.0.1", port))
        yield sender, collector, aggregator


def taken(collector, packets):
    """Wait until so many datagrams are read or were dropped by the kernel, which is counted too."""

    def seen():
        return sum(collector.metric(f"collector_dogstatsd_{what}_total") for what in ("packets", "kernel_drops"))

    wait_until(lambda: seen() >= packets, ARRIVAL_SECONDS, f"{packets} datagrams")


def test_every_malformed_line_is_counted_by_its_reason_and_its_neighbours_count(stage, statsd):
    sender, collector, aggregator = statsd
    sender.send(b"between:1|c")
    for line in MALFORMED:
        sender.send(b"between:1|c\n" + line + b"\nbetween:1|c")
    count = 2 * len(MALFORMED) + 1
    wait_until(lambda: aggregator.metric("between_total") == count, ARRIVAL_SECONDS, "the lines between")
    page = collector.get("/metrics")[1]
    reasons = list(MALFORMED.values())
    said = {reason: collector.metric(STATSD_REFUSED % reason) for reason in set(reasons)}
    assert said == {reason: reasons.count(reason) for reason in set(reasons)}, page
    assert not valued(sound_page(stage.aggregator_url), "name_total")


ODD = """\
odd.tags:1|g|#a:line\\nend,b:"quoted",c:back\\slash,d:},e:pod="x",pod:victim,namespace:kube-system,__name__:x,0:digit,ü:umlaut,:empty,flag
odd-name/with spaces:2|g
big:1e308|g
big.sum:1e308|c
big.sum:1e308|c
big.spread:1e308|h
big.spread:-1e308|h
small:1e-308|d
same.name:1|g
same_name:1|c
same_name:1|g
up:1|d
aggregator_lies:1|g
container_cpu_usage_seconds_total:1e9|c
after.all.that:1|g"""


def test_odd_names_tags_and_numbers_break_out_of_no_line_and_hide_no_series_of_the_pods_own(stage, statsd):
    sender, collector, aggregator = statsd
    sender.send(ODD.encode())
    wait_until(lambda: aggregator.metric("after_all_that"), ARRIVAL_SECONDS, "the last line")
    page = sound_page(
        stage.aggregator_url, ["odd_name_with_spaces", "odd_tags", "container_cpu_usage_seconds_total", "same_name"]
    )
    (odd,) = (dict(labels) for name, labels in page if name == "odd_tags")
    assert odd == {
        "namespace": "shop",
        "pod": "web-0",
        "a": "line\\nend",
        "b": '"quoted"',
        "c": "back\\slash",
        "d": "}",
        "e": 'pod="x"',
        "_0": "digit",
        "_name__": "x",
        "flag": "true",
        "_": "umlaut",
    }
    assert valued(page, "odd_name_with_spaces") == [2.0]
    assert valued(page, "big") == valued(page, "big_sum_total") == [1e308]
    assert (valued(page, "big_spread_count"), valued(page, "big_spread_sum")) == ([2.0], [0.0])
    own, said = sorted(valued(page, "container_cpu_usage_seconds_total"))
    assert own < said == 1e9  # a series beside the pod's own, which stays
    assert all(math.isfinite(value) for value in valued(page, "container_memory_working_set_bytes"))
    assert not any(name.startswith("aggregator_lies") for name, _ in page)
    assert collector.metric(STATSD_REFUSED % "not_finite") == 1
    assert aggregator.metric(REFUSED % "name") > 0


def test_a_hundred_thousand_tag_values_are_capped_and_what_was_there_and_the_pods_own_go_on(stage, statsd):
    sender, collector, aggregator = statsd
    sender.send(b"steady:1|c\nlevel:1|g")
    for first in range(0, EXPLOSION, 1000):
        sender.send(b"\n".join(b"exploding:1|c|#id:%d" % number for number in range(first, first + 1000)))
        taken(collector, first // 1000 + 2)
    sender.send(b"steady:1|c\nlevel:7|g")
    wait_until(lambda: aggregator.metric("steady_total") == 2, ARRIVAL_SECONDS, "the steady counter")
    page = sound_page(stage.aggregator_url)
    held = collector.metric("collector_dogstatsd_series")
    assert MAX_SERIES / 2 < held < MAX_SERIES
    assert collector.metric(STATSD_REFUSED % "memory_limit") == EXPLOSION + 2 - held
    assert valued(page, "container_cpu_usage_seconds_total")
    assert valued(page, "level") == [7.0]
    own = sum(dict(labels).get("pod") == "web-0" for _, labels in page)
    assert own <= 10_001  # and towline_pod_last_snapshot_timestamp_seconds
    assert aggregator.metric(REFUSED % "series_cap") > 0


def test_a_snapshot_that_is_too_large_still_says_what_the_pod_measured(stage):
    port = free_port(socket.SOCK_DGRAM)
    metrics = {"interval_seconds": 1, "dogstatsd": {"listen": f"127.0.0.1:{port}"}}
    http = {"max_body_bytes": 100_000}
    collector, _ = stage.start({"metrics": metrics}, {"sinks": SINKS, "http": http})
    with contextlib.closing(socket.socket(type=socket.SOCK_DGRAM)) as sender:
        for first in range(0, 5000, 100):
            lines = (b"exploding:1|c|#id:%d,more:%b" % (number, b"x" * 200) for number in range(first, first + 100))
            sender.sendto(b"\n".join(lines), ("127.0.0.1", port))
    dropped = 'collector_snapshot_dropped_total{kind="series"}'
    wait_until(lambda: collector.metric(dropped) >= 5000, ARRIVAL_SECONDS, "what is left out")
    sent = collector.metric("collector_snapshots_sent_total")
    wait_until(lambda: collector.metric("collector_snapshots_sent_total") >= sent + 2, ARRIVAL_SECONDS, "two more")
    page = sound_page(stage.aggregator_url)
    assert valued(page, "container_cpu_usage_seconds_total")
    assert collector.metric("collector_snapshots_given_up_total") == 0
