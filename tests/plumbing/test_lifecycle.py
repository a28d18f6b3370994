import asyncio
import contextlib
import os
import signal

import pytest

from towline.plumbing.lifecycle import LIFELINE, ExitCode, Life, run_until, serve, wait_until


@pytest.fixture
def lifeline(monkeypatch):
    """The writing ends of the pipe that a service hangs on."""
    reading, writing = os.pipe()
    monkeypatch.setenv(LIFELINE, str(reading))
    ends = [writing]
    yield ends
    for descriptor in (reading, *ends):
        os.close(descriptor)


async def turns_of_the_loop():
    """Enough for whatever the loop has to notice: it polls at every turn."""
    for _ in range(10):
        await asyncio.sleep(0)


def stage_that_drains(done, name):
    async def stage(stop):
        await stop.wait()
        done.append(name)

    return stage


async def test_every_stage_finishes_what_it_holds_after_stop():
    stop, done = asyncio.Event(), []
    stop.set()
    await run_until(stop, [stage_that_drains(done, "a"), stage_that_drains(done, "b")], drain_seconds=60)
    assert sorted(done) == ["a", "b"]


async def test_a_stage_that_does_not_finish_in_time_is_cancelled_and_can_clean_up():
    stop, cleaned = asyncio.Event(), []

    async def stubborn(_stop):
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    stop.set()
    await run_until(stop, [stubborn], drain_seconds=0)
    assert cleaned == [True]


async def test_a_crash_in_one_stage_ends_the_others_loudly():
    ended = []

    async def crashes(_stop):
        raise RuntimeError("boom")

    async def waits(_stop):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    with pytest.raises(ExceptionGroup, match="unhandled errors") as caught:
        await run_until(asyncio.Event(), [waits, crashes], drain_seconds=60)
    assert caught.group_contains(RuntimeError, match="boom")
    assert ended == [True]


async def test_it_returns_when_every_stage_has_ended_by_itself():
    async def short(_stop):
        return

    stop = asyncio.Event()
    await run_until(stop, [short, short], drain_seconds=60)
    assert stop.is_set()


async def test_one_stage_that_ends_early_leaves_the_others_running():
    stop, done = asyncio.Event(), []

    async def short(_stop):
        return

    async def ends_the_rest(stop):
        await asyncio.sleep(0)
        done.append("still running")
        stop.set()

    await run_until(stop, [short, ends_the_rest], drain_seconds=60)
    assert done == ["still running"]


async def test_without_stages_there_is_nothing_to_wait_for():
    stop = asyncio.Event()
    async with asyncio.timeout(5):
        await run_until(stop, [], drain_seconds=60)
    assert not stop.is_set()


async def test_a_wait_ends_with_its_time_or_with_stop():
    stop = asyncio.Event()
    assert not await wait_until(stop, 0)
    stop.set()
    assert await wait_until(stop, 3600)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_asks_for_a_drain_and_the_exit_code_is_what_main_returns(number):
    async def main(stop):
        os.kill(os.getpid(), number)
        await stop.wait()
        return ExitCode.BYTES_UNSTORED

    assert serve(main) == 3


def test_a_second_interrupt_cuts_the_drain_short():
    async def main(stop):
        os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.Event().wait()

    assert serve(main) == ExitCode.INTERRUPTED


def test_an_interrupt_after_a_sigterm_does_not_cut_the_drain_short():
    async def main(stop):
        os.kill(os.getpid(), signal.SIGTERM)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await turns_of_the_loop()
        return ExitCode.OK

    assert serve(main) == ExitCode.OK


def test_signals_are_given_back_afterwards():
    async def main(_stop):
        return ExitCode.OK

    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    serve(main)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


def test_the_end_of_the_lifeline_asks_for_a_drain(lifeline):
    async def main(stop):
        os.close(lifeline.pop())
        await stop.wait()
        return ExitCode.BYTES_UNSTORED

    assert serve(main) == 3


def test_a_lifeline_that_ended_before_the_start_asks_for_a_drain(lifeline):
    os.close(lifeline.pop())

    async def main(stop):
        await stop.wait()
        return ExitCode.BYTES_UNSTORED

    assert serve(main) == 3


def test_a_lifeline_holds_while_anybody_holds_its_other_end(lifeline):
    async def main(stop):
        second = os.dup(lifeline[0])
        os.close(lifeline.pop())
        await turns_of_the_loop()
        held = not stop.is_set()
        os.close(second)
        await stop.wait()
        return ExitCode.OK if held else ExitCode.CRASHED

    assert serve(main) == ExitCode.OK


def test_what_is_written_on_a_lifeline_asks_for_nothing(lifeline):
    async def main(stop):
        os.write(lifeline[0], b"x")
        await turns_of_the_loop()
        return ExitCode.CRASHED if stop.is_set() else ExitCode.OK

    assert serve(main) == ExitCode.OK


# A stage that rests while what it works with is exchanged.


class Working:
    """A stage of many lives: each notes what it works with. It looks up from its work when it is `free`."""

    def __init__(self):
        self.life, self.tool, self.used, self.free = Life(), "old", [], asyncio.Event()
        self.free.set()

    async def run(self):
        leave = self.life.leave
        while True:
            self.used.append(self.tool)
            await leave.wait()
            await self.free.wait()
            leave = await self.life.rest()


@contextlib.asynccontextmanager
async def working():
    stage = Working()
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(stage.run())
        await turns_of_the_loop()
        yield stage
        await turns_of_the_loop()
        task.cancel()


async def test_a_stage_rests_while_what_it_works_with_is_exchanged():
    async with working() as stage:
        for tool in ("new", "newer"):
            async with stage.life.paused():
                stage.tool = tool
    assert stage.used == ["old", "new", "newer"]


async def test_a_pause_that_was_given_up_leaves_nobody_resting():
    async with working() as stage:
        stage.free.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0), stage.life.paused():
                raise AssertionError("it is not free: it cannot rest")
        stage.free.set()
        await turns_of_the_loop()
        assert stage.used == ["old", "old"]
        async with stage.life.paused():
            stage.tool = "new"
    assert stage.used == ["old", "old", "new"]
