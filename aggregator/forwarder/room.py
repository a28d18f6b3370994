"""How many bytes the lanes of one sink may hold of what they owe, all together.

Room: aggregator, forwarder. Never enters: blocks, sinks.
"""

import asyncio


class Room:
    """Bytes in memory: a lane that holds nothing waits here for its first block, one that holds some goes on with what it has.

    A claim is granted while anything is free, so it may overdraw: a block larger than the whole room still passes.
    """

    def __init__(self, max_bytes: int) -> None:
        self._free_bytes = max_bytes
        self._has_some = asyncio.Event()
        self._has_some.set()

    async def claim(self, size_bytes: int) -> None:
        """Hold `size_bytes` more, as soon as anything is free."""
        while not self.claim_now(size_bytes):
            await self._has_some.wait()

    def claim_now(self, size_bytes: int) -> bool:
        """Hold `size_bytes` more, where anything is free."""
        if self._free_bytes <= 0:
            return False
        self.change(size_bytes)
        return True

    def change(self, size_bytes: int) -> None:
        """Hold so much more, or less: what was claimed turned out larger or smaller, or is let go."""
        self._free_bytes -= size_bytes
        if self._free_bytes > 0:
            self._has_some.set()
        else:
            self._has_some.clear()
