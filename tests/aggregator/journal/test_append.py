import dataclasses

import pytest

from aggregator.core.records import Debt
from aggregator.journal import JournalFullError
from tests.aggregator.journal.world import MAIN, OTHER, content, done, frame, pod, raw, submission, take_all
from towline.wire.block import Delivered
from towline.wire.identity import Origin


async def answers(journal, *frames, **more):
    return (await journal.append(submission(*frames, **more))).frames


async def test_what_was_appended_can_be_taken_with_pod_and_origin(journal):
    (answer,) = await answers(journal, frame(end=64))
    (block,) = await take_all(journal)
    assert (answer.code, answer.mark, answer.delivered, answer.print) == (200, 64, 0, "")
    assert (block.pod, block.origin) == (pod(), Origin(path="/var/log/x.log", container="web"))
    assert raw(block) == content("s1", 0, 64)
    assert (journal.counters.appended_blocks, journal.counters.appended_bytes) == (1, len(block.body))


async def test_rule_2_a_frame_that_comes_twice_is_stored_once(journal):
    await answers(journal, frame(end=64))
    (again,) = await answers(journal, frame(end=64))
    assert (again.code, again.mark, len(await take_all(journal)), journal.counters.duplicate_frames) == (200, 64, 1, 1)


async def test_rule_2_an_overlap_is_skipped_and_owed_from_the_mark_on(journal):
    await answers(journal, frame(end=64), frame(start=32, end=128))
    assert [block.place for block in await take_all(journal)] == [0, 64]
    assert b"".join([raw(block) for block in await take_all(journal)]) == content("s1", 0, 128)


async def test_rule_2_a_frame_beyond_the_mark_is_sent_back_to_the_row(journal):
    await answers(journal, frame(end=64))
    (answer,) = await answers(journal, frame(start=96, end=128))
    assert (answer.code, answer.epoch, answer.mark, answer.print, journal.counters.rewound_frames) == (
        409,
        0,
        64,
        "p64",
        1,
    )


async def test_a_frame_of_an_unknown_stream_is_sent_back_to_nothing(journal):
    (answer,) = await answers(journal, frame(start=96, end=128))
    assert (answer.code, answer.epoch, answer.mark, answer.delivered) == (409, 0, 0, 0)


async def test_rule_1_one_failing_frame_never_fails_another(journal):
    codes = [answer.code for answer in await answers(journal, frame("s1"), frame("s2", 32, 64), frame("s3"))]
    assert codes == [200, 409, 200]


async def test_a_stream_belongs_to_its_pod_for_ever(journal):
    await answers(journal, frame(end=64))
    (answer,) = await answers(journal, frame(start=64, end=128), by=pod(2))
    assert (answer.code, journal.counters.foreign_frames) == (400, 1)
    assert (await journal.marks("uid-1")).rows[0].mark == 64


async def test_a_frame_that_nobody_is_owed_moves_mark_and_delivered_at_once(journal):
    (answer,) = await answers(journal, frame(end=64), debts=())
    assert (answer.mark, answer.delivered, journal.counters.unowed_frames) == (64, 64, 1)
    assert await journal.moved("uid-1", 0) == ([Delivered("s1", 0, 64)], 1)


async def test_a_gap_frame_moves_the_mark_and_leaves_a_record(journal):
    (answer,) = await answers(journal, frame(end=64, reason="given_up"))
    (record,) = await journal.gap_records()
    assert (answer.mark, answer.delivered) == (64, 64)
    assert (record.start, record.end, record.reason, record.pod_uid) == (0, 64, "given_up", "uid-1")
    assert (journal.status().gaps["given_up"].bytes, journal.counters.gaps) == (64, {"given_up": 64})


async def test_gaps_that_follow_each_other_are_one_record(journal):
    await answers(journal, frame(end=64, reason="hole"), frame(start=64, end=96, reason="hole"))
    assert [(record.start, record.end) for record in await journal.gap_records()] == [(0, 96)]
    assert journal.status().gaps["hole"].number == 1


async def test_rule_2_a_base_opens_a_row_and_records_what_was_delivered_elsewhere(journal):
    (answer,) = await answers(journal, frame(start=640, end=704, base=640))
    (record,) = await journal.gap_records()
    assert (answer.code, answer.mark, answer.delivered) == (200, 704, 640)
    assert (record.start, record.end, record.reason) == (0, 640, "elsewhere")


async def test_rule_2_an_older_epoch_is_never_appended_to(journal):
    await answers(journal, frame(end=64), frame(end=32, epoch=1))
    (late,) = await answers(journal, frame(start=64, end=96))
    (known,) = await answers(journal, frame(end=64))
    assert (late.code, late.epoch, late.mark) == (409, 1, 32)
    assert (known.code, known.epoch, known.mark) == (200, 0, 64)


async def test_rule_1_final_and_gone_count_without_a_byte(journal):
    await answers(journal, frame(end=64))
    await answers(journal, frame(start=64, end=64, final=True, gone=True))
    (row,) = (await journal.marks("uid-1")).rows
    assert (row.final, row.gone, row.mark) == (True, True, 64)


async def test_rule_3_an_alias_is_kept_in_the_row(journal):
    await answers(
        journal, frame(end=64, alias="a1"), frame(start=64, end=96, alias="a2"), frame(start=96, end=128, alias="a1")
    )
    assert (await journal.marks("uid-1")).rows[0].aliases == ("a1", "a2")


async def test_the_row_tells_the_path_as_last_seen(journal):
    await answers(journal, frame(end=64), frame(start=64, end=96, path="/var/log/x.log.1"))
    assert (await journal.marks("uid-1")).rows[0].path == "/var/log/x.log.1"
    assert [block.origin.path for block in await take_all(journal)] == ["/var/log/x.log", "/var/log/x.log.1"]


async def test_marks_of_a_pod_that_never_spoke_say_so(journal):
    answer = await journal.marks("nobody")
    assert (answer.rows, answer.heard_seconds_ago, answer.journal) == ((), None, journal.journal_id)


async def test_marks_tell_how_long_ago_a_pod_was_heard(journal, clock):
    await answers(journal, frame())
    clock.now += 90
    assert 90 <= (await journal.marks("uid-1")).heard_seconds_ago < 91


async def test_continues_of_a_skipped_part_comes_from_the_block_before(journal):
    await answers(journal, frame(end=48, partial=True), frame(start=32, end=96))
    assert [(block.partial, block.continues) for block in await take_all(journal)] == [(True, False), (False, True)]


async def test_a_block_is_stored_once_however_many_are_owed_it(journal):
    await answers(journal, frame(end=64), debts=(MAIN, OTHER))
    ours, theirs = await take_all(journal), await take_all(journal, OTHER)
    await journal.settle(done(ours))
    assert ours == theirs
    assert [block.end for block in await take_all(journal, OTHER)] == [64]
    assert (await journal.marks("uid-1")).rows[0].delivered == 0


async def test_a_pod_that_floods_with_streams_is_told_to_wait(journal, monkeypatch):
    monkeypatch.setattr("aggregator.journal.append.MAX_STREAMS", 2)
    codes = [
        answer.code for answer in await answers(journal, frame("s1"), frame("s2"), frame("s3"), frame("s1", 64, 96))
    ]
    assert codes == [200, 200, 429, 200]


async def test_a_subscriber_is_woken_when_its_sink_is_owed_something_and_only_then(journal):
    woken = []
    journal.subscribe("main", lambda: woken.append("main"))
    journal.subscribe("other", lambda: woken.append("other"))
    await answers(journal, frame(end=64))
    await answers(journal, frame(end=64))
    assert woken == ["main"]
    assert {lane: list(pods) for lane, pods in journal.owing("main").items()} == {"lane": ["uid-1"]}


async def test_the_same_debt_said_twice_is_one(journal):
    await answers(journal, frame(end=64), debts=(MAIN, Debt("main", "lane")))
    assert journal.status().sinks["main"].owed_blocks == 1


async def test_rule_4_a_submission_for_another_journal_stores_nothing(journal):
    with pytest.raises(JournalFullError, match="another one has begun"):
        await journal.append(dataclasses.replace(submission(frame()), journal="somebody-else"))
    assert (await journal.marks("uid-1")).rows == ()
