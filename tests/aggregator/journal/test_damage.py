"""Damage (rule 9; S1, S2, S4, S5, S6): nothing more is acknowledged from the file, it is set aside, another journal begins."""

import asyncio
import random
import shutil
import sqlite3

import pytest

from aggregator.journal import JournalDownError, JournalFullError
from tests.aggregator.journal.damaged import BIG, checkpointed, damage_body, filled
from tests.aggregator.journal.world import content, done, frame, open_journal, pod, raw, submission, take_all
from towline.plumbing.errors import ConfigError


async def test_a_damaged_body_is_not_shipped_the_file_is_set_aside_and_another_journal_begins(tmp_path):
    journal = await filled(tmp_path)
    first = journal.journal_id
    checkpointed(journal)
    damage_body(tmp_path / "journal.db", content("s1", 20_000, 20_064))
    assert await take_all(journal) == []
    assert (journal.journal_id != first, journal.counters.journals_set_aside, journal.owing("main")) == (True, 1, {})
    assert (tmp_path / "journal.db.aside").exists()
    assert (await journal.marks("uid-1")).rows == ()
    assert (await journal.append(submission(frame("s1")))).frames[0].mark == 64
    await journal.close()


async def test_what_believed_in_the_old_journal_is_not_appended_to_the_new_one(tmp_path):
    journal = await filled(tmp_path)
    damage_soon(journal, tmp_path)
    with pytest.raises(JournalFullError, match="another one has begun") as caught:
        await journal.append(submission(frame("s1")))
    assert caught.value.retry_after_seconds > 0
    await journal.close()


def damage_soon(journal, folder):
    """Have the next transaction find its files gone."""
    for suffix in ("", "-wal"):
        (folder / f"journal.db{suffix}").rename(folder / f"moved{suffix}")


async def test_settling_what_was_lost_with_the_old_journal_succeeds_and_keeps_the_memo(tmp_path):
    journal = await filled(tmp_path)
    blocks = await take_all(journal)
    damage_soon(journal, tmp_path)
    await journal.settle(done(blocks), memo={"length": "7"}, sink="main")
    assert (await journal.memo("main"), journal.counters.journals_set_aside) == ({"length": "7"}, 1)
    await journal.close()


async def test_s6_a_folder_deleted_under_the_journal_is_noticed_before_anything_is_acknowledged(tmp_path):
    journal = await filled(tmp_path / "deep")
    shutil.rmtree(tmp_path / "deep")
    with pytest.raises(JournalFullError):
        await journal.append(submission(frame("s1")))
    assert (await journal.append(submission(frame("s1")))).frames[0].mark == 64
    with pytest.raises(ConfigError, match="another process holds"):
        open_journal(tmp_path / "deep")
    await journal.close()


async def test_a_second_damage_while_the_first_file_lies_aside_ends_the_journal(tmp_path):
    journal = await filled(tmp_path)
    watch = asyncio.get_running_loop().create_task(journal.watch())
    checkpointed(journal)
    damage_body(tmp_path / "journal.db", content("s1", 20_000, 20_064))
    assert await take_all(journal) == []
    await journal.append(submission(frame("s1", 0, BIG, packed=False)))
    checkpointed(journal)
    damage_body(tmp_path / "journal.db", content("s1", 20_000, 20_064))
    with pytest.raises(JournalDownError, match="damaged a second time"):
        await take_all(journal)
    with pytest.raises(JournalDownError):
        await journal.append(submission(frame("s2")))
    with pytest.raises(JournalDownError):
        await watch
    await journal.close()
    with pytest.raises(JournalDownError, match=r"move journal\.db\.aside away"):
        open_journal(tmp_path)


async def test_block_numbers_go_on_over_a_change_of_journal(tmp_path):
    journal = await filled(tmp_path)
    newest = (await take_all(journal, uid="uid-3"))[-1].block_id
    damage_soon(journal, tmp_path)
    await journal.settle([])
    await journal.append(submission(frame("s1")))
    assert (await take_all(journal))[0].block_id > newest
    await journal.close()


@pytest.mark.parametrize("cut", ["empty", "header", "half", "last page", "last byte"])
async def test_s1_a_file_cut_short_is_set_aside_and_the_journal_starts(tmp_path, cut):
    journal = await filled(tmp_path)
    await journal.close()
    path = tmp_path / "journal.db"
    size = path.stat().st_size
    kept = {"empty": 0, "header": 50, "half": size // 2, "last page": size - 8192, "last byte": size - 1}[cut]
    with path.open("rb+") as file:
        file.truncate(kept)
    again = open_journal(tmp_path)
    assert (await again.append(submission(frame("new"), by=pod(9)))).frames[0].code == 200
    for number in (1, 2, 3):
        for block in await take_all(again, uid=f"uid-{number}"):
            assert raw(block)
    await again.close()


async def test_s2_whatever_bit_flips_no_garbage_is_shipped_and_the_journal_serves(tmp_path):
    journal = await filled(tmp_path / "whole")
    await journal.settle(done((await take_all(journal))[:2]))
    await journal.close()
    chance, seen = random.Random(4), 0
    for attempt in range(60):
        folder = tmp_path / str(attempt)
        shutil.copytree(tmp_path / "whole", folder)
        flip(folder / "journal.db", chance)
        again = open_journal(folder)
        for number in (1, 2, 3):
            for block in await take_all(again, uid=f"uid-{number}"):
                seen += 1
                assert raw(block), "what is shipped is what the stream holds"
                assert (block.pod, block.origin.container) == (pod(number), "web")
        await again.marks("uid-1")
        assert (await again.append(submission(frame("new"), by=pod(9)))).frames[0].code == 200
        await again.sweep()
        await again.close()
    assert seen > 60


def flip(path, chance):
    """Flip a bit; half of the time in the bookkeeping, which is small and lies in front."""
    data = bytearray(path.read_bytes())
    place = chance.randrange(len(data)) if chance.random() < 0.5 else 100 + chance.randrange(20 * 8192)
    data[place % len(data)] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


async def test_an_end_between_the_renames_of_setting_aside_is_finished_at_the_next_start(tmp_path):
    journal = await filled(tmp_path)
    first = journal.journal_id
    await journal.close()
    (tmp_path / "journal.db.damaged").touch()
    (tmp_path / "journal.db-wal").rename(tmp_path / "journal.db.aside-wal") if (
        tmp_path / "journal.db-wal"
    ).exists() else None
    again = open_journal(tmp_path)
    assert again.journal_id != first
    assert (tmp_path / "journal.db.aside").exists()
    assert not (tmp_path / "journal.db.damaged").exists()
    await again.close()


def break_commit(journal, error_code, times=1):
    """Make the next commits fail as if the disk had."""
    left = [times]

    def fail(point):
        if point == "journal.before_commit" and left[0]:
            left[0] -= 1
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorcode = error_code
            raise error

    journal.on = fail


@pytest.mark.parametrize(
    "code", [sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CORRUPT]
)
async def test_s5_a_failed_commit_is_never_acknowledged_and_never_tried_again_on_the_same_file(tmp_path, code):
    journal = await filled(tmp_path)
    first = journal.journal_id
    break_commit(journal, code)
    with pytest.raises(JournalFullError):
        await journal.append(submission(frame("s9")))
    assert journal.journal_id != first
    await journal.close()


async def test_a_journal_locked_by_somebody_is_tried_again_later_and_nothing_is_lost(tmp_path):
    journal = await filled(tmp_path)
    first = journal.journal_id
    break_commit(journal, sqlite3.SQLITE_BUSY)
    with pytest.raises(JournalFullError):
        await journal.append(submission(frame("s9")))
    assert ((await journal.append(submission(frame("s9")))).frames[0].mark, journal.journal_id) == (64, first)
    await journal.close()
