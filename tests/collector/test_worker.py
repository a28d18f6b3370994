"""The thread for what blocks: order, errors, cancellation, and that it ends."""

import asyncio
import threading
import weakref

import pytest

from collector.worker import Worker


@pytest.fixture
async def worker():
    worker = Worker("files")
    yield worker
    worker.close()


async def test_a_call_is_made_on_a_thread_of_that_name_and_its_value_returned(worker):
    assert await worker.run(lambda: threading.current_thread().name) == "files"


async def test_what_a_call_raises_is_raised_where_it_was_asked_for(worker):
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0)
    assert await worker.run(lambda: "still there") == "still there"


async def test_calls_are_made_in_the_order_they_were_asked_for(worker):
    made = []
    async with asyncio.TaskGroup() as group:
        for number in range(100):
            group.create_task(worker.run(lambda number=number: made.append(number)))
    assert made == list(range(100))


async def test_a_call_that_has_begun_goes_on_when_who_asked_is_cancelled_and_the_next_one_waits_for_it(worker):
    begun, go_on, made = threading.Event(), threading.Event(), []

    def slow():
        begun.set()
        go_on.wait(10)
        made.append("slow")

    async with asyncio.TaskGroup() as group:
        asked = group.create_task(worker.run(slow))
        passed_over = group.create_task(worker.run(lambda: made.append("never")))
        while not begun.is_set():  # noqa: ASYNC110 - a thread's event
            await asyncio.sleep(0)
        asked.cancel()
        passed_over.cancel()
    go_on.set()
    await worker.run(lambda: made.append("next"))
    assert made == ["slow", "next"]


async def test_what_a_call_returned_is_not_kept(worker):
    class Block:
        pass

    found = await worker.run(Block)
    kept = weakref.ref(found)
    del found
    await worker.run(lambda: None)  # the thread has put the first call down
    assert kept() is None


async def test_closing_ends_the_thread_and_one_that_never_ran_has_none():
    worker = Worker("files")
    worker.close()
    await worker.run(lambda: None)
    (thread,) = [thread for thread in threading.enumerate() if thread.name == "files"]
    worker.close()
    worker.close()
    assert not thread.is_alive()
