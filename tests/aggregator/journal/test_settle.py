import dataclasses

from aggregator.core.records import Debt
from aggregator.journal import DeadLetter, Settlement
from tests.aggregator.journal.world import MAIN, OTHER, content, done, frame, pod, raw, submission, take_all


async def three_blocks(journal, debts=(MAIN,)):
    await journal.append(submission(frame(end=64), frame(start=64, end=128), frame(start=128, end=192), debts=debts))
    return await take_all(journal)


async def delivered(journal, uid="uid-1"):
    return [row.delivered for row in (await journal.marks(uid)).rows]


async def test_delivered_moves_to_the_first_block_that_still_owes(journal):
    first, second, third = await three_blocks(journal)
    await journal.settle(done([second]))
    assert await delivered(journal) == [0]
    await journal.settle(done([first]))
    assert await delivered(journal) == [128]
    await journal.settle(done([third]))
    assert (await delivered(journal), journal.owing("main"), journal.counters.settled_blocks) == ([192], {}, 3)


async def test_delivered_waits_for_every_sink(journal):
    blocks = await three_blocks(journal, (MAIN, OTHER))
    await journal.settle(done(blocks))
    assert await delivered(journal) == [0]
    await journal.settle(done(blocks, OTHER))
    assert await delivered(journal) == [192]


async def test_a_block_settled_in_part_is_owed_from_there_on(journal):
    first, *_ = await three_blocks(journal)
    await journal.settle([Settlement(first.block_id, MAIN, 32, done=False)])
    again = (await take_all(journal))[0]
    assert (again.place, raw(again)) == (32, content("s1", 32, 64))
    assert await delivered(journal) == [0]


async def test_a_place_never_moves_back(journal):
    first, *_ = await three_blocks(journal)
    await journal.settle([Settlement(first.block_id, MAIN, 32, done=False)])
    await journal.settle([Settlement(first.block_id, MAIN, 16, done=False)])
    assert (await take_all(journal))[0].place == 32


async def test_settling_twice_changes_nothing(journal):
    blocks = await three_blocks(journal)
    await journal.settle(done(blocks))
    await journal.settle(done(blocks))
    assert (journal.counters.settled_blocks, journal.status().sinks["main"].owed_blocks) == (3, 0)


async def test_what_was_settled_leaves_no_bytes_behind(journal):
    await journal.settle(done(await three_blocks(journal)))
    db = journal._store.db
    assert [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("blocks", "entries", "owed")] == [
        0,
        0,
        0,
    ]


async def test_a_memo_is_written_with_the_settlement_and_told_again(journal):
    await journal.settle(done((await three_blocks(journal))[:1]), memo={"length": "64"}, sink="main")
    await journal.settle([], memo={"length": "128", "other": "x"}, sink="main")
    assert (await journal.memo("main"), await journal.memo("other")) == ({"length": "128", "other": "x"}, {})


async def test_a_dead_letter_is_kept_with_the_name_of_its_bytes(journal):
    first, *_ = await three_blocks(journal)
    await journal.settle(done([first]), [DeadLetter(first.block_id, "main", 0, 32, "too_large", b"bad line")])
    (letter,) = await journal.dead_letters("main")
    assert (letter.stream, letter.epoch, letter.start, letter.end) == ("s1", 0, 0, 32)
    assert (letter.reason, letter.line, letter.pod_uid) == ("too_large", b"bad line", "uid-1")
    assert (journal.counters.dead_letters, journal.status().sinks["main"].dead_letters) == (1, 1)


async def test_take_is_oldest_first_and_goes_on_after_a_block(journal):
    first, second, third = await three_blocks(journal)
    assert first.block_id < second.block_id < third.block_id
    assert await journal.take("main", "lane", "uid-1", first.block_id, 1 << 20) == [second, third]


async def test_take_gives_one_block_at_least_and_no_more_than_asked(journal):
    blocks = await three_blocks(journal)
    size = len(blocks[0].body) + len(blocks[1].body)
    assert await journal.take("main", "lane", "uid-1", 0, 1) == blocks[:1]
    assert await journal.take("main", "lane", "uid-1", 0, size) == blocks[:2]


async def test_each_pod_and_lane_is_a_queue_of_its_own(journal):
    await journal.append(submission(frame("busy", 0, 64), frame("busy", 64, 128), debts=(Debt("main", "a"),)))
    await journal.append(submission(frame("quiet"), by=pod(2), debts=(Debt("main", "a"),)))
    await journal.append(submission(frame("quiet-2"), by=pod(2), debts=(Debt("main", "b"),)))
    assert {lane: set(pods) for lane, pods in journal.owing("main").items()} == {
        "a": {"uid-1", "uid-2"},
        "b": {"uid-2"},
    }
    assert [block.stream for block in await take_all(journal, Debt("main", "b"), "uid-2")] == ["quiet-2"]
    assert [block.stream for block in await take_all(journal, Debt("main", "a"), "uid-2")] == ["quiet"]


async def test_an_unknown_queue_holds_nothing(journal):
    assert await journal.take("nobody", "lane", "uid-1", 0, 1) == []


async def test_the_status_tells_the_oldest_block_that_is_owed(journal):
    first, second, _ = await three_blocks(journal)
    assert journal.status().sinks["main"].oldest_owed_unix_ns == first.read_unix_ns
    await journal.settle(done([first]))
    assert journal.status().sinks["main"].oldest_owed_unix_ns == second.read_unix_ns
    await journal.settle(done(await take_all(journal)))
    assert journal.status().sinks["main"].oldest_owed_unix_ns is None


async def test_a_settlement_beyond_the_block_is_not_believed(journal):
    first, *_ = await three_blocks(journal)
    await journal.settle([dataclasses.replace(done([first])[0], place=1 << 40, done=False)])
    assert (await take_all(journal))[0].place == 0


async def test_rule_16_a_snapshot_is_taken_once(journal):
    assert await journal.snapshot(pod(), "run-1", 3) == (3, True)
    assert await journal.snapshot(pod(), "run-1", 3) == (3, False)
    assert await journal.snapshot(pod(), "run-1", 2) == (3, False)
    assert await journal.snapshot(pod(), "run-2", 1) == (1, True)
