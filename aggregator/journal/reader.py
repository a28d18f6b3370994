"""The one thread that reads, beside the one that writes: what a forwarder takes never waits for a commit.

Room: aggregator journal. Never enters: what is read (reads.py); writes.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from aggregator.journal.reads import Reads

T = TypeVar("T")


class Reader:
    """A connection that is opened when first asked, on a thread of its own."""

    def __init__(self, path: Path, wal_limit_bytes: int) -> None:
        self._path, self._wal_limit_bytes = path, wal_limit_bytes
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal-reads")
        self._reads: Reads | None = None

    async def read(self, look: Callable[[Reads], T]) -> T:
        """Run `look` on the thread. Raises what it raises."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._look, look)

    @contextlib.contextmanager
    def kept_out(self) -> Iterator[None]:
        """Close the connection and let nobody open another one meanwhile. For the writing thread; blocks."""
        closed, may_go_on = threading.Event(), threading.Event()

        def stay_out() -> None:
            self._close()
            closed.set()
            may_go_on.wait()

        self._threads.submit(stay_out)
        closed.wait()
        try:
            yield
        finally:
            may_go_on.set()

    def stop(self) -> None:
        """Close the connection and end the thread. Blocks."""
        self._threads.submit(self._close).result()
        self._threads.shutdown()

    def _look(self, look: Callable[[Reads], T]) -> T:
        if self._reads is None:
            self._reads = Reads(self._path, self._wal_limit_bytes)
        return look(self._reads)

    def _close(self) -> None:
        if self._reads is not None:
            with contextlib.suppress(sqlite3.Error):
                self._reads.close()
            self._reads = None
