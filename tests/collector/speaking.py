"""Servers that say bytes by hand, and a client to ask them."""

import asyncio
import contextlib

from collector.client import Client

NOTHING = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def speaking(*answers, close=True):
    """A server that reads a request's head and says raw bytes, one entry a connection. Gives the port."""
    script, writers = list(answers), []

    async def serve(reader, writer):
        writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(script.pop(0) if len(script) > 1 else script[0])
            await writer.drain()
            if not close:
                await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for writer in writers:
            writer.transport.abort()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()


@contextlib.contextmanager
def client_of(port, timeout_seconds=5.0, url="http://towline.test:{port}"):
    client = Client(url.format(port=port), timeout_seconds)
    yield client
    client.close()


async def hung_up(connection):
    """Return when the connection has noticed that the other side is gone."""
    gone, lost = asyncio.Event(), connection.connection_lost

    def note(error):
        lost(error)
        gone.set()

    connection.connection_lost = note
    if connection.is_open:
        await gone.wait()


async def ask(client, method="GET", path="/", headers=None, body=b""):
    return await client.request("127.0.0.1", method, path, headers or {}, body)
