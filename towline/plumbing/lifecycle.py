"""From start to exit: stages run until told to stop, drain, and leave; signals, and the death of whoever started us, become one event.

Room: plumbing. Never enters: what the stages do.
"""

import asyncio
import contextlib
import enum
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from typing import Any

# Names the descriptor of a pipe on which nothing is ever written: its end says that all who needed this process are gone. Unlike
# PR_SET_PDEATHSIG it cannot come too early to be seen, and several may hold the other end.
LIFELINE = "TOWLINE_LIFELINE"

Stage = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


class ExitCode(enum.IntEnum):
    """What a Towline process says with its exit code. 1 is Python's own: a crash."""

    OK = 0
    CRASHED = 1
    CONFIG_ERROR = 2  # nothing was started
    BYTES_UNSTORED = 3  # the collector left bytes that no journal holds
    JOURNAL_LOST = 4  # the aggregator's journal cannot go on
    INTERRUPTED = 130  # a second SIGINT cut the drain short (128 + SIGINT, as shells say it)


class Life:
    """A stage that can be made to rest while what it works with is exchanged: it watches `leave`, then calls `rest`, which gives it the next one to watch."""

    def __init__(self) -> None:
        self.leave, self._rests, self._goes_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def rest(self) -> asyncio.Event:
        """Return when the pause is over."""
        leave = self.leave
        self._rests.set()
        await self._goes_on.wait()
        return leave

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Enter once the stage rests; it goes on when this is left. One at a time."""
        self._rests, self._goes_on = asyncio.Event(), asyncio.Event()
        leave, self.leave = self.leave, asyncio.Event()
        leave.set()
        try:
            await self._rests.wait()
            yield
        finally:
            self._goes_on.set()


async def run_until(stop: asyncio.Event, stages: Sequence[Stage], drain_seconds: float) -> None:
    """Run every stage; after `stop` give them `drain_seconds` to finish, then cancel.

    `stop` says "take nothing new, finish what you hold"; it is also set when every stage has ended by itself.
    A stage that raises ends the others at once and its error comes out in an ExceptionGroup.
    """
    if not stages:
        return
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(stage(stop)) for stage in stages]

        def note_end(_: asyncio.Task[None]) -> None:
            if all(task.done() for task in tasks):
                stop.set()

        for task in tasks:
            task.add_done_callback(note_end)
        await stop.wait()
        await asyncio.wait(tasks, timeout=drain_seconds)
        for task in tasks:
            task.cancel()


async def wait_until(stop: asyncio.Event, seconds: float) -> bool:
    """Wait for `stop`, at most `seconds`. True where it is set: a back-off that `stop` cuts short."""
    if not stop.is_set():
        try:
            async with asyncio.timeout(seconds):
                await stop.wait()
        except TimeoutError:
            return False
    return True


def serve(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run `main(stop)` in an event loop and return its exit code.

    SIGTERM, SIGINT and the end of the LIFELINE set `stop`; a second SIGINT cancels `main` (INTERRUPTED). Call from the main thread.
    """
    try:
        return asyncio.run(_with_signals(main))
    except asyncio.CancelledError:
        return ExitCode.INTERRUPTED


async def _with_signals(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    this_task = asyncio.current_task()
    interrupts = 0

    def interrupt() -> None:
        # Counted apart from SIGTERM: a terminal's Ctrl-C reaches a whole process group, whose parent may add a SIGTERM of its own.
        nonlocal interrupts
        interrupts += 1
        stop.set()
        if interrupts > 1 and this_task is not None:
            this_task.cancel()

    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, interrupt)
    try:
        with _lifeline(loop, stop):
            return await main(stop)
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
        loop.remove_signal_handler(signal.SIGINT)


@contextlib.contextmanager
def _lifeline(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> Iterator[None]:
    """Set `stop` at the end of the pipe that LIFELINE names; nothing where it names none."""
    named = os.environ.get(LIFELINE, "")
    if not named:
        yield
        return
    descriptor = int(named)

    def look() -> None:
        if not os.read(descriptor, 4096):
            loop.remove_reader(descriptor)
            stop.set()

    loop.add_reader(descriptor, look)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
