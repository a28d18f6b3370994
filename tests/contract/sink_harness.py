"""A real sink before its real counterpart, for each row of SINKS that pushes: the same situations, played by each in its own way."""

import asyncio
import contextlib
import json
import time
from pathlib import Path

import aiohttp

from aggregator.core.bisect import Bisection
from aggregator.core.records import Batch, Slice
from aggregator.registry import SINKS
from aggregator.sink import SinkOptions, Surroundings
from tests.fakes.cloudwatch_front import CloudWatchFront, Credentials, aws_error
from tests.fakes.datadog_intake import DatadogIntake
from tests.fakes.script import Answer, Hang, Poison, Recorded, Slow
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError
from towline.wire.identity import Origin, Pod

POD = Pod(namespace="shop", name="web-0", uid="u", workload="web")
ORIGIN = Origin(path="/var/log/app/x.log", container="web", source="nginx")
HOUR_NS = 3600 * 10**9
MAX_ATTEMPTS = 10


class Harness:
    """One sink and what it sends to. `ids()` is every event id that arrived, in order, copies included."""

    exactly_once = False
    asks_to_wait_seconds = 7.0

    def __init__(self, kind, folder: Path):
        self.kind = kind
        self.folder = folder
        self.stack = contextlib.AsyncExitStack()
        self.sink = None

    async def __aenter__(self):
        self.session = await self.stack.enter_async_context(aiohttp.ClientSession())
        values = await self.start()
        self.spec = SINKS[self.kind]
        self.config = self.spec.config(**values)
        self.sink = self.build()
        return self

    async def __aexit__(self, *exc):
        await self.sink.close()
        await self.stack.aclose()

    def calm(self):
        """End what `busy` began, where it does not end by itself."""

    def build(self):
        options = SinkOptions(type=self.kind, event_id=True)
        place = Surroundings(name=self.kind, options=options, session=self.session, replica="agg-0", folder=self.folder)
        return self.spec.build(self.config, place)


class DatadogHarness(Harness):
    async def start(self):
        self.intake = await self.stack.enter_async_context(DatadogIntake())
        key = self.folder / "key"
        key.write_text(self.intake.api_key)
        return {"logs_url": self.intake.url, "api_url": self.intake.url, "api_key_file": str(key), "timeout_seconds": 5}

    def ids(self):
        return [one["evt_id"] for one in self.intake.entries]

    def busy(self):
        self.intake.play(Answer(429, {"Retry-After": "7"}))

    def poison(self, text):
        self.intake.play(then=Poison(text))

    def silent(self):
        self.intake.play(Hang())

    def keeps_and_says_nothing(self):
        self.intake.play(Recorded("hang"))

    def keeps_and_breaks_off(self):
        self.intake.play(Recorded("cut"))

    def slow(self):
        self.intake.play(Slow(0.05))


class CloudWatchHarness(Harness):
    async def start(self):
        self.front = await self.stack.enter_async_context(CloudWatchFront())
        self.asks_to_wait_seconds = 0.0  # ThrottlingException names no time
        return {"region": "eu-central-1", "endpoint_url": self.front.url, "timeout_seconds": 5}

    def ids(self):
        return [json.loads(one["message"])["evt_id"] for one in self.front.entries]

    def busy(self):
        self.front.play(aws_error("ThrottlingException", "Rate exceeded"))

    def poison(self, text):
        self.front.play(then=Poison(text))

    def silent(self):
        self.front.play(Hang())

    def keeps_and_says_nothing(self):
        self.front.play(None, Recorded("hang"))  # the first call only learns that the stream is missing

    def keeps_and_breaks_off(self):
        self.front.play(None, Recorded("cut"))

    def slow(self):
        self.front.play(Slow(0.05), Slow(0.05))


class FileHarness(Harness):
    exactly_once = True
    asks_to_wait_seconds = 0.0

    async def start(self):
        self.path = self.folder / "out" / "shop" / "web-0.jsonl"
        return {"path": f"{self.folder}/out/{{namespace}}/{{pod}}.jsonl"}

    def ids(self):
        return [json.loads(line)["evt_id"] for line in self.path.read_bytes().splitlines()]

    def busy(self):
        self.blocker = self.folder / "out"
        self.blocker.touch()  # where the folder belongs

    def calm(self):
        self.blocker.unlink()


HARNESSES = {"datadog": DatadogHarness, "cloudwatch": CloudWatchHarness, "file": FileHarness}
PULLS = {"prometheus", "remote_write", "log_metrics"}


def harness_for(kind, folder):
    return HARNESSES[kind](kind, folder)


def aws_keys(monkeypatch, folder):
    """Credentials from the environment, and no file of this machine's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", Credentials.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", Credentials.secret_key)
    monkeypatch.delenv("AWS_SESSION_TOKEN", raising=False)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "none"))


def batch_for(sink, lines, *, start=0, age_hours=0):
    """One slice of fresh lines, in the lane and key that the sink gives them."""
    end = start + sum(map(len, lines)) + len(lines)
    piece = Slice(
        block_id=start,
        stream="5" * 32,
        epoch=0,
        start=start,
        end=end,
        lines=lines,
        pod=POD,
        origin=ORIGIN,
        read_unix_ns=time.time_ns() - age_hours * HOUR_NS,
    )
    return Batch((piece,), sink.key(POD, ORIGIN))


def joined(*batches):
    return Batch(tuple(piece for batch in batches for piece in batch.slices), batches[0].key)


def ids_of(batch):
    return [one for piece in batch.slices for one in piece.event_ids()]


class Custody:
    """What a forwarder would be left with: refused ids by reason, and the waits it was asked for."""

    def __init__(self):
        self.refused = {}
        self.waits = []
        self.memo = {}


async def deliver(sink, batch, *, give_up_seconds=10.0, on_retry=None) -> Custody:
    """Deliver as the forwarder does, without its waiting: again, in halves, or as refusals."""
    custody, work, attempts = Custody(), Bisection(batch), 0
    payload = sink.encode(batch)
    while (part := work.part) is not None:
        payload = payload if part is batch else sink.encode(part)
        try:
            async with asyncio.timeout(give_up_seconds):
                receipt = await sink.send(part, payload)
        except (TooLargeError, RejectedError) as error:
            if work.split():
                continue
            custody.refused[ids_of(part)[0]] = type(error).__name__
        except (RetryableError, TimeoutError) as error:
            attempts += 1
            custody.waits.append(getattr(error, "retry_after_seconds", 0.0))
            assert attempts < MAX_ATTEMPTS
            if on_retry:
                on_retry()
            continue
        else:
            ids = ids_of(part)
            custody.refused |= {ids[one.index]: one.reason for one in receipt.refusals}
            custody.memo |= receipt.memo
        work.done()
    return custody
