"""Since when a collector run was taken here without a hole: what the journal says of it with each snapshot, for each sink."""

import sqlite3

import pytest

from aggregator.core.joining import Chain
from aggregator.core.records import Debt
from aggregator.journal import Settlement, Share
from aggregator.journal.schema import seal
from tests.aggregator.journal.snapshots import HOUR, METRICS, custody, owed, shares
from tests.aggregator.journal.world import MAIN, MIB, Clock, done, frame, open_journal, pod, submission, take_all


async def chains(journal, **more):
    """The chains of what is owed, each of a snapshot whose text is its number."""
    found = await owed(journal, **more)
    return [Chain.unpacked(block.place, int(block.body.split()[0])) for block in found]


async def note(journal, run, number, by=1, **more):
    await journal.snapshot(pod(by), run, number, custody(b"%d " % number + b"x" * 1000, **more))


async def test_each_block_says_since_when_its_run_was_taken_here(opened):
    journal = await opened(shares=shares())
    for run, number in (("r1", 1), ("r1", 2), ("r1", 5), ("r1", 6), ("r2", 1), ("r3", 4), ("r3", 5)):
        await note(journal, run, number)
    starts = [chain.start for chain in await chains(journal)]
    assert starts == [1, 1, 5, 5, 1, 4, 4]


async def test_each_block_says_whether_the_one_before_it_was_of_the_same_run(opened):
    journal = await opened(shares=shares())
    for run, number in (("r1", 1), ("r1", 2), ("r2", 1), ("r1", 3), ("r2", 2), ("r2", 3)):
        await note(journal, run, number)
    assert [chain.goes_on for chain in await chains(journal)] == [False, True, False, False, False, True]


@pytest.mark.parametrize("first", [1, 7])
async def test_a_sink_at_its_share_sheds_its_oldest_and_the_rest_still_say_where_the_chain_starts(opened, first):
    journal = await opened(shares=shares(max_bytes=10_000))
    for number in range(first, first + 50):
        await note(journal, "r", number)
    found = await chains(journal)
    assert 0 < len(found) < 11
    assert {chain.start for chain in found} == {first}
    assert journal.counters.shed_snapshots == 50 - len(found)
    assert (journal.counters.shed_blocks, dict(journal.status().gaps), await journal.gap_records()) == (0, {}, [])


async def test_a_pods_only_snapshot_is_shed_and_its_next_says_all_the_same_where_the_chain_starts(opened):
    journal = await opened(shares=shares(max_bytes=5_000))
    await note(journal, "r", 1)
    await note(journal, "r", 7, by=2)
    for number in range(1, 10):
        await note(journal, "r", number, by=3)
    assert (await owed(journal), await owed(journal, uid="uid-2")) == ([], [])
    await note(journal, "r", 2)
    await note(journal, "r", 8, by=2)
    assert await chains(journal) == [Chain(1, goes_on=True)]
    assert await chains(journal, uid="uid-2") == [Chain(7, goes_on=True)]


async def test_a_sinks_chain_starts_with_the_first_snapshot_that_it_was_to_have(opened):
    other = Debt("cw.metrics", "all")
    journal = await opened(shares={**shares(), "cw.metrics": Share("cw.metrics", MIB, "shed")})
    await note(journal, "r", 1)
    for number in (2, 3):
        await note(journal, "r", number, owed=(METRICS, other))
    await note(journal, "r", 4, owed=(other,))
    await note(journal, "r", 5, owed=(METRICS, other))
    assert [chain.start for chain in await chains(journal)] == [1, 1, 1, 5]
    assert [chain.start for chain in await chains(journal, debt=other)] == [2, 2, 2, 2]


async def test_a_chain_outlives_a_snapshot_for_which_there_was_no_room(opened):
    journal = await opened(shares=shares(max_bytes=8 * MIB), max_bytes=2 * MIB)
    number = 1
    while not journal.counters.shed_snapshots:
        await journal.snapshot(pod(), "r", number, custody(b"%d " % number + b"x" * 200_000))
        number += 1
    await journal.settle(done(await owed(journal), METRICS))
    await note(journal, "r", number)
    assert await chains(journal) == [Chain(1, goes_on=True)]


async def test_nothing_follows_a_goodbye_nor_a_day_of_silence(opened, clock):
    journal = await opened(shares=shares(), keep_seconds=30 * 24 * HOUR)
    await note(journal, "r", 1)
    clock.now += 24 * HOUR
    await note(journal, "r", 2)
    await note(journal, "r", 3, goodbye=True)
    await note(journal, "r", 4)
    assert [chain.start for chain in await chains(journal)] == [1, 2, 2, 4]


def as_of_version_1(file, links):
    """What that version would have written: how each snapshot followed, in place of chains."""
    db = sqlite3.connect(file)
    db.execute("ALTER TABLE snapshots DROP COLUMN starts")
    db.execute("ALTER TABLE snapshots DROP COLUMN is_last")
    owed = "SELECT o.queue, o.block_id FROM owed o JOIN entries e ON e.block_id = o.block_id WHERE e.row IS NULL ORDER BY 2"
    for (queue, block_id), link in zip(db.execute(owed).fetchall(), links, strict=True):
        values = (link, seal(queue, block_id, link), queue, block_id)
        db.execute("UPDATE owed SET place=?, seal=? WHERE queue=? AND block_id=?", values)
    db.execute("PRAGMA user_version=1")
    db.commit()
    db.close()


async def test_a_journal_of_the_first_version_goes_on_with_what_it_is_owed(opened, tmp_path):
    journal = await opened(shares=shares())
    await journal.append(submission(frame("s1", 0, 64)))
    await journal.settle([Settlement((await take_all(journal))[0].block_id, MAIN, 32, done=False)])
    for by, number in ((1, 1), (1, 2), (2, 5), (2, 6)):
        await note(journal, "r", number, by=by)
    await journal.close()
    as_of_version_1(tmp_path / "journal.db", (2, 1, 0, 1))
    for _ in range(2):
        journal = await opened(shares=shares())
        assert [block.place for block in await take_all(journal)] == [32]
        assert await chains(journal) == [Chain(1, goes_on=True), Chain(1, goes_on=False)]
        assert await chains(journal, uid="uid-2") == [Chain(5, goes_on=False), Chain(1, goes_on=False)]
    await note(journal, "r", 3)
    assert (await chains(journal))[-1] == Chain(2, goes_on=False)  # where it stood is all that was known


async def test_the_chain_survives_a_restart(opened):
    await note(await opened(shares=shares()), "r", 1)
    journal = await opened(shares=shares())
    await note(journal, "r", 2)
    assert await chains(journal) == [Chain(1, goes_on=False), Chain(1, goes_on=True)]


async def test_after_damage_a_run_of_which_something_was_delivered_is_whole_no_more(tmp_path):
    clock = Clock()
    journal = open_journal(tmp_path, clock, shares=shares())
    for by in (1, 2):
        for number in (1, 2, 3):
            await note(journal, "r", number, by=by)
    first = (await owed(journal))[:1]
    await journal.settle(done(first, METRICS), memo={"uid-1": "book"}, sink="dd.metrics")
    await journal.close()
    (tmp_path / "journal.db.damaged").touch()
    journal = open_journal(tmp_path, clock, shares=shares())
    clock.now += 601
    await journal.sweep()
    assert [chain.start for chain in await chains(journal)] == [2, 2]
    assert [chain.start for chain in await chains(journal, uid="uid-2")] == [1, 1, 1]
    await journal.close()
