"""(f) How many usual pods one aggregator serves while the 99th percentile of its acknowledgements stays at or below 100 ms.

Simulated collectors: raw requests over one kept connection each, 20 kB/s of log, gathered for 0.3 s or as long as `next_ms` says.
`python -m bench.replicas [--replica-seconds 10] [--max-collectors 3200]`
"""

import asyncio
import random
import time
from dataclasses import dataclass, field
from functools import cache
from typing import NamedTuple
from urllib.parse import urlsplit

from bench.floor import Squeezer
from bench.load import chunk
from bench.measure import MB, MIB, Options, Row, main, percentile, say, scratch_folder
from bench.parts import datadog_aggregator, null_intake
from bench.wire_client import Door, Stream, pod_of, request_of
from tests.e2e.deployment import Deployment
from towline.wire.block import BlocksAnswer, Code
from towline.wire.codec import REQUEST_TYPE, decode_answer

BYTES_PER_SECOND = 20_000
FLUSH_SECONDS = 0.3
ACCEPTABLE_SECONDS = 0.1
FEWEST = 25
STEP_BYTES = 2000  # block sizes are rounded to this, so that few are ever compressed
WARM_SECONDS = 6.0  # an aggregator may ask for 5 s of gathering: by then all have been told and have come once more
KEEPS_UP = 0.8  # of what is offered; the rest is what happens to be gathered, not sent, at the end of a trial
CLOSER_LOOKS = 2


class Ready(NamedTuple):
    """A block of a given size, made once."""

    body: bytes
    raw_bytes: int


@cache
def block_of(steps: int) -> Ready:
    raw = chunk(min(steps * STEP_BYTES, MIB - STEP_BYTES), seed=steps)
    return Ready(Squeezer().squeeze(raw), len(raw))


@dataclass
class Heard:
    """What all simulated collectors of one trial saw: seconds to each answer, refusals, bytes stored."""

    taken_seconds: list[float] = field(default_factory=list)
    refused: int = 0
    raw_bytes: int = 0


@dataclass(frozen=True)
class Trial:
    """One number of collectors: its window of measurement (monotonic seconds), and where it talks to."""

    address: str
    journal: str
    starts: float
    ends: float
    heard: Heard = field(default_factory=Heard)


async def converse(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str, body: bytes
) -> BlocksAnswer:
    """One request and its answer over a kept connection."""
    head = f"POST /v1/blocks HTTP/1.1\r\nHost: {address}\r\nContent-Type: {REQUEST_TYPE}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    answered = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(answered.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    return decode_answer(await reader.readexactly(length), BlocksAnswer)


async def collect(trial: Trial, number: int) -> None:
    """One pod's collector until the trial ends. A frame that was not stored goes again, as it was."""
    pod = pod_of(number)
    stream = Stream(pod)
    host, port = trial.address.split(":")
    await asyncio.sleep(random.random() * FLUSH_SECONDS)
    reader, writer = await asyncio.open_connection(host, int(port))
    gathered = FLUSH_SECONDS
    frame = None
    while (started := time.monotonic()) < trial.ends:
        if frame is None:
            frame = stream.next_frame(*block_of(max(1, round(gathered * BYTES_PER_SECOND / STEP_BYTES))))
        answer = await converse(reader, writer, trial.address, request_of(trial.journal, pod, [frame]))
        stored = all(said.code == Code.STORED for said in answer.frames) and bool(answer.frames)
        if started >= trial.starts:
            trial.heard.taken_seconds.append(time.monotonic() - started)
            trial.heard.refused += not stored
            trial.heard.raw_bytes += (frame.end - frame.start) * stored
        frame = None if stored else frame
        await asyncio.sleep(max(0.0, max(FLUSH_SECONDS, answer.next_ms / 1000) - (time.monotonic() - started)))
        gathered = time.monotonic() - started
    writer.close()


async def attempt(address: str, journal: str, first: int, collectors: int, seconds: float) -> Heard:
    """Run so many new collectors for a while."""
    now = time.monotonic()
    trial = Trial(address, journal, now + WARM_SECONDS, now + WARM_SECONDS + seconds)
    async with asyncio.TaskGroup() as group:
        for number in range(first, first + collectors):
            group.create_task(collect(trial, number))
    return trial.heard


def is_acceptable(heard: Heard, collectors: int, seconds: float) -> bool:
    """Nobody refused, answers in time, and the pods' logs taken as fast as they are written."""
    if heard.refused or not heard.taken_seconds:
        return False
    keeps_up = heard.raw_bytes >= KEEPS_UP * collectors * BYTES_PER_SECOND * seconds
    return keeps_up and percentile(heard.taken_seconds, 0.99) <= ACCEPTABLE_SECONDS


class Search:
    """How many to try next: doubles until it is too much, then halves the distance a few times. Sans-IO."""

    def __init__(self, fewest: int, most: int) -> None:
        self.good, self._bad, self._most = 0, 0, most
        self._looks = CLOSER_LOOKS
        self.next = min(fewest, most)

    def note(self, *, acceptable: bool) -> None:
        """Learn of a trial of `next`; `next` is 0 when the search is over."""
        if acceptable:
            self.good = self.next
        else:
            self._bad = self.next
        if not self._bad:
            self.next = min(2 * self.good, self._most) if self.good < self._most else 0
        elif self._looks and self.good:
            self._looks -= 1
            self.next = (self.good + self._bad) // 2
        else:
            self.next = 0


def find(url: str, options: Options) -> tuple[int, Heard]:
    """The most collectors that were still served well, and what they saw."""
    door = Door(url)
    journal = door.marks(pod_of(0)).journal
    door.close()
    search, best, first = Search(FEWEST, options.max_collectors), Heard(), 1
    while collectors := search.next:
        heard = asyncio.run(attempt(urlsplit(url).netloc, journal, first, collectors, options.replica_seconds))
        first += collectors
        search.note(acceptable=is_acceptable(heard, collectors, options.replica_seconds))
        best = heard if search.good == collectors else best
        p99 = f"p99 {1e3 * percentile(heard.taken_seconds, 0.99):.0f} ms" if heard.taken_seconds else "no answer"
        rate, offered = heard.raw_bytes / options.replica_seconds / MB, collectors * BYTES_PER_SECOND / MB
        say(
            f"{collectors} collectors: {p99}, {len(heard.taken_seconds)} answers, {heard.refused} refused, {rate:.2f} of {offered:.2f} MB/s"
        )
    return search.good, best


def measure(options: Options) -> list[Row]:
    with scratch_folder(options) as folder, null_intake(folder) as intake:
        intake.wait_ready()
        deployment = Deployment(folder)
        with datadog_aggregator(deployment, intake.url) as aggregator:
            aggregator.wait_ready()
            before, started = aggregator.cpu_seconds(), time.monotonic()
            collectors, heard = find(deployment.aggregator_url, options)
            busy = (aggregator.cpu_seconds() - before) / (time.monotonic() - started)
    if not collectors:
        return [Row(what="collectors per aggregator at p99 acknowledgement <= 100 ms", measured=f"fewer than {FEWEST}")]
    rate = len(heard.taken_seconds) / options.replica_seconds
    p50, p99 = (1e3 * percentile(heard.taken_seconds, share) for share in (0.5, 0.99))
    reached = "at least " if collectors == options.max_collectors else ""
    return [
        Row(
            what="collectors (20 kB/s each) per aggregator at p99 acknowledgement <= 100 ms",
            measured=f"{reached}{collectors}: p50 {p50:.0f} ms, p99 {p99:.0f} ms, {rate:.0f} requests/s, "
            f"{heard.raw_bytes / options.replica_seconds / MB:.1f} MB/s of log (load and service share the machine; {busy:.1f} cores busy)",
            aim="printed",
        )
    ]


if __name__ == "__main__":
    raise SystemExit(main(measure))
