"""Whatever a pod says, CloudWatch can read every log event that is made of it, and nothing is counted twice or left out unseen."""

import json
import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.sinks.cloudwatch.emf import Frame, Point, ValueSet, dimension_value, events_of, metric_name
from aggregator.sinks.cloudwatch.value_sets import set_of_buckets, set_of_sketch
from tests.aggregator.sinks.emf import NOW_MS
from tests.fakes.cloudwatch_emf import read
from towline.wire.snapshot import SKETCH_GAMMA, Distribution

FRAME = Frame(NOW_MS, "Towline", [["a", "b"], ["a"]], {"a": "1", "b": "2"})


def read_all(events):
    return [datum for event in events for datum in read(event.message.decode(), NOW_MS)]


names = st.text(max_size=300).map(metric_name).filter(bool)
numbers = st.floats() | st.sampled_from([2.0**360, -(2.0**361), 1e-320, 0.0, 1e15, 123456789.0])


@given(st.lists(st.tuples(names, numbers), max_size=230))
def test_every_point_is_told_once_or_counted(pairs):
    dropped = Counter()
    events = list(events_of(FRAME, [Point(name, "None", value) for name, value in pairs], {}, dropped))
    data = read_all(events)
    told = {datum.name: datum.total for datum in data if len(datum.dimensions) == 2}
    assert len(told) + dropped.total() == len(pairs)
    assert sum(event.points for event in events) == len(told) == len(data) / 2
    assert dropped.keys() <= {"not_finite", "out_of_range", "name_taken"}
    assert all(told[name] in [value for other, value in pairs if other == name] for name in told)


def test_a_hundred_metrics_fill_an_event_and_one_more_begins_the_next():
    for count, sizes in ((100, [100]), (101, [100, 1]), (0, [])):
        points = [Point(f"m{number}", "None", 1.0) for number in range(count)]
        assert [event.points for event in events_of(FRAME, points, {}, Counter())] == sizes


def test_many_distributions_are_spread_over_events_far_below_the_limit():
    values = ValueSet([1e300 ** (1 / 3) * (1 + number / 7) for number in range(100)], [1 / 3] * 100)
    points = [Point("x" * 200 + str(number), "None", values) for number in range(100)]
    events = list(events_of(FRAME, points, {}, Counter()))
    assert max(len(event.message) for event in events) < 200_000
    assert len(read_all(events)) == 200


def test_fields_beside_the_metrics_are_in_the_first_event_only():
    points = [Point(f"m{number}", "None", 1.0) for number in range(101)]
    first, second = (
        json.loads(one.message) for one in events_of(FRAME, points, {"x": 2.5, "a": 9, "y": math.nan}, Counter())
    )
    assert (first["x"], first["a"], "y" in first, "x" in second) == (2.5, "1", False, False)


sketches = st.builds(
    lambda positive, negative, zeros: (positive, negative, zeros),
    st.dictionaries(st.integers(-400, 400), st.floats(0.01, 1e6), max_size=300),
    st.dictionaries(st.integers(-400, 400), st.floats(0.01, 1e6), max_size=30),
    st.sampled_from([0.0, 1.0, 2.5]),
)


@given(sketches)
def test_a_sketch_keeps_its_count_and_its_sum_in_at_most_a_hundred_values(said):
    positive, negative, zeros = said
    count = math.fsum([*positive.values(), *negative.values(), zeros])
    total = math.fsum(
        [SKETCH_GAMMA**index * times for index, times in positive.items()]
        + [-(SKETCH_GAMMA**index) * times for index, times in negative.items()]
    )
    values = set_of_sketch(Distribution({}, count, total, zeros, positive, negative))
    if not count:
        assert values is None
        return
    (event,) = events_of(FRAME._replace(dimensions=[[]]), [Point("m", "None", values)], {}, Counter())
    (datum,) = read(event.message.decode(), NOW_MS)
    assert datum.count == pytest.approx(count)
    assert datum.total == pytest.approx(total, rel=1e-12, abs=1e-300)


def test_few_values_are_each_true_to_one_percent():
    indexes = {math.ceil(math.log(value) / math.log(SKETCH_GAMMA)): value for value in (0.003, 0.25, 7.0, 1800.0)}
    values = set_of_sketch(Distribution({}, 4.0, 1.0, 0.0, dict.fromkeys(indexes, 1.0)))
    assert values.values == pytest.approx(sorted(indexes.values()), rel=0.0101)


def test_a_sketch_beyond_what_floats_hold_is_dropped_as_not_finite():
    dropped = Counter()
    values = set_of_sketch(Distribution({}, 1.0, 1.0, 0.0, {10**6: 1.0}))
    assert list(events_of(FRAME, [Point("m", "None", values)], {}, dropped)) == []
    assert dropped == {"not_finite": 1}


def test_a_histogram_of_one_bucket_is_its_mean():
    assert set_of_buckets([(math.inf, 4.0)], 10.0) == ValueSet([2.5], [4.0], 10.0)
    assert set_of_buckets([(math.inf, 0.0)], 0.0) is None


def test_a_histogram_without_a_sum_has_that_of_its_middles():
    (event,) = events_of(
        FRAME, [Point("m", "None", set_of_buckets([(-1.0, 1.0), (1.0, 3.0), (math.inf, 3.0)], None))], {}, Counter()
    )
    datum, _ = read(event.message.decode(), NOW_MS)
    assert (datum.values, datum.total) == (((-1.0, 1.0), (0.0, 2.0)), -1.0)


@given(st.text(max_size=2000))
def test_names_and_values_are_what_cloudwatch_takes(text):
    for made, longest in ((metric_name(text), 255), (dimension_value(text), 1024)):
        assert made.isascii()
        assert made.isprintable()
        assert len(made) <= longest
        assert not made.startswith(":")
        assert made == made.strip()
