"""Rule 1, one life at a time: which life of a pod's collector may write (docs/design/wire.md)."""

import pytest
from structlog.testing import capture_logs

from aggregator.lives import SILENT_SECONDS, Lives
from tests.fakes.pod import Clock

POD = "uid-1"


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def lives(clock):
    """Life a was followed by life b."""
    made = Lives(clock)
    made.take_over(POD, "a")
    made.take_over(POD, "b")
    return made


def writers(lives):
    return [run for run in "abc" if lives.may_write(POD, run)]


def test_rule_1_a_life_that_nobody_has_seen_takes_over_at_once(lives):
    assert writers(lives) == ["b"]
    assert lives.take_over(POD, "c")
    assert writers(lives) == ["c"]


def test_rule_1_where_nobody_asked_for_rows_the_first_to_write_counts(clock):
    assert writers(Lives(clock)) == ["a"]


def test_rule_1_who_asks_again_for_what_it_has_takes_nothing_over(lives):
    assert not lives.take_over(POD, "b")
    assert writers(lives) == ["b"]


def test_rule_1_a_life_that_was_followed_stays_out_while_the_next_is_heard(lives, clock):
    for _ in range(10):
        clock.now += SILENT_SECONDS - 1
        assert not lives.take_over(POD, "a")
        assert writers(lives) == ["b"]


def test_rule_1_a_life_that_was_followed_comes_back_once_the_next_is_silent(lives, clock):
    clock.now += SILENT_SECONDS
    assert not lives.may_write(POD, "a")  # bytes of before are never taken: it has to ask for the rows
    assert lives.take_over(POD, "a")
    assert writers(lives) == ["a"]


def test_rule_1_a_goodbye_lets_who_was_followed_back_in(lives):
    lives.leave(POD, "a")  # it has no say any more
    assert not lives.take_over(POD, "a")
    lives.leave(POD, "b")
    assert lives.take_over(POD, "a")
    assert writers(lives) == ["a"]


def test_rule_1_who_is_kept_out_is_said_once(lives):
    with capture_logs() as events:
        for _ in range(5):
            lives.take_over(POD, "a")
    assert [event["event"] for event in events] == ["collector_kept_out"]


def test_rule_1_pods_have_nothing_to_do_with_each_other(lives):
    assert lives.may_write("another", "a")
    assert writers(lives) == ["b"]
