"""How the loop waits for files: nudges, changes, time."""

import asyncio

import pytest

from collector.volume import Limits
from collector.watcher import Watched, Watcher
from towline.wire.identity import Origin

LONG_SECONDS = 60.0  # longer than any test waits


@pytest.fixture
async def watcher(tmp_path):
    watcher = Watcher(Watched([(f"{tmp_path}/*.log", Origin(path=""))], 1 << 20, 3.0, Limits()), "uid")
    await watcher.hold()
    watcher.changed = False
    yield watcher
    await watcher.close()


async def test_a_wait_ends_when_its_time_is_over(watcher):
    async with asyncio.timeout(10):
        await watcher.wait(0.001)


async def test_a_nudge_wakes_who_waits(watcher):
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        group.create_task(watcher.wait(LONG_SECONDS))
        await asyncio.sleep(0)
        watcher.nudge()
        watcher.nudge()


async def test_a_nudge_before_the_wait_counts_once(watcher):
    watcher.nudge()
    async with asyncio.timeout(10):
        await watcher.wait(LONG_SECONDS)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await watcher.wait(LONG_SECONDS)


async def test_a_wait_that_was_cancelled_leaves_nothing_behind(watcher):
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await watcher.wait(LONG_SECONDS)
    watcher.nudge()
    async with asyncio.timeout(10):
        await watcher.wait(LONG_SECONDS)


async def test_what_an_app_writes_ends_a_wait_for_change_and_no_other(watcher, tmp_path):
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        waiting = group.create_task(watcher.wait_for_change(LONG_SECONDS))
        await asyncio.sleep(0)
        (tmp_path / "a.log").write_bytes(b"x\n")
        await waiting
    assert watcher.changed
    (tmp_path / "a.log").write_bytes(b"y\n")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await watcher.wait(LONG_SECONDS)
