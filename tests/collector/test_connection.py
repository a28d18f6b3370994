"""Answers as they come: cut up, endless, too many, or none at all."""

import asyncio

import pytest

from collector.client import Client, NoAnswerError
from collector.connection import WRITE_BYTES, Connection, TooLongError
from tests.collector.speaking import NOTHING, ask, client_of, speaking


async def test_connection_close_is_heeded():
    async with speaking(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", close=False) as port:
        with client_of(port) as client:
            await ask(client)
            assert client._connection is None


async def test_an_informational_answer_is_passed_over():
    async with speaking(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + NOTHING) as port:
        with client_of(port) as client:
            assert (await ask(client)).status == 200


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    ],
)
async def test_what_is_no_http_answer_is_no_answer(said):
    async with speaking(said) as port:
        with client_of(port) as client:
            with pytest.raises(NoAnswerError):
                await ask(client)
            assert client._connection is None


async def test_an_answer_that_trickles_in_for_ever_ends_after_the_time_out():
    async with speaking(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nsho", close=False) as port:
        with client_of(port, timeout_seconds=0.1) as client, pytest.raises(NoAnswerError):
            await ask(client)


@pytest.mark.parametrize(
    ("said", "limit"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000, "longer than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 2000, "longer than 1000 bytes"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", "head of the answer is longer"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000, "head of the answer is longer"),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1000, "head of the answer is longer"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"y" * 20_000, "head of the answer is longer"),
    ],
)
async def test_an_endless_answer_is_cut_off(said, limit):
    async with speaking(said, close=False) as port:
        client = Client(f"http://towline.test:{port}", 5.0, max_answer_bytes=1000)
        with pytest.raises(NoAnswerError, match=limit) as caught:
            await ask(client)
    assert isinstance(caught.value.__cause__, TooLongError)


async def test_an_answer_without_a_length_ends_with_its_connection():
    async with speaking(b"HTTP/1.0 200 OK\r\n\r\nall of it") as port:
        with client_of(port) as client:
            assert (await ask(client)).body == b"all of it"
            assert client._connection is None


@pytest.mark.parametrize("framing", [b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Content-Length: 99"])
async def test_an_answer_that_says_how_it_ends_does_not_end_with_its_connection(framing):
    async with speaking(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n5\r\nhello\r\n") as port:
        with client_of(port) as client, pytest.raises(NoAnswerError):
            await ask(client)


@pytest.mark.parametrize(
    "said",
    [
        NOTHING + NOTHING,
        NOTHING + b"rubbish",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nokrubbish",
    ],
)
async def test_a_connection_that_says_more_than_it_was_asked_is_not_used_again(said):
    async with speaking(said, close=False) as port:
        with client_of(port) as client:
            assert (await ask(client)).body == b"ok"
            assert client._connection is None


async def test_bytes_that_nobody_asked_for_end_a_kept_connection():
    async with speaking(NOTHING, close=False) as port:
        with client_of(port) as client:
            await ask(client)
            kept = client._connection
            kept.data_received(NOTHING)
            assert not kept.is_open
            assert (await ask(client)).body == b"ok"
            assert client._connection is not kept


@pytest.mark.parametrize("framing", ["content-length", "chunked", "until closed"])
async def test_an_answer_is_the_same_however_it_is_cut_into_reads(framing):
    body = {"chunked": b"2\r\nok\r\n0\r\nTrailer: a\r\n\r\n"}.get(framing, b"ok")
    head = {"content-length": b"Content-Length: 2\r\n", "chunked": b"Transfer-Encoding: chunked\r\n"}.get(framing, b"")
    said = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nEmpty:\r\nRetry-After: 7\r\n" + head + b"\r\n" + body
    connection = Connection()
    connection.connection_made(Nowhere())
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(connection.ask(b"", b"", asyncio.get_running_loop().time() + 10))
        await asyncio.sleep(0)
        for letter in said:
            connection.data_received(bytes([letter]))
        connection.eof_received()
    answer = asked.result()
    assert (answer.status, answer.retry_after_seconds, answer.body) == (200, 7.0, b"ok")
    assert answer.headers["empty"] == ""


async def test_a_long_request_is_written_no_faster_than_it_is_taken():
    """The kernel's buffers full, a transport would copy all the rest."""
    body, told = b"x" * (4 << 20), asyncio.Event()
    most = 0

    async def serve(reader, writer):
        await told.wait()
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(len(body))
        writer.write(NOTHING)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        with client_of(server.sockets[0].getsockname()[1]) as client:
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(ask(client, "POST", body=body))
                for _ in range(200):
                    await asyncio.sleep(0.001)
                    if client._connection is not None:
                        most = max(most, client._connection._transport.get_write_buffer_size())
                told.set()
            assert asked.result().body == b"ok"
    assert 0 < most <= 2 * WRITE_BYTES


class Nowhere:
    """A transport that takes everything."""

    def write(self, _): ...

    def abort(self): ...

    def get_write_buffer_size(self):
        return 0
