"""What the collector's /metrics shows of scraping and of DogStatsD, provoked by what it counts."""

import asyncio
import socket

import pytest

from collector.sources.dogstatsd import DogStatsD
from collector.sources.dogstatsd_options import DogStatsDConfig
from collector.sources.scrape_options import ScrapeConfig
from tests.fakes.pod import collecting


@pytest.fixture
async def pod(tmp_path):
    async with collecting(tmp_path, 9, metrics={"interval_seconds": 15}) as pod:
        yield pod


def value(pod, name, label=""):
    return pod.readings()[f"collector_{name}", label]


async def until(condition):
    """Threads have no event for it."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_scrapes_are_counted_by_what_came_of_them(pod):
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    pod.app._scrape.configs = [ScrapeConfig(url=f"http://127.0.0.1:{port}/metrics")]
    await pod.app._scrape.gather(0, True)
    assert value(pod, "scrapes", "refused") == 1


async def test_what_came_by_dogstatsd_is_counted_line_by_line(pod):
    pod.app._dogstatsd = source = DogStatsD(DogStatsDConfig(listen="127.0.0.1:0"))
    source.start()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as app:
            app.sendto(b"jobs:1|c\njobs:x|c\njobs:2|c", source.address)
            await until(lambda: value(pod, "dogstatsd_packets") == 1)
        assert (value(pod, "dogstatsd_samples"), value(pod, "dogstatsd_series")) == (2, 1)
        refused = sum(n for (name, _), n in pod.readings().items() if name == "collector_dogstatsd_refused")
        assert (refused, value(pod, "dogstatsd_listeners")) == (1, 1)
    finally:
        source.close()


async def test_datagrams_that_the_kernel_dropped_are_counted(pod):
    pod.app._dogstatsd = source = DogStatsD(DogStatsDConfig(listen="127.0.0.1:0", receive_buffer_bytes=4096))
    source.start()
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as app:

            def flood():
                for _ in range(2000):
                    app.sendto(b"x" * 1400, source.address)
                return value(pod, "dogstatsd_kernel_drops") > 0

            await until(flood)
    finally:
        source.close()


async def test_a_dogstatsd_socket_that_could_not_be_opened_is_counted_at_each_try(pod):
    with socket.socket(type=socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        pod.app._dogstatsd = source = DogStatsD(DogStatsDConfig(listen=listen))
        try:
            source.start()
            source.gather(1, fresh=True)
            assert (value(pod, "dogstatsd_sockets_refused"), value(pod, "dogstatsd_listeners")) == (2, 0)
        finally:
            source.close()
