"""kill -9 of a real aggregator exactly where a promise of metrics is half kept: what Datadog shows is what was counted."""

import asyncio
import signal
import time

import aiohttp
import msgspec
import pytest

from tests.aggregator.pointing import PodTeller
from tests.aggregator.running import Aggregator
from tests.aggregator.serving import WIRE
from tests.fakes.datadog_intake import DatadogIntake
from towline.wire.codec import decode_answer, encode_request
from towline.wire.snapshot import SnapshotAnswer

pytestmark = pytest.mark.e2e

ROUNDS = 12


class Sender:
    """A collector's way with snapshots: the same one, byte for byte, until it is taken."""

    def __init__(self, number):
        self.teller = PodTeller(f"web-{number}", unix=time.time() - 1200)
        self.value = 0
        self._journal = ""
        self._in_flight = None

    async def step(self, session, url):
        """Whether a snapshot was taken. Raises what aiohttp raises where the aggregator is not there."""
        if self._in_flight is None:
            self.value += self.teller.sequence + 1
            self._in_flight = self.teller.snapshot({"hits_total": self.value}, from_zero=True)
        said = msgspec.structs.replace(self._in_flight, journal=self._journal)
        async with session.post(url + "/v1/snapshots", data=encode_request(said), headers=WIRE) as response:
            answer = decode_answer(await response.read(), SnapshotAnswer)
        if answer.code == 421:
            self._journal = answer.journal
        if answer.code != 200:
            return False
        self._in_flight = None
        return True


async def ship(aggregator, senders, until):
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session, asyncio.timeout(60):
        while any(sender.teller.sequence < until or sender._in_flight for sender in senders):
            for sender in senders:
                if sender.teller.sequence >= until and sender._in_flight is None:
                    continue
                try:
                    await sender.step(session, aggregator.url)
                except (aiohttp.ClientError, TimeoutError):
                    return


@pytest.mark.parametrize(
    "point",
    [
        pytest.param("journal.before_commit", marks=pytest.mark.long),
        "journal.after_commit",
        pytest.param("forwarder.after_2xx", marks=pytest.mark.long),
        "forwarder.before_settle",
    ],
)
async def test_what_is_counted_is_shown_once_whatever_moment_it_is_killed_at(tmp_path, monkeypatch, point):
    senders = [Sender(number) for number in range(3)]
    async with DatadogIntake() as intake:
        monkeypatch.setenv("DD_API_KEY", intake.api_key)
        sink = {"type": "datadog", "logs_url": intake.url, "api_url": intake.url}
        aggregator = Aggregator(tmp_path, {"dd": sink})
        for passes in (1, 2, 5):
            await aggregator.start(kill_at=f"{point}:{passes}")
            await ship(aggregator, senders, ROUNDS * passes)
            assert await asyncio.to_thread(aggregator.process.wait, 20) == -signal.SIGKILL  # by its own hand
        await aggregator.start()
        await ship(aggregator, senders, ROUNDS * 5 + 5)
        assert await aggregator.end() == 0
        for sender in senders:
            name = f"pod_name:{sender.teller.name}"
            assert intake.points.count("hits_total", name) == sender.value
