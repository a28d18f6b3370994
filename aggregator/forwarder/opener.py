"""Opens blocks for all sinks, once each while it is remembered, and has worker threads for what is worth the way there.

Room: aggregator, forwarder. Never enters: sinks.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import TypeVar

from aggregator.core.decode import SliceCache, open_block
from aggregator.core.made_cache import MadeCache
from aggregator.core.multiline import Joined, Joining
from aggregator.core.plan import Parse
from aggregator.core.records import OwedBlock, Slice

_WORTH_A_THREAD_BYTES = 256 * 1024  # below, the way to a thread and back costs more than it frees: a few ms of the loop

T = TypeVar("T")


class Opener:
    """Two threads for everything that burns CPU: more would only add arenas and switches on the cores that a replica has."""

    def __init__(self, cache_bytes: int) -> None:
        self._cache = SliceCache(cache_bytes)
        self._made = MadeCache(cache_bytes)
        self._one_at_a_time = Lock()  # joining and parsing run on the threads
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="codec")

    def open(self, block: OwedBlock) -> Slice:
        """The lines of a block from its place on. Raises BodyError.

        Here and now: the largest block takes less than a millisecond, and a thread would leave its bytes in another core's cache.
        """
        piece = self._cache.get(block)
        if piece is None:
            piece = open_block(block)
            self._cache.put(piece)
        return piece

    def joined(self, joining: Joining, piece: Slice) -> Joined:
        """The events of lines that nothing was open before."""
        return self._made_once(joining.key, piece, lambda: joining.join(None, piece))

    def parsed(self, parse: Parse, piece: Slice, joined_as: str) -> Slice:
        """What a route's parse finds in all events of a slice. `joined_as`: the key of what joined them."""
        made = self._made_once(f"{parse.key}|{joined_as}", piece, lambda: Joined([parse.apply(piece)], None))
        return made.complete[0]

    def _made_once(self, maker: str, piece: Slice, make: Callable[[], Joined]) -> Joined:
        """From memory, where another sink had it made. Two that ask at the same time both make it."""
        with self._one_at_a_time:
            made = self._made.get(maker, piece)
        if made is None:
            made = make()
            with self._one_at_a_time:
                self._made.put(maker, piece, made)
        return made

    async def compute(self, size_bytes: int, work: Callable[[], T]) -> T:
        """The result of `work`, which reads or makes about `size_bytes`."""
        if size_bytes < _WORTH_A_THREAD_BYTES:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Let the threads go; what they are at ends first."""
        self._threads.shutdown(wait=True, cancel_futures=True)
