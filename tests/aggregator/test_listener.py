import asyncio

import pytest

from tests.aggregator.forwarding import frame_of
from tests.aggregator.serving import serving


async def conversation(address, *parts):
    """Everything that is answered to `parts` until the other side closes."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize("head", [b"", b"G", b"GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: "])
async def test_a_head_that_does_not_come_is_waited_for_only_so_long(tmp_path, head):
    async with serving(tmp_path, head_seconds=0.05) as place:
        assert await conversation(place.address, head) == b""


async def test_the_head_of_a_second_request_has_a_deadline_too(tmp_path):
    async with serving(tmp_path, head_seconds=0.05) as place:
        reader, writer = await asyncio.open_connection(*place.address)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        async with asyncio.timeout(10):
            await reader.readuntil(b"ok\n")
            writer.write(b"GET /he")
            assert await reader.read() == b""
        writer.close()


async def test_a_connection_may_stay_silent_between_requests(tmp_path):
    async with serving(tmp_path, head_seconds=0.05) as place:
        reader, writer = await asyncio.open_connection(*place.address)
        for _ in range(2):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            async with asyncio.timeout(10):
                assert (await reader.readuntil(b"ok\n")).startswith(b"HTTP/1.1 200")
            await asyncio.sleep(0.1)  # the deadline itself is what is tested: it must not be armed now
        writer.close()


async def test_held_connections_keep_nobody_out(tmp_path):
    async with serving(tmp_path, head_seconds=5.0) as place:
        held = [await asyncio.open_connection(*place.address) for _ in range(300)]
        for _, writer in held:
            writer.write(b"POST /v1/blocks HTTP/1.1\r\nContent-Len")
        reply = await place.caller.post(frame_of(b"one\n"))
        for _, writer in held:
            writer.transport.abort()
    assert reply.status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: 1\r\n" % number for number in range(20_000)) + b"\r\n",
        b"POST /v1/blocks HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/blocks HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /v1/blocks HTTP/1.1\r\nHost: a\r\nTowline-Wire: 1\r\nContent-Length: 4294967296\r\n\r\nabc",
    ],
)
async def test_what_is_no_request_is_refused_and_hurts_nobody(tmp_path, head):
    async with serving(tmp_path, head_seconds=0.5) as place:
        answer = await conversation(place.address, head)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
        assert (await place.caller.call("GET", "/healthz")).status == 200
