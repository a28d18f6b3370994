"""Rule 9: what an answer of the journal is worth, through its public face."""

import asyncio
import contextlib

import pytest

from aggregator.journal import JournalFullError
from tests.aggregator.journal.world import (
    MAIN,
    OTHER,
    content,
    done,
    frame,
    open_journal,
    pod,
    raw,
    submission,
    take_all,
)


async def test_rule_9_what_was_answered_is_there_after_the_journal_is_opened_again(tmp_path):
    first = open_journal(tmp_path)
    await first.append(submission(frame(end=64)))
    await first.close()
    again = open_journal(tmp_path)
    (block,) = await take_all(again)
    assert (again.journal_id, raw(block)) == (first.journal_id, content("s1", 0, 64))
    await again.close()


async def test_rule_9_many_submissions_share_a_commit(tmp_path):
    journal = open_journal(tmp_path)
    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(journal.append(submission(frame(f"s{number}"), by=pod(number))))
    assert journal.counters.commits < 50
    await journal.close()


async def test_rule_9_a_block_goes_when_it_owes_nothing_and_delivered_follows_the_slowest(tmp_path):
    journal = open_journal(tmp_path)
    await journal.append(submission(frame(end=64), debts=(MAIN, OTHER)))
    blocks = await take_all(journal)
    await journal.settle(done(blocks))
    assert (await journal.marks("uid-1")).rows[0].delivered == 0
    await journal.settle(done(blocks, OTHER))
    assert (await journal.marks("uid-1")).rows[0].delivered == 64
    assert await take_all(journal, OTHER) == []
    await journal.close()


async def test_rule_9_a_quiet_pod_is_never_behind_another(tmp_path):
    journal = open_journal(tmp_path)
    await journal.append(submission(*(frame(start=64 * n, end=64 * (n + 1)) for n in range(100))))
    await journal.append(submission(frame("quiet"), by=pod(2)))
    (block,) = await journal.take("main", "lane", "uid-2", 0, 1 << 20)
    assert (block.stream, set(journal.owing("main")["lane"])) == ("quiet", {"uid-1", "uid-2"})
    await journal.close()


async def test_rule_9_delivered_never_decreases(tmp_path):
    journal = open_journal(tmp_path)
    seen = []
    for number in range(4):
        await journal.append(submission(frame(start=64 * number, end=64 * (number + 1))))
        await journal.settle(done((await take_all(journal))[:1]))
        seen.append((await journal.marks("uid-1")).rows[0].delivered)
    assert seen == sorted(seen) == [64, 128, 192, 256]
    await journal.close()


@pytest.mark.parametrize("byte", [100, 20_000])
async def test_rule_9_damage_sets_the_file_aside_and_begins_a_journal_of_another_name(tmp_path, byte):
    first = open_journal(tmp_path)
    await first.append(submission(*(frame(f"s{n}", 0, 4096) for n in range(20))))
    await first.close()
    file = tmp_path / "journal.db"
    damaged = bytearray(file.read_bytes())
    damaged[byte : byte + 4096] = b"\xa5" * 4096
    file.write_bytes(damaged)
    again = open_journal(tmp_path)
    with contextlib.suppress(JournalFullError):  # who meets the damage is told to come again
        await again.append(submission(frame("s0", 4096, 8192)))
    await take_all(again)
    assert again.journal_id != first.journal_id
    await again.close()
