"""One thread for what blocks, and a short way there and back: asyncio's executor runs twice as much code for a call (docs/adr/0005-a-cheaper-round.md).

Room: collector shell. Never enters: what is called.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True)
class _Call(Generic[T]):
    """One call that was asked for, and what came of it."""

    work: Callable[[], T]
    future: "asyncio.Future[T]"
    found: T | None = None
    error: BaseException | None = None

    def make(self) -> None:
        """On the thread. Whoever was cancelled before its turn is passed over."""
        if self.future.cancelled():
            return
        try:
            self.found = self.work()
        except BaseException as error:  # noqa: BLE001 - it is raised where the call was asked for
            self.error = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self.future.get_loop().call_soon_threadsafe(self._settle)

    def _settle(self) -> None:
        """On the loop."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.found)  # type: ignore[arg-type]  # a T: there was no error
        else:
            self.future.set_exception(self.error)


class Worker:
    """Calls are made one after the other, in the order they were asked for."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: SimpleQueue[_Call[Any] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` returns, or raises. Where the caller is cancelled, a call that has begun goes on to its end."""
        if self._thread is None:
            # A daemon: a volume that hangs for ever must not hold up the end of the process.
            self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
            self._thread.start()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._calls.put(_Call(work, future))
        return await future

    def close(self) -> None:
        """Let the thread end after the calls that it was given, and wait for that."""
        if self._thread is not None:
            self._calls.put(None)
            self._thread.join()
            self._thread = None

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call.make()
            del call  # it holds what was read, until the loop has taken it
