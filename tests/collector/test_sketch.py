"""Distributions in buckets: what is read back, and what bounds them."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.core.sketch import MAX_WIDTH, Budget, Sketch
from towline.wire.snapshot import SKETCH_GAMMA, Distribution

PLENTY = 1 << 20
USUAL = st.one_of(st.floats(1e-6, 1e6), st.floats(-1e6, -1e-6), st.just(0.0))


def sketch_of(values, weight=1.0, buckets=PLENTY):
    sketch, budget = Sketch(), Budget(buckets)
    for value in values:
        assert sketch.add(value, weight, budget)
    return sketch


def read(sketch):
    """As whoever gets it reads it."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(sketch.read({"a": "b"})), type=Distribution)


def middle_of(index):
    """The value that a bucket's values are taken for: as far from its lower bound as from its upper one."""
    return 2 * SKETCH_GAMMA**index / (1 + SKETCH_GAMMA)


@given(st.floats(1e-9, 1e9))
def test_a_value_read_back_is_at_most_one_percent_off(value):
    (index,) = read(sketch_of([value])).positive
    assert middle_of(index) == pytest.approx(value, rel=0.0100001)
    assert SKETCH_GAMMA ** (index - 1) * (1 - 1e-9) < value <= SKETCH_GAMMA**index * (1 + 1e-9)


@given(st.lists(USUAL, max_size=50))
def test_count_sum_and_sign_are_exact(values):
    said = read(sketch_of(values))
    assert said.count == len(values)
    assert said.sum == pytest.approx(math.fsum(values), abs=1e-6)
    assert said.zeros == values.count(0.0)
    assert sum(said.positive.values()) == sum(value > 0 for value in values)
    assert sum(said.negative.values()) == sum(value < 0 for value in values)


@given(st.lists(USUAL, max_size=50), st.randoms())
def test_the_order_of_values_changes_nothing(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    one, other = read(sketch_of(values)), read(sketch_of(shuffled))
    assert (one.positive, one.negative, one.zeros) == (other.positive, other.negative, other.zeros)


@given(st.lists(USUAL, max_size=30), st.lists(USUAL, max_size=30))
def test_of_two_readings_the_later_only_adds(before, after):
    sketch, budget = Sketch(), Budget(PLENTY)
    for value in before:
        sketch.add(value, 1.0, budget)
    first = read(sketch)
    for value in after:
        sketch.add(value, 1.0, budget)
    then = read(sketch)
    assert all(then.positive[index] >= count for index, count in first.positive.items())
    assert all(then.negative[index] >= count for index, count in first.negative.items())


def test_a_sampled_value_counts_for_several():
    said = read(sketch_of([10.0], weight=2.5))
    assert (said.count, said.sum, list(said.positive.values())) == (2.5, 25.0, [2.5])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_changes_nothing(value):
    sketch = sketch_of([1.0])
    assert not sketch.add(value, 1.0, Budget(PLENTY))
    assert read(sketch) == read(sketch_of([1.0]))


def test_a_sum_that_would_overflow_changes_nothing():
    sketch = sketch_of([1e308])
    assert not sketch.add(1e308, 1.0, Budget(PLENTY))
    assert (sketch.count, sketch.sum) == (1.0, 1e308)


def test_the_least_and_the_greatest_numbers_have_buckets():
    for value in (5e-324, 1.7e308):
        assert sum(read(sketch_of([value])).positive.values()) == 1
        assert sum(read(sketch_of([-value])).negative.values()) == 1


def test_values_too_far_apart_are_counted_in_the_nearest_bucket():
    sketch = sketch_of([1.0, 1e300, 1e-300, 2.0])
    said = read(sketch)
    assert (said.count, sum(said.positive.values()), sketch.coarse) == (4, 4, 2)
    assert max(said.positive) - min(said.positive) < MAX_WIDTH
    assert len(sketch.positive.counts) <= MAX_WIDTH


def test_without_room_values_are_still_counted():
    sketch = sketch_of([1.0, 5.0, 0.2], buckets=0)
    assert read(sketch).positive == {0: 3}
    assert (sketch.sum, sketch.coarse) == (6.2, 2)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), max_size=60), st.integers(0, 200))
def test_no_values_take_more_than_the_budget(values, most):
    sketch, budget = Sketch(), Budget(most)
    for value in values:
        sketch.add(value, 1.0, budget)
    held = len(sketch.positive.counts) + len(sketch.negative.counts)
    assert held - 2 <= most - budget.left <= most
    assert sum(read(sketch).positive.values()) + sum(read(sketch).negative.values()) + sketch.zeros == sketch.count
