"""The collector's own HTTP: /healthz, /readyz, /metrics to read, /-/reload to post to. One answer a connection.

Fluent Bit's own paths are answered, too: a pod's probes need not change with the sidecar's image.

Room: collector shell. Never enters: what is healthy (app.py passes it in). asyncio streams and llhttp (httptools): no server framework in a pod.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

DEADLINE_SECONDS = 10.0  # for the whole of a request and its answer
MAX_REQUEST_BYTES = 16 << 10
MAX_CONNECTIONS = 32

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"

# Fluent Bit's paths, and the page that answers there. Source: Fluent Bit's manual, "Monitoring".
_FLUENT_BIT: Mapping[str, str] = {"/api/v1/health": "/healthz", "/api/v1/metrics/prometheus": "/metrics"}


@dataclass(frozen=True, slots=True)
class Page:
    """What a path answers."""

    status: int
    body: bytes
    content_type: str = TEXT


def with_fluent_bit(
    pages: Mapping[str, Callable[[], Page]], uptime_seconds: Callable[[], float]
) -> dict[str, Callable[[], Page]]:
    """`pages`, and what they are in Fluent Bit's words."""
    return {
        **pages,
        **{theirs: pages[ours] for theirs, ours in _FLUENT_BIT.items()},
        "/": lambda: Page(200, b"towline collector\n"),
        "/api/v1/uptime": lambda: Page(200, b'{"uptime_sec":%d}\n' % uptime_seconds(), JSON),
    }


class HealthServer:
    """Serves `pages` on host and port until closed. `posts`: what is done where something is posted; what came is not read."""

    def __init__(
        self, pages: Mapping[str, Callable[[], Page]], posts: Mapping[str, Callable[[], Awaitable[Page]]] | None = None
    ) -> None:
        self._pages = pages
        self._posts = posts or {}
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port (0 lets the kernel choose). Raises OSError."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_REQUEST_BYTES)
        found: int = self._server.sockets[0].getsockname()[1]
        return found

    async def close(self) -> None:
        """Stop listening, and hang up on whoever is still connected: a slow reader must not hold up our exit."""
        if self._server is not None:
            self._server.close()
            for writer in self._open:
                writer.transport.abort()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if len(self._open) <= MAX_CONNECTIONS:
                async with asyncio.timeout(DEADLINE_SECONDS):
                    writer.write(await self._answer(await _read_request(reader)))
                    await writer.drain()
        except (OSError, EOFError, TimeoutError, HttpParserError):
            pass  # nobody is there to be told
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, request: "_Request") -> bytes:
        found = await self._found(request)
        head = (
            f"HTTP/1.1 {found.status} \r\ncontent-type: {found.content_type}\r\n"
            f"content-length: {len(found.body)}\r\nconnection: close\r\nx-content-type-options: nosniff\r\n\r\n"
        ).encode()
        return head + (b"" if request.method == b"HEAD" else found.body)

    async def _found(self, request: "_Request") -> Page:
        page, post = self._pages.get(request.path), self._posts.get(request.path)
        if post is not None:
            return await post() if request.method == b"POST" else Page(405, b"POST only\n")
        if request.method not in (b"GET", b"HEAD"):
            return Page(405, b"GET only\n")
        return page() if page is not None else Page(404, b"here are: " + ", ".join(self._pages).encode() + b"\n")


class _Request:
    """The head of one request, as far as it has come. What follows it is not read: every connection ends with its answer."""

    def __init__(self) -> None:
        self._parser = HttpRequestParser(self)
        self._target = b""
        self._received_bytes = 0
        self.method = b""  # as long as it is not whole

    def feed(self, data: bytes) -> None:
        """Raises HttpParserError, EOFError (the other side hung up, or says too much); not for what comes after the head."""
        self._received_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            pass  # CONNECT, or another protocol is asked for: answered as any other request
        except HttpParserError:
            if not self.is_whole:
                raise
        if not data or (self._received_bytes > MAX_REQUEST_BYTES and not self.is_whole):
            raise EOFError("no request")

    @property
    def is_whole(self) -> bool:
        return bool(self.method)

    @property
    def path(self) -> str:
        return self._target.decode("latin-1").partition("?")[0]

    def on_url(self, part: bytes) -> None:
        if not self.is_whole:
            self._target += part

    def on_headers_complete(self) -> None:
        self.method = self.method or self._parser.get_method()


async def _read_request(reader: asyncio.StreamReader) -> _Request:
    request = _Request()
    while not request.is_whole:
        request.feed(await reader.read(MAX_REQUEST_BYTES))
    return request
