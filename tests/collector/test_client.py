"""HTTP as it is spoken, with real servers: aiohttp's, and bytes by hand where a server misbehaves."""

import asyncio
import socket
import time

import pytest

from collector.client import NoAnswerError
from collector.connection import Answer
from collector.resolver import Resolver
from tests.collector.speaking import NOTHING, ask, client_of, hung_up, speaking
from tests.fakes.aggregator import HANG, Said, Scripted, listening


@pytest.mark.parametrize("status", [200, 400, 401, 404, 409, 413, 421, 426, 429, 500, 503])
async def test_an_answer_is_returned_whatever_its_status(status):
    async with listening(Scripted(Said(status, b'{"a": 1}', {"Retry-After": "7"}))) as port:
        with client_of(port) as client:
            answer = await ask(client)
    assert (answer.status, answer.body, answer.retry_after_seconds) == (status, b'{"a": 1}', 7.0)


async def test_requests_name_host_length_and_what_they_are_given():
    aggregator = Scripted(Said())
    async with listening(aggregator) as port:
        with client_of(port) as client:
            await ask(client, "POST", "/v1/blocks", {"towline-wire": "1"}, b"12345")
    ((method, path, headers, body),) = aggregator.requests
    assert (method, path, body, headers["Host"]) == ("POST", "/v1/blocks", b"12345", f"towline.test:{port}")
    assert (headers["Content-Length"], headers["Towline-Wire"]) == ("5", "1")


async def test_a_path_in_the_url_stands_before_every_path():
    aggregator = Scripted(Said())
    async with listening(aggregator) as port:
        with client_of(port, url="http://towline.test:{port}/behind/a/proxy/") as client:
            await ask(client, path="/v1/marks")
    assert aggregator.paths == ["/behind/a/proxy/v1/marks"]


async def test_one_connection_serves_many_requests():
    async with listening(Scripted(Said())) as port:
        with client_of(port) as client:
            await ask(client)
            first = client._connection
            await ask(client, "POST", body=b"x")
            assert client._connection is first


async def test_a_connection_that_the_server_closed_is_made_anew():
    async with speaking(NOTHING) as port:
        with client_of(port) as client:
            for _ in range(3):
                assert (await ask(client)).body == b"ok"
                await hung_up(client._connection)


async def test_another_address_is_another_connection():
    async with listening(Scripted(Said(200, b"a")), Scripted(Said(200, b"b"))) as port:
        with client_of(port) as client:
            found = [(await client.request(f"127.0.0.{n}", "GET", "/", {})).body for n in (1, 2, 1)]
    assert found == [b"a", b"b", b"a"]


async def test_redirects_are_not_followed():
    aggregator = Scripted(Said(307, headers={"Location": "/elsewhere"}))
    async with listening(aggregator) as port:
        with client_of(port) as client:
            assert (await ask(client)).status == 307
    assert aggregator.paths == ["/"]


async def test_nobody_listening_is_no_answer():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        with client_of(free.getsockname()[1]) as client, pytest.raises(NoAnswerError, match="onnect"):
            await ask(client)


async def test_silence_ends_after_the_time_out():
    async with listening(Scripted(HANG)) as port:
        with client_of(port, timeout_seconds=0.1) as client, pytest.raises(NoAnswerError, match="TimeoutError"):
            await ask(client)


async def test_a_refusal_that_comes_before_the_body_was_read_is_an_answer():
    """Whoever finds a body too large answers and reads no further."""
    too_large = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    async with speaking(too_large, close=False) as port:
        with client_of(port) as client:
            answer = await ask(client, "POST", body=b"x" * (32 << 20))
            assert (answer.status, client._connection) == (413, None)


async def test_an_aggregator_s_own_413_is_an_answer_whatever_the_size(tmp_path):
    from tests.aggregator.serving import serving

    async with serving(tmp_path) as place:
        with client_of(place.address[1]) as client:
            answer = await ask(client, "POST", "/v1/blocks", {"towline-wire": "1"}, b"x" * (9 << 20))
    assert answer.status == 413


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/a b", {}),
        ("/a\r\nX: y", {}),
        ("/\u00e9", {}),
        ("/", {"a": "b\r\nX: y"}),
        ("/", {"a": "b\0"}),
        ("/", {"a\r\nX": "y"}),
        ("/", {"": "y"}),
    ],
)
async def test_nothing_is_sent_that_would_be_another_request_than_the_one_that_was_meant(path, headers):
    aggregator = Scripted(Said())
    async with listening(aggregator) as port:
        with client_of(port) as client, pytest.raises(NoAnswerError, match="cannot be"):
            await ask(client, path=path, headers=headers)
    assert aggregator.requests == []


async def test_a_header_that_cannot_be_sent_does_not_tell_its_value():
    with client_of(80) as client, pytest.raises(NoAnswerError) as caught:
        await ask(client, headers={"authorization": "Bearer secret\n"})
    assert "secret" not in str(caught.value)


async def test_each_request_says_what_it_was_given_and_nothing_of_the_one_before():
    aggregator = Scripted(Said())
    async with listening(aggregator) as port:
        with client_of(port) as client:
            await ask(client, "POST", "/a", {"authorization": "one"}, b"12345")
            await ask(client, "POST", "/a", {"authorization": "two"}, b"123")
            await ask(client, "GET", "/b")
    found = [(path, headers.get("authorization"), body) for _, path, headers, body in aggregator.requests]
    assert found == [("/a", "one", b"12345"), ("/a", "two", b"123"), ("/b", None, b"")]


async def test_a_cancelled_request_leaves_no_connection_behind():
    async with listening(Scripted(HANG)) as port:
        with client_of(port) as client:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await ask(client)
            assert client._connection is None


async def test_a_token_that_is_no_ascii_travels_and_is_the_server_s_to_refuse():
    aggregator = Scripted(Said(401))
    async with listening(aggregator) as port:
        with client_of(port) as client:
            assert (await ask(client, headers={"authorization": "Bearer gehe\u00efm"})).status == 401


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("5", 5.0), ("0.5", 0.5), ("-3", 0.0), ("soon", 0.0), ("nan", 0.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0)],
)
def test_retry_after_is_seconds_or_nothing(said, seconds):
    assert Answer(503, [(b"Retry-After", said.encode())], b"").retry_after_seconds == seconds


# Names.


async def test_a_name_resolves_to_its_addresses_each_once():
    with client_of(80, url="http://localhost:{port}") as client:
        found = await client.resolve()
    assert "127.0.0.1" in found
    assert len(found) == len(set(found))


@pytest.mark.parametrize("host", ["a..b", "x" * 300 + ".test"])
async def test_a_name_that_cannot_be_one_is_no_answer(host):
    with client_of(80, url="http://" + host) as client, pytest.raises(NoAnswerError, match="name resolution of"):
        await client.resolve()


async def test_a_name_that_nobody_knows_is_no_answer(monkeypatch):
    def unknown(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr("collector.resolver.socket.getaddrinfo", unknown)
    with client_of(80) as client, pytest.raises(NoAnswerError, match=r"resolution of towline\.test.*not known"):
        await client.resolve()


async def test_name_servers_that_are_silent_cost_the_time_out_and_no_more(monkeypatch):
    asked = []

    def slowly(*_, **__):
        asked.append(1)
        time.sleep(0.5)
        return [(2, 1, 6, "", ("10.0.0.1", 80)), (2, 1, 6, "", ("10.0.0.1", 80))]

    monkeypatch.setattr("collector.resolver.socket.getaddrinfo", slowly)
    with client_of(80, timeout_seconds=0.05) as client:
        for _ in range(3):
            with pytest.raises(NoAnswerError, match="timed out"):
                await client.resolve()
        assert len(asked) == 1  # one lookup at a time
        client._timeout_seconds = 10.0
        assert await client.resolve() == ["10.0.0.1"]  # what came too late for those before
        assert len(asked) == 1


async def test_an_error_that_comes_when_nobody_waits_is_told_to_the_next_who_asks(monkeypatch):
    def fails(*_, **__):
        time.sleep(0.1)
        raise socket.gaierror(-3, "temporary failure")

    monkeypatch.setattr("collector.resolver.socket.getaddrinfo", fails)
    resolver = Resolver("a.test", 80)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await resolver.addresses()
    with pytest.raises(socket.gaierror):
        await resolver.addresses()
    assert resolver._pending is None
