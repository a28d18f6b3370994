"""Salvage (rule 9): what could be read of the file set aside, and did not come back, is owed anew and moves no mark."""

import pytest

from aggregator.journal import JournalFullError, Settlement
from aggregator.journal.salvage import salvage
from tests.aggregator.journal.damaged import BIG, checkpointed, damage_body, filled
from tests.aggregator.journal.world import (
    MAIN,
    MIB,
    Clock,
    append_until_full,
    content,
    done,
    frame,
    open_journal,
    pod,
    raw,
    submission,
    take_all,
)


async def waited(journal, clock):
    clock.now += 601
    await journal.sweep()


async def test_rule_9_blocks_whose_stream_has_not_come_back_are_owed_anew_and_move_no_mark(tmp_path):
    clock = Clock()
    journal = await filled(tmp_path)
    await journal.settle(done((await take_all(journal))[:1]))
    await journal.close()
    journal = open_journal(tmp_path, clock)
    checkpointed(journal)
    damage_body(tmp_path / "journal.db", content("s2", 20_000, 20_064))
    assert await take_all(journal, uid="uid-2") == []
    await journal.append(submission(frame("s3", 0, 64), by=pod(3)))  # came back
    clock.now += 500
    await journal.sweep()
    assert await take_all(journal) == []
    await waited(journal, clock)
    assert [(block.start, block.pod) for block in await take_all(journal)] == [(n * BIG, pod(1)) for n in (1, 2, 3)]
    assert [block.start for block in await take_all(journal, uid="uid-2")] == [n * BIG for n in (1, 2, 3)]
    assert [block.end for block in await take_all(journal, uid="uid-3")] == [64]
    assert [
        (row.stream, row.mark) for uid in ("uid-1", "uid-2", "uid-3") for row in (await journal.marks(uid)).rows
    ] == [("s3", 64)]
    counters = journal.counters
    assert (counters.reowed_blocks, counters.unreadable_blocks, counters.returned_blocks) == (6, 1, 4)
    assert not (tmp_path / "journal.db.aside").exists()
    await journal.settle(done(await take_all(journal)))
    assert "uid-1" not in journal.owing("main").get("lane", {})
    await journal.close()


async def test_what_was_settled_in_part_is_owed_anew_from_there_on(tmp_path):
    clock = Clock()
    journal = await filled(tmp_path)
    (first, *_) = await take_all(journal)
    await journal.settle([Settlement(first.block_id, MAIN, 320, done=False)])
    await journal.close()
    (tmp_path / "journal.db.damaged").touch()
    journal = open_journal(tmp_path, clock)
    await waited(journal, clock)
    assert (await take_all(journal))[0].place == 320
    await journal.close()


async def test_what_could_be_read_of_a_file_cut_in_half_is_owed_anew(tmp_path):
    clock = Clock()
    journal = await filled(tmp_path, blocks=10)
    await journal.close()
    path = tmp_path / "journal.db"
    with path.open("rb+") as file:
        file.truncate(path.stat().st_size // 2)
    journal = open_journal(tmp_path, clock)
    await waited(journal, clock)
    counters = journal.counters
    blocks = [block for number in (1, 2, 3) for block in await take_all(journal, uid=f"uid-{number}")]
    assert all(raw(block) for block in blocks)
    assert (counters.reowed_blocks + counters.unreadable_blocks, counters.reowed_blocks) == (30, len(blocks))
    assert counters.reowed_blocks >= 10
    await journal.close()


async def test_the_aside_file_may_not_keep_the_new_journal_full_for_ever(tmp_path):
    clock = Clock()
    journal = open_journal(tmp_path, max_bytes=2 * MIB)
    number = await append_until_full(journal, BIG)
    await journal.close()
    (tmp_path / "journal.db.damaged").touch()
    journal = open_journal(tmp_path, clock, max_bytes=2 * MIB)
    with pytest.raises(JournalFullError):
        await journal.append(submission(frame("s2", 0, BIG, packed=False), by=pod(2)))
    clock.now += 601
    delivered = []
    while len(delivered) < number:
        await journal.sweep()
        blocks = await take_all(journal)
        assert blocks
        delivered += [block.start for block in blocks]
        await journal.settle(done(blocks))
    assert delivered == [index * BIG for index in range(number)]
    await journal.sweep()
    assert (await journal.append(submission(frame("s2", 0, BIG, packed=False), by=pod(2)))).frames[0].code == 200
    await journal.close()


async def test_a_file_set_aside_that_cannot_be_read_at_all_is_said_and_let_go(tmp_path):
    clock = Clock()
    journal = await filled(tmp_path)
    await journal.close()
    path = tmp_path / "journal.db"
    path.write_bytes(b"\0" * path.stat().st_size)
    journal = open_journal(tmp_path, clock)
    await waited(journal, clock)
    assert not (tmp_path / "journal.db.aside").exists()
    await journal.close()


async def test_salvage_goes_on_after_a_restart_without_doubling(tmp_path, monkeypatch):
    monkeypatch.setattr("aggregator.journal.salvage.STEP_BLOCKS", 5)
    clock = Clock()
    journal = await filled(tmp_path)
    await journal.close()
    (tmp_path / "journal.db.damaged").touch()
    journal = open_journal(tmp_path, clock)
    clock.now += 601
    await journal._threads.write(salvage)
    await journal.close()
    journal = open_journal(tmp_path, clock)
    clock.now += 601
    await journal.sweep()
    starts = [
        (block.stream, block.start) for number in (1, 2, 3) for block in await take_all(journal, uid=f"uid-{number}")
    ]
    assert starts == [(f"s{number}", index * BIG) for number in (1, 2, 3) for index in range(4)]
    await journal.close()
