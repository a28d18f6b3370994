"""The collector's own HTTP: /healthz, /readyz, /metrics. GET only, one answer a connection.

Room: collector shell. Never enters: what is healthy (app.py passes it in). asyncio streams and h11: no server framework in a pod.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import h11

DEADLINE_SECONDS = 10.0  # for the whole of a request and its answer
MAX_REQUEST_BYTES = 16 << 10
MAX_CONNECTIONS = 32

TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Page:
    """What a path answers."""

    status: int
    body: bytes
    content_type: str = TEXT


class HealthServer:
    """Serves `pages` on host and port until closed."""

    def __init__(self, pages: Mapping[str, Callable[[], Page]]) -> None:
        self._pages = pages
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
                    writer.write(self._answer(await _read_request(reader)))
                    await writer.drain()
        except (OSError, EOFError, TimeoutError, h11.RemoteProtocolError):
            pass  # nobody is there to be told
        finally:
            self._open.discard(writer)
            writer.close()

    def _answer(self, request: h11.Request) -> bytes:
        path = request.target.decode("latin-1").partition("?")[0]
        page = self._pages.get(path)
        if request.method not in (b"GET", b"HEAD"):
            found = Page(405, b"GET only\n")
        else:
            found = page() if page is not None else Page(404, b"here are: " + ", ".join(self._pages).encode() + b"\n")
        protocol = h11.Connection(h11.SERVER)
        headers = [
            ("content-type", found.content_type),
            ("content-length", str(len(found.body))),
            ("connection", "close"),
            ("x-content-type-options", "nosniff"),
        ]
        head = protocol.send(h11.Response(status_code=found.status, headers=headers))
        return (head or b"") + (b"" if request.method == b"HEAD" else found.body)


async def _read_request(reader: asyncio.StreamReader) -> h11.Request:
    protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_REQUEST_BYTES)
    while True:
        event = protocol.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:
            raise EOFError("closed before a request")
        protocol.receive_data(await reader.read(MAX_REQUEST_BYTES))
