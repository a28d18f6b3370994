"""What a pod's app counts becomes metrics of a namespace of its own, as far as it is chosen."""

import json

import pytest

from tests.aggregator.exposing import distribution, family, scrape, sketch
from tests.aggregator.sinks.emf import BEGINS, NEW_RUN, NOW_MS, SAME, UNKNOWN, Pod, counter, gauge, measured
from towline.wire.snapshot import Stamped

GIB = 1 << 30
CLUSTER, NAMESPACE, WORKLOAD = ("ClusterName", "main"), ("Namespace", "shop"), ("PodName", "web")


def test_app_series_go_only_where_they_are_chosen_into_a_namespace_of_their_own():
    pod = Pod(include=("http_*",), namespace="Shop")
    pod.say(counter("http_requests_total", 5, {"code": "200"}), counter("jobs_total", 5), moment=UNKNOWN)
    said = pod.say(counter("http_requests_total", 12, {"code": "200"}), counter("jobs_total", 9))
    assert said == {"http_requests_total": 7}
    (datum,) = pod.metrics
    assert (datum.namespace, datum.unit) == ("Shop", "Count")
    assert datum.dimensions == {CLUSTER, NAMESPACE, WORKLOAD, ("code", "200")}


def test_one_label_set_is_one_event():
    pod = Pod(include=("*",))
    said = pod.say(gauge("a", 1), gauge("b", 2), gauge("c", 3, {"x": "1"}), moment=UNKNOWN)
    assert said == {"c": 3}
    assert [sorted(name for name in json.loads(one) if name in "abc") for one in pod.messages] == [["a", "b"], ["c"]]


def test_labels_can_be_left_out_of_the_dimensions_or_named():
    pod = Pod(include=("*",), app_dimensions=(("Namespace",), ("Namespace", "code"), ("Namespace", "nowhere")))
    pod.say(gauge("a", 1, {"code": "200", "path": "/"}), moment=UNKNOWN)
    assert pod.dimensions("a") == {frozenset({NAMESPACE}), frozenset({NAMESPACE, ("code", "200")})}
    assert json.loads(pod.messages[0])["path"] == "/"


def test_a_series_with_more_labels_than_dimensions_can_be_is_dropped_and_counted():
    pod = Pod(include=("*",))
    wide = gauge("wide", 1, {f"l{number}": "x" for number in range(28)})
    assert pod.say(wide, gauge("a", 1), moment=UNKNOWN) == {"a": 1}
    assert pod.dropped == {"dimensions": 1}


def test_an_app_cannot_say_who_it_is():
    pod = Pod(include=("*",))
    pod.say(gauge("a", 1, {"Namespace": "other", "ClusterName": "other", "_aws": "x", "b": "x"}), moment=UNKNOWN)
    assert pod.dimensions("a") == {frozenset({CLUSTER, NAMESPACE, WORKLOAD, ("b", "x")})}


def test_a_metric_named_as_a_label_is_dropped_and_counted():
    pod = Pod(include=("*",))
    assert pod.say(gauge("a", 1, {"a": "x"}), gauge("b", 1, {"a": "x"}), moment=UNKNOWN) == {"b": 1}
    assert pod.dropped == {"name_taken": 1}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("nan", "not_finite"),
        ("inf", "not_finite"),
        ("-inf", "not_finite"),
        ("1e308", "out_of_range"),
        ("-3e108", "out_of_range"),
    ],
)
def test_values_that_cloudwatch_does_not_take_are_dropped_and_harm_no_other(value, reason):
    pod = Pod(include=("*",))
    assert pod.say(gauge("odd", float(value)), gauge("temp", 21.5), moment=UNKNOWN) == {"temp": 21.5}
    assert pod.dropped == {reason: 1}


def test_texts_that_cloudwatch_does_not_take_are_made_so():
    pod = Pod(include=("*",))
    pod.say(gauge("temp", 1, {"place": "Köln\n", "long": "x" * 2000, "blank": "  "}), moment=UNKNOWN)
    (dimensions,) = pod.dimensions("temp")
    said = dict(dimensions)
    assert (said["place"], len(said["long"]), "blank" in said) == ("K_ln_", 1024, False)


def test_a_sketch_becomes_values_with_counts_and_its_own_sum():
    pod = Pod(include=("*",))
    pod.say(distribution("latency", sketch(count=1.0, sum=0.1, positive={-116: 1.0}), flavour="timing"), moment=BEGINS)
    said = pod.say(
        distribution("latency", sketch(count=4.0, sum=6.6, positive={-116: 2.0, 40: 1.0, 80: 1.0}), flavour="timing")
    )
    assert said == {"latency": 6.5}
    (datum,) = pod.metrics
    assert (datum.count, datum.unit) == (3, "Milliseconds")
    assert [count for _, count in datum.values] == [1, 1, 1]
    assert [value for value, _ in datum.values] == pytest.approx([0.1, 2.2, 4.85], rel=0.02)


def test_a_classic_histogram_becomes_values_with_counts():
    text = (
        '# TYPE t histogram\nt_bucket{le="1"} %d\nt_bucket{le="3"} %d\nt_bucket{le="+Inf"} %d\nt_sum %d\nt_count %d\n'
    )
    pod = Pod(include=("t",))
    pod.say(scrapes=(scrape(text % (1, 1, 1, 1, 1)),), moment=UNKNOWN)
    pod.say(scrapes=(scrape(text % (3, 7, 8, 30, 8)),))
    (datum,) = pod.metrics
    assert (datum.values, datum.count, datum.total) == (((0.5, 2), (2, 4), (3, 1)), 7, 29)


def test_a_summary_becomes_its_quantiles_and_two_counts():
    text = '# TYPE s summary\ns{quantile="0.5"} %g\ns{quantile="0.9"} NaN\ns_sum %d\ns_count %d\n'
    pod = Pod(include=("s*",))
    pod.say(scrapes=(scrape(text % (1, 1, 1)),), moment=UNKNOWN)
    pod.say(scrapes=(scrape(text % (2.5, 11, 3)),))
    assert {datum.name: datum.total for datum in pod.metrics if datum.name[:2] in {"s", "s_"}} == {
        "s": 2.5,
        "s_sum": 10,
        "s_count": 2,
    }
    ((*_, quantile),) = (sorted(one) for one in pod.dimensions("s"))
    assert quantile == ("quantile", "0.5")


def test_dogstatsd_names_keep_their_dots_and_stamped_values_their_time():
    pod = Pod(include=("shop.*",))
    stamped = (
        Stamped("shop.late", "gauge", {"a": "", "b": "1"}, 4.0, NOW_MS // 1000 - 60),
        Stamped("x", "gauge", {}, 1, 1),
    )
    said = pod.say(gauge("shop.carts", 3, source="dogstatsd"), moment=UNKNOWN, stamped=stamped)
    assert said == {"shop.late": 4}
    assert {(datum.name, datum.time_ms) for datum in pod.metrics} == {
        ("shop.carts", NOW_MS + 15_000),
        ("shop.late", NOW_MS - 60_000),
    }


def test_another_choice_makes_no_counts_of_what_was_there_before():
    pod = Pod(include=("a_total",))
    pod.say(counter("a_total", 5), counter("b_total", 5_000), moment=UNKNOWN)
    pod.choose(include=("*_total",))
    assert pod.say(counter("a_total", 7), counter("b_total", 5_001)) == {"a_total": 2}
    assert pod.say(counter("a_total", 7), counter("b_total", 5_002)) == {"a_total": 0, "b_total": 1}


def test_another_choice_makes_counts_of_what_began_with_a_new_run():
    pod = Pod(include=("a_total",))
    pod.say(counter("a_total", 5), moment=UNKNOWN)
    pod.choose(include=("*",))
    said = pod.say(counter("a_total", 7), counter("b", 3, source="dogstatsd", from_zero=True), moment=NEW_RUN)
    assert said == {"a_total": 2, "b": 3}


def test_what_is_too_old_is_counted_and_its_counts_go_with_the_next():
    pod = Pod(include=("*",))
    pod.say(counter("a_total", 5), moment=UNKNOWN)
    assert pod.say(counter("a_total", 7), gauge("g", 1), moment=SAME._replace(too_old=True)) == {}
    assert pod.dropped == {"too_old": 1}
    assert pod.say(counter("a_total", 10), gauge("g", 1)) == {"a_total": 5, "g": 1}


@pytest.mark.parametrize("state", ["", "x", "a:1:zzz", "a:9999999999999999999999:", "rubbish \udcff"])
def test_a_state_that_cannot_be_read_makes_no_counts(state):
    pod = Pod(include=("*",))
    pod.state = state
    assert pod.say(counter("a_total", 5_000)) == {}
    assert pod.say(counter("a_total", 5_001)) == {"a_total": 1}


def test_a_label_whose_name_is_too_long_is_no_dimension():
    pod = Pod(include=("*",), app_dimensions=(("Namespace", "*"), ("Namespace",)))
    pod.say(gauge("a", 1, {"x" * 251: "1"}), moment=UNKNOWN)
    assert pod.dimensions("a") == {frozenset({NAMESPACE})}


def test_a_label_explosion_is_capped_and_what_fits_later_did_not_begin_then():
    pod = Pod(include=("app*",), max_series_per_pod=3)
    many = family("app_total", *[({"id": str(number)}, 100 + number) for number in range(10)], kind="counter")
    pod.say(many, gauge("app_late", 1), *measured(cpu=1, received=0, memory=GIB), moment=UNKNOWN)
    assert pod.dropped == {"series_cap": 8}
    pod.say(many, gauge("app_late", 1))
    assert [dict(datum.dimensions)["id"] for datum in pod.metrics] == ["0", "1", "2"]
    pod.say(family("app_total", *[({"id": str(number)}, 101 + number) for number in (8, 9)], kind="counter"))
    assert [(dict(datum.dimensions)["id"], datum.total) for datum in pod.metrics] == [("8", 1), ("9", 1)]
    assert pod.dropped == {}


def test_a_histogram_is_never_cut_through():
    text = "# TYPE app histogram\n" + "".join(
        f'app_bucket{{a="{a}",le="1"}} {n}\napp_bucket{{a="{a}",le="+Inf"}} {n}\napp_sum{{a="{a}"}} {n}\napp_count{{a="{a}"}} {n}\n'
        for a, n in (("1", 5), ("2", 6))
    )
    pod = Pod(include=("app",), max_series_per_pod=6)
    pod.say(scrapes=(scrape(text.replace(" 5", " 1").replace(" 6", " 1")),), moment=UNKNOWN)
    pod.say(scrapes=(scrape(text),))
    assert [(datum.count, datum.total) for datum in pod.metrics] == [(4, 4)]
    assert pod.dropped == {"series_cap": 4}


def test_sketches_are_capped_by_their_number():
    pod = Pod(include=("app",), max_series_per_pod=1)
    pod.say(
        distribution("app", *[sketch({"a": a}, count=1.0, sum=1.0, positive={0: 1.0}) for a in "12"]), moment=BEGINS
    )
    assert [datum.count for datum in pod.metrics] == [1]
    assert pod.dropped == {"series_cap": 1}
