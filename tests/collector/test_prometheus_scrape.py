"""Endpoints as apps serve them, and as they should not, each on a socket of its own."""

import asyncio
import contextlib
import random

import prometheus_client
import pytest

from collector.connection import PART_BYTES
from collector.sources.prometheus_scrape import PrometheusScrape
from collector.sources.scrape_options import ScrapeConfig
from towline.wire.codec import open_body
from towline.wire.identity import Pod

TEXT = b"# TYPE jobs_total counter\njobs_total 3\n"


def answer(body, *, status="200 OK", headers="content-type: text/plain; version=0.0.4"):
    return b"HTTP/1.1 %b\r\n%b\r\ncontent-length: %d\r\n\r\n%b" % (status.encode(), headers.encode(), len(body), body)


@contextlib.asynccontextmanager
async def endpoint(*said, hold=False, endless=b""):
    """An endpoint that says these bytes to each request in turn; then it hangs, talks for ever, or hangs up."""
    asked, left, serving = [], list(said), {}

    async def serve(reader, writer):
        serving[asyncio.current_task()] = writer
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while left or hold or endless:
                asked.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(left.pop(0) if left else b"")
                while endless:
                    writer.write(endless)
                    await writer.drain()
                await writer.drain()
                if not left and hold:
                    await asyncio.sleep(30)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], asked
    finally:
        server.close()
        for task, writer in serving.items():
            task.cancel()
            writer.transport.abort()
        if serving:
            await asyncio.wait(serving)
            for writer in serving.values():
                with contextlib.suppress(OSError):
                    await writer.wait_closed()


def scrape_of(port, annotations=None, path="/metrics", **options):
    configs = [ScrapeConfig(url=f"http://127.0.0.1:{port}{path}", **options)] if port else []
    who = Pod(
        namespace="n",
        name="p",
        uid="u",
        ip="10.0.0.9",
        workload="web",
        annotations={} if annotations is None else annotations,
    )
    return PrometheusScrape(configs, lambda: who)


async def once(port, **options):
    source = scrape_of(port, **options)
    try:
        (found,) = (await source.gather(0, True)).scrapes
    finally:
        source.close()
    return found, dict(source.scrapes)


async def test_the_text_travels_compressed_and_unread():
    async with endpoint(answer(TEXT)) as (port, asked):
        found, outcomes = await once(port, job="cart", labels={"team": "a"})
    assert open_body(found.codec, found.body, found.length) == TEXT
    assert found.labels == {"job": "cart", "instance": f"10.0.0.9:{port}", "team": "a"}
    assert (found.up, found.content_type, outcomes) == (True, "text/plain; version=0.0.4", {"up": 1})
    assert b"application/openmetrics-text" in asked[0]
    assert b"x-prometheus-scrape-timeout-seconds: 5" in asked[0].lower()


async def test_the_connection_is_kept_from_scrape_to_scrape_and_made_anew_where_it_ended():
    async with endpoint(answer(TEXT), answer(TEXT)) as (port, asked):
        source = scrape_of(port)
        ups = [(await source.gather(0, True)).scrapes[0].up for _ in range(3)]
        source.close()
    assert (ups, len(asked)) == ([True, True, False], 2)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (answer(b"", status="404 Not Found"), "status_404"),
        (answer(b"", status="302 Found", headers="location: http://10.0.0.1/"), "status_302"),
        (answer(b"<html>", headers="content-type: text/html"), "not_text"),
        (answer(b"\x1f\x8b", headers="content-type: text/plain\r\ncontent-encoding: gzip"), "not_text"),
        (answer(b"a 1\n" * 11), "too_many_series"),
        (answer(b"a 1\n" * 300), "too_large"),
        (b"SSH-2.0-OpenSSH\r\n", "no_answer"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", "no_answer"),
    ],
)
async def test_what_is_no_exposition_is_down_with_its_reason(said, error):
    async with endpoint(said) as (port, _):
        found, outcomes = await once(port, max_bytes=1000, max_series=10)
    assert (found.up, found.error, found.body, outcomes) == (False, error, b"", {error: 1})


async def test_comments_are_no_series():
    async with endpoint(answer(b"# HELP a b\n" * 20 + b"a 1\n" * 10)) as (port, _):
        found, _ = await once(port, max_series=10)
    assert found.up


async def test_nobody_there_is_refused():
    async with endpoint() as (port, _):
        pass
    assert (await once(port))[0].error == "refused"


async def test_one_that_hangs_costs_its_own_timeout_and_no_neighbour():
    async with endpoint(hold=True) as (hung, _), endpoint(answer(TEXT)) as (well, _):
        configs = [ScrapeConfig(url=f"http://127.0.0.1:{port}/metrics", timeout_seconds=0.2) for port in (hung, well)]
        source = PrometheusScrape(configs, lambda: Pod(namespace="n", name="p", uid="u"))
        found = (await source.gather(0, True)).scrapes
        source.close()
    assert [it.error for it in found] == ["timed_out", ""]


async def test_one_that_hangs_longer_than_there_is_patience_for_costs_no_neighbour():
    async with endpoint(hold=True) as (hung, _), endpoint(answer(TEXT)) as (well, _):
        configs = [ScrapeConfig(url=f"http://127.0.0.1:{port}/metrics", timeout_seconds=30) for port in (hung, well)]
        source = PrometheusScrape(configs, lambda: Pod(namespace="n", name="p", uid="u"))
        found = (await source.gather(0, True, 0.2)).scrapes
        source.close()
    assert [it.error for it in found] == ["timed_out", ""]
    assert source.scrapes == {"timed_out": 1, "up": 1}


async def test_what_would_make_a_snapshot_too_large_to_be_taken_is_left_out_by_itself(monkeypatch):
    monkeypatch.setattr("collector.sources.prometheus_scrape.MAX_TEXTS_BYTES", 2000)
    noise = answer(b"# " + random.Random(1).randbytes(1500).hex().encode() + b"\n")
    async with endpoint(noise) as (first, _), endpoint(noise) as (second, _), endpoint(answer(TEXT)) as (well, _):
        configs = [ScrapeConfig(url=f"http://127.0.0.1:{port}/metrics") for port in (first, second, well)]
        source = PrometheusScrape(configs, lambda: Pod(namespace="n", name="p", uid="u"))
        found = (await source.gather(0, True)).scrapes
        source.close()
    assert [(it.up, it.error) for it in found] == [(True, ""), (False, "no_room"), (True, "")]
    assert source.scrapes == {"up": 2, "no_room": 1}


async def test_an_answer_that_says_it_is_too_long_is_not_read():
    async with endpoint(b"HTTP/1.1 200 OK\r\ncontent-length: 536870912\r\n\r\n", hold=True) as (port, _):
        found, _ = await once(port)
    assert found.error == "too_large"


@pytest.mark.parametrize(
    ("line", "error"), [(b"a 1\n", "too_many_series"), (b"# HELP a b\n", "too_large"), (b"aaaa", "too_large")]
)
async def test_an_endless_answer_is_cut_off_at_the_limit_that_it_meets_first(line, error):
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n"
    async with endpoint(head, endless=line * 1000) as (port, _):
        found, _ = await once(port, max_bytes=500_000, max_series=1000)
    assert found.error == error


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
async def test_a_long_text_is_one_frame_that_opens_to_the_same_text(framing):
    text = b"".join(b'# HELP a\na{id="%d"} 1\n' % number for number in range(9000))
    said = answer(text)
    if framing == "chunked":
        pieces = [text[at : at + 5000] for at in range(0, len(text), 5000)] + [b""]
        said = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        said += b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    async with endpoint(said, said) as (port, asked):
        source = scrape_of(port, max_series=9000)
        found = [(await source.gather(0, True)).scrapes[0] for _ in range(2)]
        source.close()
    assert [open_body(it.codec, it.body, it.length) for it in found] == [text, text]
    assert len(asked) == 2


async def test_lines_are_counted_across_the_parts_that_a_text_comes_in():
    text = b"".join(b"# HELP a %d\na 1\n" % number for number in range(9000))
    for most, error in ((9000, ""), (8999, "too_many_series")):
        async with endpoint(answer(text)) as (port, _):
            found, _ = await once(port, max_series=most)
        assert found.error == error


async def test_while_a_text_is_compressed_nothing_more_of_it_is_read():
    text = b"".join(b'a{id="%d"} 1\n' % number for number in range(200_000))
    async with endpoint(answer(text)) as (port, _):
        source = scrape_of(port, max_series=200_000)
        source._follow(source.pod())
        (only,) = source._endpoints.values()
        held = []

        async def take(part):
            held.append(len(part.body))
            await asyncio.sleep(0)

        await only.client.stream("127.0.0.1", "/metrics", {}, take)
        source.close()
    assert sum(held) == len(text)
    assert max(held) < 2 * PART_BYTES


async def test_annotations_are_followed_as_they_come_and_go():
    annotations = {}
    async with endpoint(answer(TEXT)) as (port, asked):
        source = scrape_of(0, annotations)
        before = (await source.gather(0, True)).scrapes
        annotations.update(
            {"prometheus.io/scrape": "true", "prometheus.io/port": str(port), "prometheus.io/path": "/m?a=b"}
        )
        during = (await source.gather(0, True)).scrapes
        annotations.clear()
        after = (await source.gather(0, True)).scrapes
    assert ([it.up for it in during], before, after) == ([True], (), ())
    assert asked[0].startswith(b"GET /m?a=b HTTP/1.1\r\n")


async def test_an_app_that_uses_the_official_client_is_scraped_in_openmetrics():
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Counter("jobs", "Jobs.", registry=registry).inc(3, exemplar={"trace_id": "t1"})
    server, thread = prometheus_client.start_http_server(0, "127.0.0.1", registry=registry)
    try:
        found, _ = await once(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    text = open_body(found.codec, found.body, found.length)
    assert found.content_type.startswith("application/openmetrics-text")
    assert b'jobs_total 3.0 # {trace_id="t1"}' in text


@pytest.mark.parametrize("url", ["http://10.0.0.1/metrics", "http://169.254.169.254/", "ftp://127.0.0.1/", "nonsense"])
def test_only_the_pods_own_addresses_may_be_configured(url):
    with pytest.raises(ValueError, match=r"^url: "):
        ScrapeConfig(url=url)
