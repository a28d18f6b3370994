"""Reads a request's body within its bounds: bytes of one, bytes of all together, time.

Room: aggregator, HTTP. Never enters: what the body means.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

_HELD_BYTES = 24 << 20  # of bodies in memory, all requests together


class UnacceptableError(Exception):
    """The request cannot be taken. `status` is what to answer."""

    def __init__(self, status: int, error: str, retry_after_seconds: int = 0) -> None:
        super().__init__(error)
        self.status = status
        self.retry_after_seconds = retry_after_seconds


class Bodies:
    """All bodies that are in memory at this moment."""

    def __init__(self, max_bytes: int, timeout_seconds: float) -> None:
        self._max_bytes = max_bytes
        self._timeout_seconds = timeout_seconds
        self._held_bytes = 0
        self._bound_bytes = max(_HELD_BYTES, max_bytes)

    @asynccontextmanager
    async def read(self, request: web.Request) -> AsyncIterator[bytes]:
        """The whole body, which counts as held until the block is left. Raises UnacceptableError."""
        chunks: list[bytes] = []
        if (request.content_length or 0) > self._max_bytes:
            raise UnacceptableError(413, f"a request holds at most {self._max_bytes} bytes")
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise UnacceptableError(400, "Content-Encoding is not supported: blocks are compressed already")
        try:
            await self._fill(chunks, request)
            yield b"".join(chunks)
        finally:
            self._held_bytes -= sum(map(len, chunks))

    async def _fill(self, chunks: list[bytes], request: web.Request) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await self._read_into(chunks, request)
        except TimeoutError:
            raise UnacceptableError(408, "the body took too long") from None
        except (ConnectionError, web.RequestPayloadError):
            raise UnacceptableError(400, "the body ended early") from None

    async def _read_into(self, chunks: list[bytes], request: web.Request) -> None:
        size_bytes = 0
        async for chunk in request.content.iter_any():
            chunks.append(chunk)
            size_bytes += len(chunk)
            self._held_bytes += len(chunk)
            if size_bytes > self._max_bytes:
                raise UnacceptableError(413, f"a request holds at most {self._max_bytes} bytes")
            if self._held_bytes > self._bound_bytes:
                raise UnacceptableError(503, "too many bodies are being read", retry_after_seconds=1)
