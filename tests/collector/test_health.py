"""The collector's own HTTP, spoken to over sockets by hand and by aiohttp."""

import asyncio
import contextlib

import aiohttp
import h11
import pytest

from collector import health
from collector.health import HealthServer, Page, with_fluent_bit


@contextlib.asynccontextmanager
async def serving(**pages):
    server = HealthServer({f"/{name}": page for name, page in pages.items()})
    port = await server.start("127.0.0.1", 0)
    yield port
    await server.close()


def fine():
    return Page(200, b"ok\n")


async def say(port, raw):
    """Everything that is answered to these bytes, until the other side hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_page_is_answered_with_its_status_type_and_length():
    async with (
        serving(metrics=lambda: Page(503, b"a 1\n", "text/x; y=z")) as port,
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/metrics?a=b") as answer,
    ):
        found = answer.status, answer.headers["Content-Type"], answer.headers["Content-Length"], await answer.read()
    assert found == (503, "text/x; y=z", "4", b"a 1\n")


async def test_head_answers_without_a_body():
    async with serving(healthz=fine) as port:
        answer = await say(port, b"HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n")
    assert b"content-length: 3" in answer.lower()


async def test_another_path_is_told_which_there_are():
    async with serving(healthz=fine, metrics=fine) as port:
        answer = await say(port, b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"/healthz, /metrics" in answer


@pytest.mark.parametrize("method", [b"POST", b"DELETE", b"PUT"])
async def test_only_get_is_answered(method):
    async with serving(healthz=fine) as port:
        assert (await say(port, method + b" /healthz HTTP/1.1\r\nHost: a\r\n\r\n")).startswith(b"HTTP/1.1 405")


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n\x16\x03", b"405"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n\x16\x03", b"200"),
        (b"GET /healthz HTTP/1.0\r\n\r\n", b"200"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", b"200"),
        (b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n\0\0", b"200"),
        (b"GET http://a/healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
    ],
)
async def test_what_follows_the_head_is_nobody_s_business(head, status):
    async with serving(healthz=fine) as port:
        answer = await say(port, head)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert answer.count(b"HTTP/1.1") == 1


async def test_a_head_may_come_in_pieces():
    async with serving(healthz=fine) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for letter in b"GET /healthz?a HTTP/1.1\r\nHost: a\r\n\r\n":
            writer.write(bytes([letter]))
            await asyncio.sleep(0)
        assert (await reader.read()).endswith(b"ok\n")
        writer.close()


@pytest.mark.parametrize("page", [fine, lambda: Page(503, b"", "text/x")])
async def test_answers_are_what_another_parser_of_http_takes_for_an_answer(page):
    judge = h11.Connection(h11.CLIENT)
    judge.send(h11.Request(method="GET", target="/healthz", headers=[("host", "a")]))
    async with serving(healthz=page) as port:
        judge.receive_data(await say(port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"))
    judge.receive_data(b"")
    head, *body, end = iter(judge.next_event, h11.ConnectionClosed())
    assert (head.status_code, b"".join(part.data for part in body)) == (page().status, page().body)
    assert isinstance(end, h11.EndOfMessage)


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n",
        b"\r\n" * 50_000,
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    ],
)
async def test_what_is_no_request_hurts_nobody(raw):
    async with serving(healthz=fine) as port:
        await say(port, raw)
        assert b"ok" in await say(port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")


async def test_a_caller_that_says_nothing_is_hung_up_on(monkeypatch):
    monkeypatch.setattr(health, "DEADLINE_SECONDS", 0.05)
    async with serving(healthz=fine) as port:
        assert await say(port, b"GET /he") == b""


async def test_too_many_callers_are_hung_up_on_and_the_next_one_is_served(monkeypatch):
    monkeypatch.setattr(health, "MAX_CONNECTIONS", 2)
    async with serving(healthz=fine) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        assert await say(port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n") == b""
        for reader, writer in held:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
            assert b"ok" in await reader.read()
            writer.close()
        assert b"ok" in await say(port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")


async def test_a_caller_that_holds_on_does_not_hold_up_our_exit():
    async with asyncio.timeout(5), serving(healthz=fine) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /he")
        await say(port, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    writer.close()


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/", 200, b"towline collector\n"),
        ("/api/v1/health", 503, b"stalled\n"),
        ("/api/v1/metrics/prometheus", 200, b"a 1\n"),
        ("/api/v1/uptime", 200, b'{"uptime_sec":61}\n'),
        ("/healthz", 503, b"stalled\n"),
    ],
)
async def test_probes_that_were_written_for_fluent_bit_are_answered(path, status, body):
    pages = {"/healthz": lambda: Page(503, b"stalled\n"), "/metrics": lambda: Page(200, b"a 1\n", "text/x")}
    server = HealthServer(with_fluent_bit(pages, lambda: 61.9))
    port = await server.start("127.0.0.1", 0)
    answer = await say(port, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
    await server.close()
    assert answer.startswith(f"HTTP/1.1 {status}".encode())
    assert answer.endswith(b"\r\n\r\n" + body)
