"""Asks a sink for its health, seldom: one answer serves all lanes that ask within a few seconds.

Room: aggregator, forwarder. Never enters: lanes.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

_FRESH_SECONDS = 5.0


class Checked(Protocol):
    """A sink, as far as its health goes."""

    async def healthcheck(self) -> None: ...


class Health:
    """A thousand held lanes cause no thousand health checks."""

    def __init__(self, sink: Checked, timeout_seconds: float, clock: Callable[[], float]) -> None:
        self._sink = sink
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()
        self._asked_at: float | None = None
        self._error: Exception | None = None

    async def check(self) -> None:
        """Return where the sink is well. Raises what it raises, or TimeoutError."""
        async with self._one_at_a_time:
            if self._asked_at is None or self._clock() - self._asked_at >= _FRESH_SECONDS:
                await self._ask()
        if self._error is not None:
            raise self._error

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._sink.healthcheck()
        except Exception as error:  # noqa: BLE001 - kept for everybody who asks meanwhile, and raised by check()
            self._error = error
        else:
            self._error = None
        self._asked_at = self._clock()
