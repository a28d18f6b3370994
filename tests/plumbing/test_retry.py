import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.plumbing.retry import RetryPolicy

POLICY = RetryPolicy(base_seconds=1, max_seconds=30, longest_retry_after_seconds=600)
ANY_FLOAT = st.floats(allow_nan=True, allow_infinity=True)


def test_the_ceiling_doubles_with_each_attempt_up_to_the_maximum():
    assert [POLICY.delay_seconds(attempt, 1.0) for attempt in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_jitter_spreads_the_wait_over_all_of_the_range_below_the_ceiling():
    assert [POLICY.delay_seconds(4, jitter) for jitter in (0.0, 0.25, 0.5)] == [0, 2, 4]


def test_a_destination_is_never_asked_again_before_it_said_so():
    assert POLICY.delay_seconds(1, 0.5, retry_after_seconds=7) == 7


def test_a_long_back_off_is_not_shortened_by_a_short_retry_after():
    assert POLICY.delay_seconds(5, 0.5, retry_after_seconds=2) == 8


def test_a_retry_after_of_years_is_not_waited_out():
    assert POLICY.delay_seconds(1, 0.0, retry_after_seconds=1e9) == 600


@pytest.mark.parametrize("asked", [math.nan, -5.0, -math.inf])
def test_a_retry_after_that_means_nothing_counts_as_none(asked):
    assert POLICY.delay_seconds(1, 0.5, retry_after_seconds=asked) == 0.5


@given(st.integers(), st.floats(min_value=0, max_value=1, exclude_max=True), ANY_FLOAT)
def test_the_wait_is_always_finite_and_never_negative(attempt, jitter, asked):
    assert 0 <= POLICY.delay_seconds(attempt, jitter, asked) <= 600
