"""A TCP proxy on loopback that misbehaves on demand: what `tc netem` would do, where the kernel has none.

A mode may be switched at any time and holds for open connections, too, from their next bytes on.
"""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass
from typing import Self

_CHUNK_BYTES = 65536


@dataclass(frozen=True)
class Pass:
    """Behave."""


@dataclass(frozen=True)
class Refuse:
    """Not listening: connection refused. Open connections are reset."""


@dataclass(frozen=True)
class Reset:
    """Accept, then reset; open connections as well."""


@dataclass(frozen=True)
class BlackHole:
    """Accept, and let nothing through in either direction, for as long as the mode holds."""


@dataclass(frozen=True)
class Latency:
    """Each piece of each direction comes `seconds` later."""

    seconds: float


@dataclass(frozen=True)
class Rate:
    """At most `bytes_per_second` in each direction."""

    bytes_per_second: int


@dataclass(frozen=True)
class CutAfter:
    """Reset a connection once `size_bytes` of it went to the target: inside a request."""

    size_bytes: int


@dataclass(frozen=True)
class DropReply:
    """The request goes through, the connection is reset when the reply comes: the client cannot know."""


Mode = Pass | Refuse | Reset | BlackHole | Latency | Rate | CutAfter | DropReply


class FaultProxy:
    """Forwards 127.0.0.1:`port` to the target; `async with` starts and stops it. `url` assumes HTTP.

    `connections` counts what was accepted. With `keep_requests` what each connection sent is kept and may be sent again by `replay`.
    """

    def __init__(self, target_port: int, mode: Mode | None = None, *, keep_requests: bool = False) -> None:
        self.target_port = target_port
        self.port = 0
        self.connections = 0
        self.kept: list[bytearray] = []
        self._keep = keep_requests
        self._mode: Mode = mode or Pass()
        self._switched = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self._listen()  # in every mode: the port must be known
        await self.switch(self._mode)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._close_listener()
        await self._end_open()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def switch(self, mode: Mode) -> None:
        """From now on behave like `mode`."""
        self._mode = mode
        self._switched.set()
        self._switched = asyncio.Event()
        if isinstance(mode, Refuse):
            await self._close_listener()
        elif self._server is None:
            await self._listen()
        if isinstance(mode, (Refuse, Reset)):
            await self._end_open()

    async def replay(self, connection: int = -1, *, reply_bytes: int = 65536) -> bytes:
        """Send the target once more what `connection` sent (a late duplicate); the first bytes of its answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        try:
            writer.write(bytes(self.kept[connection]))
            await writer.drain()
            return await reader.read(reply_bytes)
        finally:
            writer.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close_listener(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _end_open(self) -> None:
        ending = list(self._open)
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        kept = bytearray()
        self.kept.append(kept)
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        try:
            await self._connect(reader, writer, kept)
        except* (OSError, asyncio.CancelledError):
            pass  # a cut connection, and an end from outside, are what this proxy is for: no news to the loop
        finally:
            _reset(writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
        if isinstance(self._mode, Reset):
            return
        await self._while_black_hole()
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump_up(reader, up_writer, kept))
                group.create_task(self._pump_down(up_reader, writer))
        finally:
            up_writer.close()

    async def _pump_up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
        sent_bytes = 0
        while piece := await self._piece(reader):
            if self._keep:
                kept += piece
            if isinstance(self._mode, CutAfter) and sent_bytes + len(piece) >= self._mode.size_bytes:
                writer.write(piece[: max(0, self._mode.size_bytes - sent_bytes)])
                await writer.drain()
                raise ConnectionResetError("cut")
            sent_bytes += len(piece)
            writer.write(piece)
            await writer.drain()
        writer.write_eof()

    async def _pump_down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await self._piece(reader):
            if isinstance(self._mode, DropReply):
                raise ConnectionResetError("the reply is dropped")
            writer.write(piece)
            await writer.drain()
        # The target has closed: so does the connection, in good order.
        writer.close()
        await writer.wait_closed()
        raise ConnectionAbortedError("the target has closed")

    async def _piece(self, reader: asyncio.StreamReader) -> bytes:
        """The next bytes of one direction, held back as the mode has it."""
        mode = self._mode
        size_bytes = min(_CHUNK_BYTES, max(1, mode.bytes_per_second // 20)) if isinstance(mode, Rate) else _CHUNK_BYTES
        piece = await reader.read(size_bytes)
        await self._while_black_hole()
        if isinstance(self._mode, Latency):
            await self._sleep(self._mode.seconds)
        elif isinstance(self._mode, Rate):
            await self._sleep(len(piece) / self._mode.bytes_per_second)
        return piece

    async def _while_black_hole(self) -> None:
        while isinstance(self._mode, BlackHole):
            await self._switched.wait()

    async def _sleep(self, seconds: float) -> None:
        """Until `seconds` have passed or the mode is another."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._switched.wait()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST, not FIN; a connection closed before is left as it is."""
    if not writer.transport.is_closing():
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
