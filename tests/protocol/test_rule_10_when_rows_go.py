"""Rule 10: how long a row is kept, through the public Journal."""

import pytest

from tests.aggregator.journal.world import Clock, done, frame, open_journal, submission, take_all

HOUR, DAY = 3600.0, 86_400.0


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def journal(tmp_path, clock):
    journal = open_journal(tmp_path, clock)
    yield journal
    await journal.close()


async def streams(journal):
    return [row.stream for row in (await journal.marks("uid-1")).rows]


async def test_rule_10_a_row_goes_an_hour_after_it_was_said_to_be_gone_and_owes_nothing(journal, clock):
    await journal.append(submission(frame("s1", 0, 64), frame("s1", 64, 64, gone=True)))
    clock.now += 2 * HOUR
    await journal.sweep()
    assert await streams(journal) == ["s1"]
    await journal.settle(done(await take_all(journal)))
    clock.now += HOUR + 1
    await journal.sweep()
    assert await streams(journal) == []


async def test_rule_10_a_goodbye_lets_rows_go_and_any_later_request_cancels_it(journal, clock):
    await journal.append(submission(frame("s1"), debts=(), goodbye=True))
    await journal.append(submission())
    clock.now += 2 * HOUR
    await journal.sweep()
    assert await streams(journal) == ["s1"]
    await journal.append(submission(goodbye=True))
    clock.now += 2 * HOUR
    await journal.sweep()
    assert await streams(journal) == []


async def test_rule_10_of_a_pod_that_was_not_heard_for_7_days_nothing_stays(journal, clock):
    await journal.append(submission(frame("s1"), debts=()))
    clock.now += 7 * DAY - 1
    await journal.sweep()
    assert await streams(journal) == ["s1"]
    clock.now += 2
    await journal.sweep()
    assert await streams(journal) == []
