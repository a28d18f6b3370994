"""What an app counts with DogStatsD arrives at Datadog as from the Agent."""

import pytest

from tests.aggregator.sinks.datadog_points import SECOND, Telling, request, said
from tests.fakes.datadog_points import COUNT, GAUGE, RATE
from towline.wire.snapshot import SKETCH_GAMMA, Distribution, Event, ServiceCheck, Stamped


def bucket_of(value):
    index = 0
    while SKETCH_GAMMA**index < value:
        index += 1
    while SKETCH_GAMMA ** (index - 1) >= value:
        index -= 1
    return index


def sketch(values, labels=None, weight=1):
    positive = {}
    for value in values:
        positive[bucket_of(value)] = positive.get(bucket_of(value), 0) + weight
    return Distribution(labels or {}, float(len(values) * weight), float(sum(values)) * weight, 0.0, positive)


def spread(name, flavour, *sketches):
    return said(name, "histogram", flavour=flavour, distributions=sketches)


def test_a_counter_is_what_was_counted_under_its_own_name():
    telling = Telling()
    for sequence, value in enumerate((4, 9)):
        family = said("page.views", "counter", ({"route": "/a,/b", "flag": ""}, value))
        telling.tell(request(second=SECOND + 15 * sequence, sequence=sequence + 1, families=(family,)))
    tags = ["flag", "route:/a", "route:/b"]
    assert telling.series("page.views") == [(COUNT, 4, tags), (COUNT, 5, tags)]
    assert {one["interval"] for one in telling.taken["series"]} == {15}


def test_a_counter_may_go_per_second_as_from_the_agent():
    telling = Telling(statsd_counts="rate")
    telling.tell(request(families=(said("page.views", "counter", ({}, 30)),)))
    assert telling.series("page.views") == [(RATE, 2, [])]
    assert telling.points.count("page.views") == 30


def test_a_gauge_and_a_set_are_gauges():
    telling = Telling()
    telling.tell(request(families=(said("pool.size", "gauge", ({}, 2.5)), said("users.online", "gauge", ({}, 7)))))
    assert telling.series("pool.size") == [(GAUGE, 2.5, [])]
    assert telling.series("users.online") == [(GAUGE, 7, [])]


@pytest.mark.parametrize("flavour", ["histogram", "timing"])
def test_a_histogram_is_the_agents_five_numbers(flavour):
    telling = Telling()
    values = [float(value) for value in range(1, 101)]
    telling.tell(request(families=(spread("req.ms", flavour, sketch(values, {"a": "b"})),)))
    points = telling.points
    assert points.count("req.ms.count", "a:b") == 100
    assert points.last("req.ms.avg") == pytest.approx(50.5)
    assert points.last("req.ms.median") == pytest.approx(50, rel=0.02)
    assert points.last("req.ms.95percentile") == pytest.approx(95, rel=0.02)
    assert points.last("req.ms.max") == pytest.approx(100, rel=0.02)
    assert points.names() == {f"req.ms.{word}" for word in ("count", "avg", "median", "95percentile", "max")}


def test_an_interval_without_a_value_says_nothing_of_a_histogram():
    telling = Telling()
    family = spread("req.ms", "timing", sketch([1.0]))
    telling.tell(request(families=(family,)))
    assert telling.tell(request(second=SECOND + 15, sequence=2, families=(family,))) == []


def test_a_distribution_is_its_values_and_their_number_and_sum_are_exact():
    telling = Telling()
    telling.tell(request(families=(spread("size", "distribution", sketch([3.0, 3.0, 50.0], {"k": "v"})),)))
    more = sketch([3.0, 3.0, 50.0, 4.0, 1000.0], {"k": "v"})
    telling.tell(request(second=SECOND + 15, sequence=2, families=(spread("size", "distribution", more),)))
    values = telling.points.of_distribution("size", "k:v")
    assert values == pytest.approx([3, 3, 50, 4, 1000], rel=0.02)
    assert sum(values) == pytest.approx(1060, rel=1e-9)
    assert telling.points.series == {}


def test_a_single_value_is_exact():
    telling = Telling()
    telling.tell(request(families=(spread("size", "distribution", sketch([7.77])),)))
    assert telling.points.of_distribution("size") == [pytest.approx(7.77)]


def test_of_more_values_than_may_be_sent_the_rest_is_counted():
    telling = Telling()
    telling.tell(request(families=(spread("size", "distribution", sketch([1.5], weight=150_000)),)))
    assert (len(telling.points.of_distribution("size")), telling.dropped) == (100_000, {"thinned": 50_000})
    assert len(telling.taken["distributions"]) == 10


def test_a_pod_that_makes_numbers_up_gets_no_more_room_than_others():
    claims = [Distribution({"n": str(n)}, 1e15, 1e15, 0.0, {0: 5e14, 10**9: 5e14}) for n in range(15)]
    telling = Telling(judged=False)
    telling.tell(request(families=(spread("size", "distribution", *claims),)))
    assert len(telling.points.of_distribution("size")) == 1_000_000
    assert telling.dropped["thinned"] == 15 * 10**15 - 1_000_000


def test_sampled_values_are_not_lost_by_rounding():
    telling = Telling()
    for number in range(1, 31):
        family = spread("size", "distribution", sketch([5.0] * number, weight=1 / 0.3))
        telling.tell(request(second=SECOND + 15 * number, sequence=number, families=(family,)))
    assert len(telling.points.of_distribution("size")) == 100


def test_an_idle_counter_is_0_for_as_long_as_the_agent_says_so_and_then_no_more():
    telling = Telling()
    family = said("jobs", "counter", ({}, 3))
    for number in range(40):
        telling.tell(request(second=SECOND + 15 * number, sequence=number + 1, families=(family,)))
    assert [value for _, value, _ in telling.series("jobs")] == [3] + [0] * 20
    telling.tell(request(second=SECOND + 1000, sequence=41, families=(said("jobs", "counter", ({}, 5)),)))
    assert telling.points.count("jobs") == 5


def test_what_is_taken_back_in_the_second_of_the_snapshot_is_no_point_of_its_own():
    telling = Telling()
    counted = said("stock", "counter", ({"a.b": "c"}, 10))
    telling.tell(request(families=(counted,), stamped=(Stamped("stock", "counter", {"a.b": "c"}, -4, SECOND),)))
    assert [(kind, value) for kind, value, _ in telling.series("stock")] == [(COUNT, 6)]


def test_values_with_times_of_their_own_keep_them():
    telling = Telling()
    stamped = (
        Stamped("a.gauge", "gauge", {"x": "y"}, 1.5, SECOND - 100),
        Stamped("a.count", "counter", {}, 2, SECOND - 100),
        Stamped("a.count", "counter", {}, 3, SECOND - 100),
        Stamped("a.count", "counter", {}, 3, SECOND - 7200),
        Stamped("a.gauge", "gauge", {}, 3, SECOND + 7200),
    )
    telling.tell(request(stamped=stamped))
    assert telling.series("a.gauge") == [(GAUGE, 1.5, ["x:y"])]
    assert telling.series("a.count") == [(COUNT, 5, [])]
    assert {one["points"][0]["timestamp"] for one in telling.taken["series"]} == {SECOND - 100}
    assert telling.dropped == {"too_old": 1, "too_new": 1}


def test_events_and_checks_arrive_with_the_pods_tags():
    telling = Telling()
    event = Event(
        title="deployed",
        text="x" * 5000,
        unix_seconds=SECOND - 5,
        aggregation_key="k" * 200,
        priority="low",
        alert_type="success",
        source_type="ci",
        tags=("a:b", "pod_name:not-me"),
    )
    checks = (
        ServiceCheck(name="db.up", status=2, unix_seconds=SECOND, message="down \ud800", tags=("db:main",)),
        ServiceCheck(name="cache.up", status=0, unix_seconds=SECOND, hostname="h"),
    )
    telling.tell(request(events=(event, event), checks=checks))
    first, second = telling.taken["events"]
    assert first == second
    assert (len(first["text"]), len(first["aggregation_key"])) == (4000, 100)
    assert (first["title"], first["priority"], first["alert_type"], first["source_type_name"]) == (
        *("deployed", "low", "success", "ci"),
    )
    assert {"a:b", "pod_name:web-7d9f8c6b5-x2x4z"} <= set(first["tags"])
    assert "pod_name:not-me" not in first["tags"]
    db, cache = telling.taken["checks"]
    assert (db["check"], db["status"], db["host_name"], db["message"]) == ("db.up", 2, "", "down ?")
    assert (cache["host_name"], "db:main" in db["tags"]) == ("h", True)


def test_an_old_event_is_counted():
    telling = Telling()
    telling.tell(request(events=(Event(title="t", text="x", unix_seconds=SECOND - 19 * 3600),)))
    assert (telling.taken["events"], telling.dropped) == ([], {"too_old": 1})


def test_what_was_counted_while_snapshots_were_too_old_is_part_of_the_next_point():
    telling = Telling()
    for number, (count, values) in enumerate([(1, [2.0]), (5, [2.0, 3.0]), (7, [2.0, 3.0, 4.0])]):
        families = (said("n", "counter", ({}, count)), spread("d", "distribution", sketch(values)))
        telling.tell(request(second=SECOND + 15 * number, sequence=number + 1, families=families), too_old=number == 1)
    assert telling.points.count("n") == 7
    assert telling.points.of_distribution("d") == pytest.approx([2, 3, 4], rel=0.02)
