"""Sketches and histograms as values: their number, sum and place, whatever they are."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.spreads import since
from aggregator.sinks.datadog.metric_values import Drawn, drawn_of, drawn_of_buckets, summary_of, thinned
from collector.core.sketch import Budget, Sketch
from towline.wire.snapshot import Distribution

VALUES = st.lists(
    st.one_of(st.floats(1e-6, 1e9), st.floats(-1e9, -1e-6), st.just(0.0)).map(float), min_size=1, max_size=60
)


def sketch_of(values, weight=1.0):
    sketch = Sketch()
    for value in values:
        sketch.add(value, weight, Budget(1 << 20))
    return msgspec.msgpack.decode(msgspec.msgpack.encode(sketch.read({})), type=Distribution)  # as it arrives


def expanded(drawn):
    return sorted(value for value, times in drawn for _ in range(times))


@given(VALUES)
def test_each_value_comes_back_within_two_percent(values):
    now = sketch_of(values)
    assert expanded(drawn_of(now, now)) == pytest.approx(sorted(values), rel=0.0202, abs=1e-300)


@given(VALUES.map(lambda values: list(map(abs, values))))
def test_the_sum_of_values_of_one_sign_is_exact(values):
    now = sketch_of(values)
    assert math.fsum(expanded(drawn_of(now, now))) == pytest.approx(math.fsum(values), rel=1e-9)


@given(st.lists(VALUES, min_size=1, max_size=5), st.sampled_from([1.0, 1 / 0.3, 1 / 0.7, 1 / 0.01]))
def test_what_comes_in_parts_is_as_many_as_what_comes_at_once(parts, weight):
    told, last, all_values = 0, Distribution({}, 0.0, 0.0), []
    for part in parts:
        all_values += part
        now = sketch_of(all_values, weight)
        told += len(expanded(drawn_of(since(last, now), now)))
        last = now
    at_once = sketch_of(all_values, weight)
    assert told == len(expanded(drawn_of(at_once, at_once)))


@given(VALUES)
def test_the_agents_five_numbers_lie_where_the_values_do(values):
    summary = summary_of(sketch_of(values))
    ordered = sorted(values)
    assert summary.observed == len(values)
    assert summary.avg == pytest.approx(math.fsum(values) / len(values), rel=1e-9, abs=1e-6)
    assert summary.most == pytest.approx(ordered[-1], rel=0.0202)
    assert summary.median == pytest.approx(ordered[math.ceil(0.5 * len(values)) - 1], rel=0.0202)
    assert summary.p95 == pytest.approx(ordered[math.ceil(0.95 * len(values) - 1e-9) - 1], rel=0.0202)


@given(
    st.lists(st.tuples(st.floats(-100, 1e6), st.integers(0, 50)), unique_by=lambda pair: pair[0], max_size=8),
    st.integers(0, 20),
)
def test_a_histograms_values_lie_within_their_buckets(buckets, beyond):
    reached, told = 0, []
    for bound, count in sorted(buckets):
        reached += count
        told.append((bound, float(reached)))
    told.append((math.inf, float(reached + beyond)))
    values = expanded(drawn_of_buckets(told))
    assert len(values) == reached + beyond
    for bound, below in told[:-1]:
        assert sum(value <= bound for value in values) >= below


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 10_000)), max_size=20), st.integers(1, 500))
def test_thinning_leaves_exactly_as_many_as_it_may(pairs, most):
    drawn = [Drawn(*pair) for pair in sorted(pairs)]
    total = sum(one.times for one in drawn)
    kept, left_out = thinned(drawn, most)
    assert (sum(one.times for one in kept), left_out) == (min(total, most), max(total - most, 0))


def test_nothing_counted_is_no_summary():
    assert summary_of(Distribution({}, 0.0, 0.0)) is None
