import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.core.pace import HEARTBEAT_SECONDS, POLL_MOST_SECONDS, Pace


def pace(**changes):
    return Pace(**({"flush_seconds": 0.3, "scan_seconds": 1.0} | changes))


def test_the_first_line_after_quiet_goes_at_once():
    quiet = pace()
    quiet.answered(0.0, next_ms=0, moved=True)
    assert quiet.may_send_at() < 10.0


def test_after_a_request_the_next_one_waits_for_the_flush_interval():
    busy = pace()
    busy.answered(10.0, next_ms=0, moved=True)
    assert busy.may_send_at() == 10.3


def test_next_ms_stretches_the_interval():
    busy = pace()
    busy.answered(10.0, next_ms=2000, moved=True)
    assert busy.may_send_at() == 12.0


def test_a_backlog_does_not_wait_for_the_flush_interval_but_for_next_ms():
    backlog = pace(more=True)
    backlog.answered(10.0, next_ms=0, moved=True)
    assert backlog.may_send_at() == 10.0
    backlog.answered(10.0, next_ms=100, moved=True)
    assert backlog.may_send_at() == 10.1


def test_after_a_failure_nothing_goes_before_its_time():
    failed = pace(more=True)
    failed.failed(10.0, 7.0)
    assert (failed.may_send_at(), failed.must_ask_at(waiting=True)) == (17.0, 17.0)


def test_an_answer_ends_the_waiting():
    failed = pace()
    failed.failed(10.0, 3600.0)
    failed.answered(11.0, next_ms=0, moved=True)
    assert failed.may_send_at() == 11.3


def test_files_are_looked_at_on_the_scan_interval_whatever_the_aggregator_does():
    away = pace(scanned_at=10.0)
    away.failed(10.0, 3600.0)
    assert away.next_look_at(changed=False, waiting=True) == 11.0


def test_a_change_is_looked_at_when_it_may_be_sent():
    busy = pace(scanned_at=10.0)
    busy.answered(10.0, next_ms=0, moved=True)
    assert busy.next_look_at(changed=True, waiting=False) == 10.3


@pytest.mark.parametrize("waiting", [True, False])
def test_a_collector_never_sleeps_longer_than_a_scan(waiting):
    quiet = pace(scanned_at=10.0)
    quiet.answered(10.0, next_ms=5000, moved=False)
    assert quiet.next_look_at(changed=False, waiting=waiting) <= 11.0


@given(st.lists(st.tuples(st.booleans(), st.integers(-5, 100_000), st.floats(0, 100)), max_size=30))
def test_whatever_happens_the_next_question_is_at_most_a_minute_or_the_back_off_away(happened):
    one, now = pace(), 0.0
    for answered, next_ms, seconds in happened:
        now += 1.0
        if answered:
            one.answered(now, next_ms=next_ms, moved=seconds > 50)
        else:
            one.failed(now, seconds)
        assert one.must_ask_at(waiting=False) <= now + max(HEARTBEAT_SECONDS, seconds)
        assert one.must_ask_at(waiting=True) <= now + max(POLL_MOST_SECONDS, seconds)
        assert one.may_send_at() <= now + max(POLL_MOST_SECONDS, seconds)
