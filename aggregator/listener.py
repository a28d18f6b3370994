"""Listens, and cuts off whoever takes too long to say what it wants.

Room: aggregator, HTTP. Never enters: what is asked (intake.py and pages.py answer).

aiohttp has no deadline for a request's head: without one, a few hundred connections that send a byte a second hold a
descriptor and a task each for as long as they like. The body's deadline is the reader's (body.py).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler

_KEEPALIVE_SECONDS = 75.0  # longer than any pause of a collector, so that it keeps its connection
_LINGER_SECONDS = 2.0  # for the rest of a body that was answered before it was read
_SHUTDOWN_SECONDS = 2.0


class Connection(web.RequestHandler):
    """One connection, with a deadline for the head of each request."""

    __slots__ = ("_deadline", "_head_seconds", "_is_answering")

    def __init__(self, manager: web.Server, head_seconds: float) -> None:
        super().__init__(
            manager,
            loop=asyncio.get_running_loop(),
            keepalive_timeout=_KEEPALIVE_SECONDS,
            lingering_time=_LINGER_SECONDS,
            access_log=None,  # type: ignore[arg-type]  # aiohttp's own way to say: none
            auto_decompress=False,  # a body is taken as it is: no bomb is ever inflated
        )
        self._head_seconds = head_seconds
        self._deadline: asyncio.TimerHandle | None = None
        self._is_answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if not self._is_answering and self._deadline is None:
            self._await_head()
        super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def head_arrived(self) -> None:
        """The head of a request is complete and is being answered."""
        self._is_answering = True
        self._stop_waiting()

    def answered(self) -> None:
        """What comes next is the head of another request, and may come late."""
        self._is_answering = False

    def _await_head(self) -> None:
        self._deadline = asyncio.get_running_loop().call_later(self._head_seconds, self.force_close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


@web.middleware
async def _note_head(request: web.Request, handler: Handler) -> web.StreamResponse:
    connection = request.protocol
    if not isinstance(connection, Connection):
        return await handler(request)
    connection.head_arrived()
    try:
        return await handler(request)
    finally:
        connection.answered()


@contextlib.asynccontextmanager
async def listening(
    routes: list[web.RouteDef], address: tuple[str, int], head_seconds: float
) -> AsyncIterator[tuple[str, int]]:
    """Answer requests while the block runs; gives the address with the port that was bound. Raises OSError."""
    application = web.Application(middlewares=[_note_head])
    application.add_routes(routes)
    runner = web.AppRunner(application, shutdown_timeout=_SHUTDOWN_SECONDS, handle_signals=False, access_log=None)
    await runner.setup()
    try:
        manager = runner.server
        assert manager is not None  # noqa: S101 - setup() made it
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(manager, head_seconds), *address, backlog=1024, reuse_address=True
        )
        try:
            host, port = server.sockets[0].getsockname()[:2]
            yield host, port
        finally:
            server.close()
    finally:
        await runner.cleanup()
