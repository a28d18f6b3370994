import asyncio
import threading

import pytest

from aggregator.journal import JournalFullError, Share
from tests.aggregator.journal.world import frame, pod, submission


async def append_all(journal, *submissions):
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(journal.append(one)) for one in submissions]
    return [task.result() for task in tasks]


async def test_what_waits_together_is_committed_together(journal):
    loop, began = asyncio.get_running_loop(), asyncio.Event()
    may_go_on, commits = threading.Event(), []

    def hold_the_first(point):
        if point == "journal.before_commit":
            commits.append(point)
            if len(commits) == 1:
                loop.call_soon_threadsafe(began.set)
                may_go_on.wait(10)

    journal.on = hold_the_first
    first = loop.create_task(journal.append(submission(frame("s0"))))
    await began.wait()
    rest = [
        asyncio.get_running_loop().create_task(journal.append(submission(frame(f"s{n}"), by=pod(n))))
        for n in range(1, 40)
    ]
    await asyncio.sleep(0)
    may_go_on.set()
    await asyncio.wait([first, *rest])
    assert (len(commits), journal.counters.commits, journal.counters.appended_blocks) == (2, 2, 40)


async def test_nobody_is_answered_before_the_commit(journal):
    answered_at_commit = []
    task = None

    def look(point):
        if point == "journal.before_commit":
            answered_at_commit.append(task.done())

    journal.on = look
    task = asyncio.get_running_loop().create_task(journal.append(submission(frame())))
    await task
    assert answered_at_commit == [False]


async def test_one_operation_that_fails_leaves_the_others_of_its_group(opened):
    journal = await opened(shares={"main": Share("main", 40)})

    async def refused():
        with pytest.raises(JournalFullError):
            await journal.append(submission(frame("s1"), frame("s2")))

    await journal.append(submission(frame("s0", packed=False)))
    async with asyncio.TaskGroup() as group:
        group.create_task(refused())
        good = group.create_task(journal.append(submission(frame("s3"), debts=())))
    assert good.result().frames[0].code == 200
    assert {row.stream for row in (await journal.marks("uid-1")).rows} == {"s0", "s3"}


async def test_an_operation_that_python_cannot_even_write_fails_alone(journal):
    with pytest.raises(OverflowError):
        await journal.append(submission(frame("s1", 0, 32), frame("s2", 0, 1 << 70, reason="hole")))
    assert (await journal.append(submission(frame("s1")))).frames[0].mark == 64


async def test_a_caller_that_was_cancelled_harms_nobody(journal):
    task = asyncio.get_running_loop().create_task(journal.append(submission(frame())))
    await asyncio.sleep(0)
    task.cancel()
    assert (await journal.append(submission(frame()))).frames[0].mark == 64
    assert task.cancelled()


async def test_what_waits_for_a_slow_disk_is_bounded(journal, monkeypatch):
    monkeypatch.setattr("aggregator.journal.threads.WAITING_BYTES", 4000)
    results = await append_all(journal, *(submission(frame(f"s{number}"), by=pod(number)) for number in range(3)))
    assert [one.frames[0].code for one in results] == [200, 200, 200]
    tasks = [
        asyncio.get_running_loop().create_task(journal.append(submission(frame(f"t{n}"), by=pod(n)))) for n in range(9)
    ]
    await asyncio.wait(tasks)
    refused = [task for task in tasks if isinstance(task.exception(), JournalFullError)]
    assert 0 < len(refused) < 9
    assert (await journal.append(submission(frame("u")))).frames[0].code == 200


async def test_a_quiet_pods_empty_request_costs_no_commit_on_disk(journal, tmp_path):
    await journal.append(submission(frame()))
    wal = tmp_path / "journal.db-wal"
    before = wal.stat().st_size
    for _ in range(5):
        await journal.append(submission())
    assert wal.stat().st_size == before
