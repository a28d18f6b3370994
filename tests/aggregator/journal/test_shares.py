import pytest

from aggregator.journal import DeadLetter, JournalFullError, Share
from tests.aggregator.journal.world import MAIN, OTHER, done, frame, pod, submission, take_all

HOLD = {"main": Share("main", 5000, "hold"), "other": Share("other", 1 << 20, "hold")}
SHED = {"main": Share("main", 5000, "shed"), "other": Share("other", 1 << 20, "hold")}


def block(number, stream="s1", size=1024):
    return frame(stream, number * size, (number + 1) * size, packed=False)


async def test_rule_11_a_sink_that_holds_closes_the_intake_at_its_share_and_is_named(opened):
    journal = await opened(shares=HOLD)
    await journal.append(submission(*(block(number) for number in range(5))))
    with pytest.raises(JournalFullError, match="sink main has used its share") as caught:
        await journal.append(submission(block(5)))
    assert (caught.value.sink, caught.value.retry_after_seconds > 0, journal.status().closed_by) == (
        "main",
        True,
        "main",
    )
    assert (journal.status().sinks["main"].full, journal.counters.refused_submissions) == (True, 1)
    assert (await journal.marks("uid-1")).rows[0].mark == 5 * 1024


async def test_rule_11_a_sink_at_its_share_does_not_delay_what_others_are_owed(opened):
    journal = await opened(shares=HOLD)
    await journal.append(submission(*(block(number) for number in range(5))))
    appended = await journal.append(submission(block(0, "s2"), debts=(OTHER,)))
    assert appended.frames[0].code == 200


async def test_a_full_journal_still_answers_for_what_it_holds_already(opened):
    journal = await opened(shares=HOLD)
    await journal.append(submission(*(block(number) for number in range(5))))
    appended = await journal.append(submission(block(4), frame("s9", 0, 99, reason="given_up")))
    assert [answer.code for answer in appended.frames] == [200, 200]


async def test_the_intake_opens_again_once_the_sink_has_settled(opened):
    journal = await opened(shares=HOLD)
    await journal.append(submission(*(block(number) for number in range(5))))
    with pytest.raises(JournalFullError):
        await journal.append(submission(block(5)))
    await journal.settle(done((await take_all(journal))[:1]))
    assert journal.status().closed_by is None
    assert (await journal.append(submission(block(5)))).frames[0].code == 200


async def test_a_refused_submission_leaves_nothing_behind(opened):
    journal = await opened(shares=HOLD)
    await journal.append(submission(*(block(number) for number in range(4))))
    before = journal.status().sinks
    with pytest.raises(JournalFullError):
        await journal.append(submission(block(0, "s2"), block(1, "s2"), by=pod(2)))
    assert (journal.status().sinks, (await journal.marks("uid-2")).rows) == (before, ())


async def test_rule_11_a_sink_that_sheds_drops_its_oldest_blocks_to_counted_gaps(opened):
    journal = await opened(shares=SHED)
    for number in range(8):
        await journal.append(submission(block(number)))
    left = [(taken.start, taken.end) for taken in await take_all(journal)]
    assert left == [(number * 1024, (number + 1) * 1024) for number in range(4, 8)]
    assert [(gap.start, gap.end, gap.reason, gap.sink) for gap in await journal.gap_records()] == [
        (0, 4096, "shed", "main")
    ]
    assert (journal.counters.shed_blocks, journal.status().gaps["shed"].bytes, journal.status().closed_by) == (
        4,
        4096,
        None,
    )


async def test_what_was_shed_is_delivered_as_far_as_the_collector_is_told(opened):
    journal = await opened(shares=SHED)
    for number in range(8):
        await journal.append(submission(block(number)))
    assert (await journal.marks("uid-1")).rows[0].delivered == 4096


async def test_shedding_one_sink_leaves_the_others_their_blocks(opened):
    journal = await opened(shares=SHED)
    for number in range(8):
        await journal.append(submission(block(number), debts=(MAIN, OTHER)))
    assert [taken.start // 1024 for taken in await take_all(journal, OTHER)] == list(range(8))
    assert (await journal.marks("uid-1")).rows[0].delivered == 0


async def test_shedding_takes_the_oldest_whoever_it_belongs_to(opened):
    journal = await opened(shares=SHED)
    await journal.append(submission(block(0, "old"), by=pod(2)))
    for number in range(5):
        await journal.append(submission(block(number)))
    assert (await take_all(journal, uid="uid-2"), journal.owing("main").keys()) == ([], {"lane"})
    assert [gap.stream for gap in await journal.gap_records()] == ["s1", "old"]


async def test_dead_letters_count_in_the_share(opened):
    journal = await opened(shares=HOLD)
    await journal.append(submission(block(0)))
    (first,) = await take_all(journal)
    await journal.settle([], [DeadLetter(first.block_id, "main", 0, 32, "rejected", b"x" * 100)])
    sink = journal.status().sinks["main"]
    assert (sink.dead_letters, sink.dead_letter_bytes) == (1, 300)


async def test_dead_letters_use_a_tenth_of_the_share_then_the_oldest_go_counted(opened):
    journal = await opened(shares=HOLD)
    await journal.append(submission(block(0)))
    (first,) = await take_all(journal)
    for number in range(4):
        await journal.settle([], [DeadLetter(first.block_id, "main", number, number + 1, "rejected", b"x")])
    assert [letter.start for letter in await journal.dead_letters("main")] == [2, 3]
    assert (journal.counters.dead_letters, journal.counters.dropped_dead_letters) == (4, 2)


async def test_rule_11_a_removed_sink_releases_what_it_was_owed_counted(opened):
    journal = await opened()
    await journal.append(submission(*(block(number) for number in range(5)), debts=(MAIN, OTHER)))
    await journal.settle(done(await take_all(journal)))
    journal = await opened(shares={"main": HOLD["main"]})
    assert journal.strangers() == ["other"]
    assert await journal.release("other") == 5
    assert (journal.strangers(), (await journal.marks("uid-1")).rows[0].delivered) == ([], 5120)
    assert (journal.counters.released_blocks, journal.status().gaps["sink_removed"].bytes) == (5, 5120)


async def test_max_bytes_closes_the_intake_and_names_who_holds_most(opened):
    journal = await opened(max_bytes=2 << 20, shares={"main": Share("main", 1 << 30), "other": Share("other", 1 << 30)})
    refusal = None
    for number in range(100):
        try:
            await journal.append(submission(block(number, size=64 << 10)))
        except JournalFullError as error:
            refusal = error
            break
    assert "no room left" in str(refusal)
    assert (refusal.sink, journal.status().closed_by) == ("main", "disk")
    assert journal.status().used_bytes <= 2 << 20
    blocks = await take_all(journal)
    await journal.settle(done(blocks))
    await journal.sweep()
    assert journal.status().closed_by is None
    assert (await journal.append(submission(block(len(blocks), size=64 << 10)))).frames[0].code == 200
    assert journal.status().closed_by is None
