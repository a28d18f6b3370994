"""A snapshot becomes points that Datadog takes: what the pod measures under the Agent's names, what it exposes under its own."""

import msgspec
import pytest

from aggregator.core.joining import Join
from aggregator.core.vendor_names import DATADOG
from aggregator.sinks.datadog.metric_options import DatadogMetricsConfig
from tests.aggregator.sinks.batches import POD
from tests.aggregator.sinks.datadog_points import SECOND, Telling, measured, request, scraped
from tests.fakes.datadog_points import COUNT, GAUGE

CPU = "container_cpu_usage_seconds_total"
PROMETHEUS = """\
# TYPE http_requests_total counter
http_requests_total{code="200",pod_name="not-me"} %d
# TYPE queue_depth gauge
queue_depth %s
# TYPE latency_seconds histogram
latency_seconds_bucket{path="/",le="0.1"} %d
latency_seconds_bucket{path="/",le="1"} %d
latency_seconds_bucket{path="/",le="+Inf"} %d
latency_seconds_sum{path="/"} %s
latency_seconds_count{path="/"} %d
# TYPE rpc_seconds summary
rpc_seconds{quantile="0.5"} 0.25
rpc_seconds_sum %s
rpc_seconds_count %d
"""
FIRST = PROMETHEUS % (10, "7", 1, 2, 3, "4.5", 3, "1.5", 6)
SECOND_PAGE = PROMETHEUS % (15, "NaN", 1, 4, 5, "6.5", 5, "2", 8)


def test_cpu_is_a_rate_in_nanocores_over_the_time_that_its_delta_counts():
    telling = Telling()
    cpu = {"scope": "pod"}
    telling.tell(request(families=(measured(CPU, "counter", (cpu, 10.0)),)))
    telling.tell(request(second=SECOND + 30, sequence=3, families=(measured(CPU, "counter", (cpu, 25.0)),)))
    assert telling.series("kubernetes.cpu.usage.total") == [(GAUGE, 5e8, [])]


def test_a_pod_with_its_own_kernel_speaks_for_itself_and_its_containers_are_not_added():
    rows = [({"scope": "pod"}, 100.0), ({"scope": "container", "container": "web"}, 60.0)]
    telling = Telling()
    telling.tell(request(families=(measured("container_memory_usage_bytes", "gauge", *rows),)))
    assert telling.series("kubernetes.memory.usage") == [(GAUGE, 100, [])]
    assert telling.series("container.memory.usage") == [(GAUGE, 60, ["kube_container_name:web"])]


def test_labels_that_make_another_name_are_no_tags_of_it():
    rows = [({"scope": "container", "failure_type": kind}, 5.0) for kind in ("pgfault", "pgmajfault")]
    telling = Telling()
    for sequence in (1, 2):
        rows = [(labels, value + 3) for labels, value in rows]
        family = measured("container_memory_failures_total", "counter", *rows)
        telling.tell(request(second=SECOND + sequence * 15, sequence=sequence, families=(family,)))
    assert telling.series("container.memory.page_faults") == [(COUNT, 3, [])]
    assert telling.series("container.memory.major_page_faults") == [(COUNT, 3, [])]


@pytest.mark.parametrize("family", sorted(DATADOG))
def test_every_name_of_the_table_can_be_sent(family):
    kind = "counter" if any(name.kind != "gauge" for name in DATADOG[family]) else "gauge"
    telling = Telling()
    for sequence in (1, 2):
        rows = [
            ({"scope": scope, **where}, 5.0 * sequence)
            for scope in ("pod", "container", "process")
            for where in ({}, {"failure_type": "pgfault"}, {"failure_type": "pgmajfault"})
        ]
        telling.tell(
            request(second=SECOND + 15 * sequence, sequence=sequence, families=(measured(family, kind, *rows),))
        )
    assert telling.points.names() == {name.name for name in DATADOG[family]}


def test_an_endpoints_families_keep_their_names_and_get_the_suffixes_of_the_agents_check():
    telling = Telling()
    telling.tell(scraped(FIRST))
    telling.tell(scraped(SECOND_PAGE, second=SECOND + 15, sequence=2))
    points = telling.points
    assert telling.series("http_requests_total") == [
        (COUNT, 5, ["code:200", "instance:127.0.0.1:8080", "job:app"])  # `pod_name` is ours to say
    ]
    assert telling.dropped == {"not_finite": 1}
    assert [value for _, value, _ in telling.series("queue_depth")] == [7]
    assert (points.count("latency_seconds.count"), points.count("latency_seconds.sum")) == (2, 2)
    assert points.of_distribution("latency_seconds", "path:/") == pytest.approx([0.325, 0.775])
    assert points.last("rpc_seconds.quantile", "quantile:0.5") == 0.25
    assert (points.count("rpc_seconds.count"), points.count("rpc_seconds.sum")) == (2, 0.5)
    assert points.last("up") == 1


def test_buckets_may_go_as_counts_and_counters_under_the_checks_names():
    telling = Telling(histograms="buckets", counter_names="openmetrics")
    telling.tell(scraped(FIRST))
    telling.tell(scraped(SECOND_PAGE, second=SECOND + 15, sequence=2))
    points = telling.points
    assert points.count("http_requests.count") == 5
    assert "http_requests_total" not in points.names()
    assert points.count("latency_seconds.bucket", "upper_bound:1.0") == 2
    assert points.count("latency_seconds.bucket", "upper_bound:0.1") == 0
    assert points.count("latency_seconds.count") == 2
    assert points.values == {}


def test_every_series_carries_what_is_the_pods_alone_and_the_unified_service_tags():
    telling = Telling(tags=("team:shop",))
    telling.tell(scraped(FIRST))
    wanted = {
        *(f"pod_name:{POD.name}", "kube_namespace:shop", "kube_cluster_name:main", "team:shop"),
        *("env:prod", "service:storefront", "version:1.2.3", "kube_deployment:web"),
    }
    assert all(wanted <= set(one["tags"]) for one in telling.taken["series"])


def test_two_pods_with_the_same_labels_do_not_overwrite_each_other():
    one = Telling()
    other = Telling(pod=msgspec.structs.replace(POD, name="web-7d9f8c6b5-other", uid="other"))
    for telling in (one, other):
        telling.tell(scraped(FIRST))
        telling.tell(scraped(SECOND_PAGE, second=SECOND + 15, sequence=2))
    one.taken["series"] += other.taken["series"]
    assert one.points.count("http_requests_total") == 10


def test_what_is_not_wanted_does_not_go_and_its_counts_are_kept_for_when_it_is():
    telling = Telling(include=("http_*", "latency*"), exclude=("*.sum",), sources=("scrape",))
    telling.tell(scraped(FIRST))
    telling.tell(scraped(SECOND_PAGE, second=SECOND + 15, sequence=2))
    assert telling.points.names() == {"http_requests_total", "latency_seconds", "latency_seconds.count"}
    assert telling.dropped == {}
    widened = Telling()
    widened.state, widened.join = telling.state, Join.SAME_RUN
    widened.tell(scraped(SECOND_PAGE, second=SECOND + 30, sequence=3))
    assert widened.points.count("rpc_seconds.count") == 0  # not the 8 since the app began


def test_a_source_that_is_not_named_does_not_go():
    telling = Telling(sources=("dogstatsd",))
    assert telling.tell(scraped(FIRST)) == []


def test_the_same_snapshot_and_state_make_the_same_points():
    one, again = Telling(), Telling()
    first = one.tell(scraped(FIRST))
    assert again.tell(scraped(FIRST)) == first
    assert (again.state, again.dropped) == (one.state, one.dropped)


def test_two_snapshots_of_one_second_are_two_points():
    telling = Telling()
    for sequence, page in ((1, FIRST), (2, SECOND_PAGE), (3, PROMETHEUS % (16, "7", 1, 4, 5, "6.5", 5, "2", 8))):
        telling.tell(scraped(page, sequence=sequence))
    assert telling.points.count("http_requests_total") == 6


def test_a_clock_that_is_set_back_takes_the_points_with_it():
    telling = Telling()
    telling.tell(scraped(FIRST, second=SECOND + 86_400))
    telling.tell(scraped(SECOND_PAGE, sequence=2))
    assert telling.points.count("http_requests_total") == 5  # not dropped as too far ahead


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e300, float("inf"), float("nan")])
def test_an_interval_that_is_none_harms_nothing(seconds):
    telling = Telling()
    for sequence, page in ((1, FIRST), (2, SECOND_PAGE)):
        said = scraped(page, second=SECOND + sequence, sequence=sequence)
        telling.tell(msgspec.structs.replace(said, interval_seconds=seconds))
    assert telling.points.count("http_requests_total") == 5


def test_a_histogram_with_bounds_beyond_all_numbers_is_no_reason_to_stop():
    page = 'h_bucket{le="-1.7e308"} %d\nh_bucket{le="1.7e308"} %d\nh_bucket{le="+Inf"} %d\nh_count %d\n'
    telling = Telling()
    for sequence, values in ((1, (0, 0, 0, 0)), (2, (1, 3, 4, 4))):
        text = "# TYPE h histogram\n" + page % values
        telling.tell(scraped(text, second=SECOND + sequence, sequence=sequence))
    assert len(telling.points.of_distribution("h")) + telling.dropped.get("not_finite", 0) == 4


def test_a_snapshot_that_is_too_old_loses_its_gauges_and_no_count():
    telling = Telling()
    telling.tell(scraped(FIRST))
    assert telling.tell(scraped(SECOND_PAGE, second=SECOND + 15, sequence=2), too_old=True) == ()
    assert telling.dropped == {"too_old": 1 + 1 + 3}  # a gauge, a quantile, and what is said of the scrape
    telling.tell(scraped(PROMETHEUS % (16, "7", 1, 4, 5, "6.5", 5, "2", 8), second=SECOND + 30, sequence=3))
    assert telling.points.count("http_requests_total") == 6


def test_a_rate_after_a_snapshot_that_was_too_old_is_over_the_whole_time():
    telling = Telling()
    for sequence, value in enumerate((10.0, 25.0, 40.0)):
        family = measured(CPU, "counter", ({"scope": "pod"}, value))
        telling.tell(
            request(second=SECOND + 15 * sequence, sequence=sequence + 1, families=(family,)), too_old=sequence == 1
        )
    assert telling.series("kubernetes.cpu.usage.total") == [(GAUGE, 1e9, [])]


def test_a_state_that_cannot_be_read_is_none():
    telling = Telling()
    telling.tell(scraped(FIRST))
    for broken in ("x", telling.state[:10], telling.state.partition(".")[0], "AAAA.AAAA"):
        telling.state = broken
        telling.tell(scraped(SECOND_PAGE, second=SECOND + 15, sequence=2))
    assert telling.state


def test_names_are_put_right_and_what_has_none_is_counted():
    telling = Telling()
    telling.tell(scraped("# TYPE job:rate5m gauge\njob:rate5m 1\n# TYPE ___ gauge\n___ 2\n"))
    assert telling.points.last("job_rate5m") == 1
    assert telling.dropped == {"name": 1}


def test_odd_labels_stay_within_their_tags():
    telling = Telling()
    telling.tell(scraped('g{a="x\\ny",b="q\\"u,o}te",c="' + "l" * 500 + '"} 1e308\n'))
    [(_, value, tags)] = telling.series("g")
    assert (value, tags[:2]) == (1e308, ["a:x_y", "b:q_u_o_te"])
    assert max(map(len, tags)) == 200


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"max_age_seconds": 3601}, "3600"),
        ({"send": "some"}, "some"),
        ({"sources": ["nodes"]}, "nodes"),
    ],
)
def test_options_that_cannot_be_are_refused(options, match):
    with pytest.raises(msgspec.ValidationError, match=match):
        msgspec.convert(options, DatadogMetricsConfig)
