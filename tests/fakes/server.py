"""The ground both HTTP counterparts stand on: an aiohttp server on loopback that acts out scripts and remembers requests.

A body arrives as it was sent (aiohttp would inflate it unasked), so that compressed and raw sizes are both known.
"""

import asyncio
import signal
import socket
import ssl
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec
from aiohttp import web

from tests.fakes.script import (
    Answer,
    AnyBehaviour,
    Endless,
    HalfRead,
    Hang,
    Recorded,
    Redirect,
    Reset,
    Rubbish,
    Script,
    Seen,
    Slow,
)

MAX_WIRE_BYTES = 64 << 20  # far above every limit, so that the limits themselves answer
_CHUNK = b"x" * 65536


@dataclass
class Handled:
    """One request as it went. `status` 0: it was never answered. `headers` as received, keys in lower case."""

    number: int
    method: str
    path: str
    headers: dict[str, str] = field(repr=False)
    arrived_unix_ns: int = 0
    arrived_seconds: float = 0.0  # monotonic, for rates
    wire_bytes: int = 0
    raw_bytes: int = 0
    records: int = 0
    status: int = 0
    reason: str = ""
    operation: str = ""  # AWS only


class LoopbackServer:
    """An HTTP server on 127.0.0.1; `async with` starts and stops it. `url` has no slash at its end.

    `script` may be replaced at any time, `requests` holds everything that was seen. A subclass answers in `handle`.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        script: Script | None = None,
        tls: ssl.SSLContext | None = None,
        wall_clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.script = script or Script()
        self.requests: list[Handled] = []
        self.url = ""
        self._port = port
        self._tls = tls
        self._wall_clock_ns = wall_clock_ns
        self._closing = asyncio.Event()
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=MAX_WIRE_BYTES)
        app.router.add_route("*", "/{path:.*}", self._dispatch)
        self._closing.clear()
        self._runner = web.AppRunner(app, auto_decompress=False, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls).start()
        self._port = self._runner.addresses[0][1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{self._port}"
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    def play(self, *steps: AnyBehaviour | None, then: Any = None) -> None:
        """Replace the script."""
        self.script = Script(*steps, then=then)

    async def handle(self, request: web.Request, handled: Handled) -> web.StreamResponse:
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """What `GET /_state` tells another process."""
        return {"requests": len(self.requests), "statuses": [one.status for one in self.requests]}

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        if request.path.startswith("/_"):
            return await self._control(request)
        handled = Handled(len(self.requests) + 1, request.method, request.path, _lower(request))
        handled.arrived_unix_ns, handled.arrived_seconds = self._wall_clock_ns(), time.monotonic()
        self.requests.append(handled)
        response = await self.handle(request, handled)
        # A connection that was cut has nothing to say; aiohttp notices when it tries to write.
        handled.status = response.status if request.transport and not request.transport.is_closing() else 0
        return response

    async def _control(self, request: web.Request) -> web.Response:
        if (request.method, request.path) == ("GET", "/_state"):
            return web.json_response(self.state())
        if (request.method, request.path) != ("POST", "/_script"):
            return web.json_response({"error": "no such control"}, status=404)
        try:
            self.script = Script.from_json(await request.read())
        except (msgspec.ValidationError, msgspec.DecodeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response({})

    def seen(self, request: web.Request, handled: Handled) -> Seen:
        return Seen(handled.number, request.method, request.path, handled.headers)

    def next_behaviour(self, request: web.Request, handled: Handled) -> AnyBehaviour | None:
        return self.script.next(self.seen(request, handled))

    async def act_instead(self, request: web.Request, behaviour: AnyBehaviour | None) -> web.StreamResponse | None:
        """Do what replaces an honest answer; None where `behaviour` wants the request judged."""
        if isinstance(behaviour, HalfRead):
            await request.content.read(behaviour.size_bytes)
            return _cut(request, reset=True)
        if not isinstance(behaviour, (Answer, Redirect, Hang, Reset, Rubbish, Endless)):
            return None
        await request.read()
        if isinstance(behaviour, (Answer, Redirect)):
            return scripted(behaviour)
        if isinstance(behaviour, Endless):
            return await _pour(request, behaviour)
        if isinstance(behaviour, Hang):
            await self._closing.wait()
        elif isinstance(behaviour, Rubbish) and request.transport is not None:
            request.transport.write(behaviour.text.encode())
        return _cut(request, reset=isinstance(behaviour, Reset))

    async def act_after(
        self, request: web.Request, behaviour: AnyBehaviour | None, honest: web.StreamResponse
    ) -> web.StreamResponse:
        """Hold back, or spoil, the answer to a request that has been judged (and recorded, where `honest` is a 2xx)."""
        if isinstance(behaviour, Slow):
            await self._wait(behaviour.seconds)
        if not isinstance(behaviour, Recorded) or honest.status >= 300:
            return honest
        if behaviour.then == "answer":
            return web.Response(status=behaviour.status)
        if behaviour.then == "hang":
            await self._closing.wait()
        return _cut(request, reset=behaviour.then == "reset")

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closing.wait()
        except TimeoutError:
            return


async def serve_until_signal(server: LoopbackServer) -> None:
    """Run `server` as a process: say the address on stdout, end at SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with server:
        print(f"listening on {server.url}", flush=True)  # noqa: T201 - the line that a test waits for
        await stop.wait()


def _lower(request: web.Request) -> dict[str, str]:
    return {name.lower(): value for name, value in request.headers.items()}


def _cut(request: web.Request, *, reset: bool = False) -> web.Response:
    """Close the connection now; what is returned is never sent. A reset is made certain by a linger of zero."""
    transport = request.transport
    if transport is not None:
        if reset:
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.abort()
        transport.close()
    return web.Response(status=499)


def scripted(behaviour: Answer | Redirect) -> web.Response:
    if isinstance(behaviour, Redirect):
        return web.Response(status=behaviour.status, headers={"Location": behaviour.location})
    content_type = None if "Content-Type" in behaviour.headers else "application/json"
    return web.Response(
        status=behaviour.status, headers=behaviour.headers, body=behaviour.body.encode(), content_type=content_type
    )


async def _pour(request: web.Request, behaviour: Endless) -> web.StreamResponse:
    response = web.StreamResponse(status=behaviour.status)
    left = behaviour.size_bytes
    try:
        await response.prepare(request)
        while left > 0:
            await response.write(_CHUNK[:left])
            left -= len(_CHUNK)
    except ConnectionError:
        return response  # the client had enough
    return response
