"""Settling without fsync: what it may cost when the power goes, and what it may not (docs/adr/0004)."""

import asyncio
import shutil
import threading

from aggregator.journal import DeadLetter
from tests.aggregator.journal.world import done, frame, submission, take_all

NORMAL, FULL = 1, 2
FILES = ("journal.db", "journal.db-wal")


def note_how_it_commits(journal):
    modes = []

    def look(point):
        if point == "journal.before_commit":
            modes.append(journal._store.db.execute("PRAGMA synchronous").fetchone()[0])

    journal.on = look
    return modes


async def test_what_is_acknowledged_is_fsynced_and_a_settlement_alone_is_not(journal):
    modes = note_how_it_commits(journal)
    await journal.append(submission(frame()))
    await journal.settle(done(await take_all(journal)))
    await journal.append(submission(frame("s2")))
    assert modes == [FULL, NORMAL, FULL]


async def test_a_settlement_that_keeps_a_dead_letter_is_fsynced(journal):
    await journal.append(submission(frame()))
    (block,) = await take_all(journal)
    modes = note_how_it_commits(journal)
    await journal.settle(done([block]), [DeadLetter(block.block_id, "main", 0, 32, "refused", b"x")])
    assert modes == [FULL]


async def test_a_group_with_anything_acknowledged_in_it_is_fsynced(journal):
    await journal.append(submission(frame()))
    blocks = await take_all(journal)
    modes, began, may_go_on = note_how_it_commits(journal), asyncio.Event(), threading.Event()
    loop, look = asyncio.get_running_loop(), journal.on

    def hold_the_first(point):
        look(point)
        if len(modes) == 1:
            loop.call_soon_threadsafe(began.set)
            may_go_on.wait(10)

    journal.on = hold_the_first
    async with asyncio.TaskGroup() as group:
        group.create_task(journal.append(submission(frame("s2"))))
        await began.wait()
        group.create_task(journal.settle(done(blocks)))
        group.create_task(journal.append(submission(frame("s3"))))
        await asyncio.sleep(0)
        may_go_on.set()
    assert modes == [FULL, FULL]


async def test_a_settlement_that_a_power_cut_took_back_is_owed_again(opened, tmp_path):
    journal = await opened()
    await journal.append(submission(frame()))
    kept = keep(tmp_path)
    await journal.settle(done(await take_all(journal)))
    await journal.close()
    restore(tmp_path, kept)
    journal = await opened()
    assert [block.place for block in await take_all(journal)] == [0]


async def test_a_collector_that_was_told_of_moves_that_a_power_cut_took_back_learns_of_all_later_ones(opened, tmp_path):
    journal = await opened()
    await journal.append(submission(frame("told"), frame("untold")))
    kept = keep(tmp_path)
    told, untold = await take_all(journal)
    await journal.settle(done([told]))
    _, since = await journal.moved("uid-1", 0)
    await journal.close()
    restore(tmp_path, kept)
    journal = await opened()
    await journal.settle(done([untold]))
    moved, _ = await journal.moved("uid-1", since)
    assert [row.stream for row in moved] == ["untold"]


def keep(folder):
    """The files as a power cut would leave them now."""
    kept = folder / "kept"
    kept.mkdir()
    for name in FILES:
        shutil.copy(folder / name, kept / name)
    return kept


def restore(folder, kept):
    for name in FILES:
        shutil.copy(kept / name, folder / name)
