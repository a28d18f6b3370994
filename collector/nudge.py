"""Wait for a moment, or until nudged: a timer and a future, where asyncio.timeout around an event costs twice as much, three times a second in every pod.

Room: collector shell. Never enters: what is waited for.
"""

import asyncio


class Nudge:
    """One waits, anybody on its event loop may nudge. A nudge that nobody waited for is kept for the next wait: one, not more."""

    def __init__(self) -> None:
        self._is_kept = False
        self._waiter: asyncio.Future[None] | None = None

    def give(self) -> None:
        self._is_kept = True
        if self._waiter is not None:
            _release(self._waiter)

    async def wait(self, seconds: float) -> None:
        """Return when nudged, or after `seconds`."""
        if not self._is_kept:
            loop = asyncio.get_running_loop()
            waiter = self._waiter = loop.create_future()
            timer = loop.call_later(seconds, _release, waiter)
            try:
                await waiter
            finally:
                timer.cancel()
                self._waiter = None
        self._is_kept = False


def _release(waiter: "asyncio.Future[None]") -> None:
    if not waiter.done():
        waiter.set_result(None)
