"""The proxy's faults as a real client, before a real server, sees them."""

import asyncio

import pytest

from tests.fakes.fault_proxy import BlackHole, CutAfter, DropReply, FaultProxy, Latency, Pass, Rate, Refuse, Reset


class Echo:
    """Answers each line with itself; keeps all that arrived."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.connections = 0

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._server.close()

    async def _serve(self, reader, writer) -> None:
        self.connections += 1
        try:
            while piece := await reader.read(65536):
                self.received += piece
                if b"\n" in piece:
                    writer.write(b"echo:" + piece[-20:])
        except ConnectionError:
            return
        finally:
            writer.close()


@pytest.fixture
async def echo():
    async with Echo() as server:
        yield server


class Client:
    """One connection to the proxy."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self):
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._writer.transport.abort()

    async def ask(self, line: bytes = b"hello\n", within_seconds: float = 10.0) -> bytes:
        async with asyncio.timeout(within_seconds):
            self._writer.write(line)
            await self._writer.drain()
            return await self._reader.read(65536)

    async def ask_until_broken(self, line: bytes = b"hello\n") -> None:
        """A broken connection may show at the first question or at the one after."""
        while True:
            await self.ask(line)

    async def close_and_read(self) -> bytes:
        self._writer.write_eof()
        return await self._reader.read()


async def test_what_passes_is_whole_in_both_directions(echo):
    async with FaultProxy(echo.port) as proxy, Client(proxy.port) as client:
        assert await client.ask() == b"echo:hello\n"
        assert await client.ask(b"again\n") == b"echo:again\n"
        assert await client.close_and_read() == b""
    assert (bytes(echo.received), proxy.connections) == (b"hello\nagain\n", 1)
    assert proxy.url == f"http://127.0.0.1:{proxy.port}"


async def test_a_refusing_proxy_listens_again_on_the_same_port(echo):
    async with FaultProxy(echo.port, Refuse()) as proxy:
        with pytest.raises(ConnectionRefusedError):
            async with Client(proxy.port):
                pass
        await proxy.switch(Pass())
        async with Client(proxy.port) as client:
            assert await client.ask() == b"echo:hello\n"


@pytest.mark.parametrize("mode", [Reset(), Refuse()])
async def test_an_open_connection_is_reset_when_the_mode_says_so(echo, mode):
    async with FaultProxy(echo.port) as proxy, Client(proxy.port) as client:
        await client.ask()
        await proxy.switch(mode)
        with pytest.raises(ConnectionError):
            await client.ask_until_broken()


async def test_a_new_connection_is_accepted_and_reset(echo):
    async with FaultProxy(echo.port, Reset()) as proxy, Client(proxy.port) as client:
        with pytest.raises(ConnectionError):
            await client.ask_until_broken()
    assert (proxy.connections, echo.connections) == (1, 0)


async def test_a_black_hole_takes_everything_and_gives_nothing_until_it_is_lifted(echo):
    async with FaultProxy(echo.port, BlackHole()) as proxy, Client(proxy.port) as client:
        with pytest.raises(TimeoutError):
            await client.ask(within_seconds=0.1)
        assert echo.received == b""
        await proxy.switch(Pass())
        assert await client.ask(b"") == b"echo:hello\n"


async def test_an_open_connection_falls_into_the_black_hole_too(echo):
    async with FaultProxy(echo.port) as proxy, Client(proxy.port) as client:
        await client.ask()
        await proxy.switch(BlackHole())
        with pytest.raises(TimeoutError):
            await client.ask(within_seconds=0.1)
    assert echo.received == b"hello\n"


async def test_latency_counts_in_both_directions(echo):
    loop = asyncio.get_running_loop()
    async with FaultProxy(echo.port, Latency(0.05)) as proxy, Client(proxy.port) as client:
        began = loop.time()
        assert await client.ask() == b"echo:hello\n"
        assert loop.time() - began >= 0.1


async def test_latency_ends_with_its_mode(echo):
    async with FaultProxy(echo.port, Latency(60)) as proxy, Client(proxy.port) as client:
        with pytest.raises(TimeoutError):
            await client.ask(within_seconds=0.05)
        await proxy.switch(Pass())
        assert await client.ask(b"") == b"echo:hello\n"


async def test_a_rate_holds_back_what_is_above_it(echo):
    loop = asyncio.get_running_loop()
    async with FaultProxy(echo.port, Rate(10_000)) as proxy, Client(proxy.port) as client:
        began = loop.time()
        await client.ask(b"x" * 1999 + b"\n")
        assert loop.time() - began >= 0.2
    assert len(echo.received) == 2000


async def test_a_cut_lets_so_many_bytes_through_and_no_more(echo):
    async with FaultProxy(echo.port, CutAfter(1000)) as proxy:
        async with Client(proxy.port) as client:
            with pytest.raises(ConnectionError):
                await client.ask_until_broken(b"x" * 100_000 + b"\n")
        await proxy.switch(Pass())
        async with Client(proxy.port) as client:
            await client.ask()
    assert echo.received.removesuffix(b"hello\n") == b"x" * 1000


async def test_what_stays_below_the_cut_passes(echo):
    async with FaultProxy(echo.port, CutAfter(1000)) as proxy, Client(proxy.port) as client:
        assert await client.ask() == b"echo:hello\n"


async def test_a_dropped_reply_leaves_the_request_delivered_and_the_client_in_doubt(echo):
    async with FaultProxy(echo.port, DropReply()) as proxy, Client(proxy.port) as client:
        with pytest.raises(ConnectionResetError):
            await client.ask()
    assert echo.received == b"hello\n"


async def test_a_dead_target_resets_its_clients(unused_tcp_port):
    async with FaultProxy(unused_tcp_port) as proxy, Client(proxy.port) as client:
        with pytest.raises(ConnectionError):
            await client.ask_until_broken()


async def test_a_request_can_come_a_second_time_later(echo):
    async with FaultProxy(echo.port, DropReply(), keep_requests=True) as proxy:
        async with Client(proxy.port) as client:
            with pytest.raises(ConnectionResetError):
                await client.ask()
        assert await proxy.replay() == b"echo:hello\n"
    assert (bytes(echo.received), echo.connections) == (b"hello\nhello\n", 2)


async def test_the_proxy_closes_while_connections_hang(echo):
    async with FaultProxy(echo.port, BlackHole()) as proxy, Client(proxy.port) as client:
        with pytest.raises(TimeoutError):
            await client.ask(within_seconds=0.05)
        await proxy.__aexit__()
        with pytest.raises(ConnectionError):
            await client.ask_until_broken()
