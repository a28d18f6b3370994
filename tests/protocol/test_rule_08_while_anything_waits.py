"""Rule 8: a quiet pod learns of delivery too."""

from collector.core.pace import HEARTBEAT_SECONDS, Pace
from tests.fakes.aggregator import Believed, listening
from tests.fakes.pod import collecting


def asks(pace, now, count, *, waiting, moved=False):
    """The moments of the next `count` empty requests."""
    moments = []
    for _ in range(count):
        now = pace.must_ask_at(waiting=waiting)
        moments.append(now)
        pace.answered(now, next_ms=0, moved=moved)
    return moments


def pace():
    pace = Pace(flush_seconds=0.3, scan_seconds=1.0)
    pace.answered(0.0, next_ms=0, moved=True)
    return pace


def test_rule_8_while_anything_waits_the_journal_is_asked_after_half_a_second_doubling_to_5():
    assert asks(pace(), 0.0, 6, waiting=True) == [0.5, 1.5, 3.5, 7.5, 12.5, 17.5]


def test_rule_8_while_something_moves_it_is_asked_every_half_second():
    assert asks(pace(), 0.0, 3, waiting=True, moved=True) == [0.5, 1.0, 1.5]


def test_rule_8_next_ms_stretches_it_but_never_beyond_5_seconds():
    stretched = pace()
    stretched.answered(0.0, next_ms=3000, moved=True)
    assert stretched.must_ask_at(waiting=True) == 3.0
    stretched.answered(0.0, next_ms=60_000, moved=True)
    assert stretched.must_ask_at(waiting=True) == 5.0


def test_rule_8_it_is_asked_once_a_minute_in_any_case():
    assert pace().must_ask_at(waiting=False) == HEARTBEAT_SECONDS == 60.0


async def test_rule_8_a_pod_that_writes_nothing_more_learns_that_its_last_line_was_delivered(tmp_path):
    aggregator = Believed()
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        pod.write("x.log", b"the last line\n")
        await pod.turn(3)
        assert pod.custody.waiting_bytes == 14
        aggregator.journal.deliver_all()
        await pod.turn(3)
        assert pod.custody.waiting_bytes == 0
        assert aggregator.blocks()[-1].frames == ()
        quiet = len(aggregator.requests)
        await pod.turn(20)
        assert len(aggregator.requests) == quiet
