"""(d) What the Datadog route costs the aggregator, against its unavoidable parts alone over the same bytes; (c) what it holds in memory.

Alone: commit the compressed block to SQLite, open it, escape its lines into JSON, put Datadog's attributes around them, compress that.
`python -m bench.aggregator_datadog [--backlog-mb 256] [--runs 5]`
"""

import sqlite3
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import orjson

from bench.floor import Squeezer, unsqueeze
from bench.load import blocks, write_backlog
from bench.measure import MB, Options, Row, main, say, scratch_folder
from bench.parts import datadog_aggregator, null_intake, wait_for_bytes
from bench.wire_client import Door, Stream, pod_of
from tests.e2e.deployment import Deployment

STREAMS = 4  # one frame of each to a request
SETTLE_SECONDS = 1.0
ENVELOPE = (
    b'","ddsource":"nginx","service":"web","hostname":"web-5d4f7c6b9d-00001","status":"info","timestamp":1767225600000,'
    b'"ddtags":"kube_namespace:shop,pod_name:web-5d4f7c6b9d-00001,kube_container_name:web,filename:0.log,dirname:/var/log/app"},{"message":"'
)


class Block(NamedTuple):
    """A block as a collector sends it."""

    body: bytes
    raw_bytes: int


class Spent(NamedTuple):
    """CPU seconds, and peak and idle bytes of the aggregator."""

    seconds: float
    idle_rss_bytes: int
    peak_rss_bytes: int


def payload_of(raw: bytes, envelope: bytes) -> bytes:
    """All lines of a block, escaped. In escaped text a bare quote ends a string, so `","` stands only between lines."""
    escaped = orjson.dumps(raw[:-1].decode(errors="replace").split("\n"))
    return escaped.replace(b'","', envelope) if envelope else escaped


def alone_seconds(folder: Path, taken: Sequence[Block], envelope: bytes) -> float:
    """CPU seconds of the unavoidable parts, in one process that does nothing else. Commits are grouped as the requests are."""
    folder.mkdir()
    database = sqlite3.connect(folder / "alone.db", isolation_level=None)
    database.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE blocks(id INTEGER PRIMARY KEY, body BLOB)"
    )
    squeezer = Squeezer()
    started = time.process_time()
    for first in range(0, len(taken), STREAMS):
        group = taken[first : first + STREAMS]
        database.execute("BEGIN")
        database.executemany("INSERT INTO blocks(body) VALUES (?)", [(block.body,) for block in group])
        database.execute("COMMIT")
        for block in group:
            squeezer.squeeze(payload_of(unsqueeze(block.body), envelope))
        database.execute("DELETE FROM blocks")
    spent = time.process_time() - started
    database.close()
    return spent


def through_the_aggregator(folder: Path, taken: Sequence[Block], routes: Sequence[Mapping[str, Any]] = ()) -> Spent:
    """CPU seconds of a real aggregator from the first request until everything is delivered, by these routes to `dd`, or by one that asks for nothing."""
    deployment = Deployment(folder)
    pod = pod_of(1)
    deployment.identity["POD_UID"] = pod.uid
    streams = [Stream(pod, number) for number in range(STREAMS)]
    with null_intake(folder) as intake:
        intake.wait_ready()
        with datadog_aggregator(deployment, intake.url, routes) as aggregator:
            aggregator.wait_ready()
            time.sleep(SETTLE_SECONDS)
            idle, before = aggregator.rss_bytes(), aggregator.cpu_seconds()
            door = Door(deployment.aggregator_url)
            journal = door.marks(pod).journal
            for first in range(0, len(taken), STREAMS):
                group = taken[first : first + STREAMS]
                frames = [stream.next_frame(*block) for stream, block in zip(streams, group, strict=False)]
                door.post(journal, pod, frames)
            door.close()
            wait_for_bytes(deployment, sum(block.raw_bytes for block in taken), delivered=True)
            return Spent(aggregator.cpu_seconds() - before, idle, aggregator.peak_rss_bytes())


def measure(options: Options) -> list[Row]:
    full: list[float] = []
    bare: list[float] = []
    real: list[Spent] = []
    with scratch_folder(options) as folder:
        write_backlog(folder / "backlog", options.backlog_mb)
        squeezer = Squeezer()
        taken = [Block(squeezer.squeeze(block), len(block)) for block in blocks(folder / "backlog")]
        for run in range(options.runs):
            full.append(alone_seconds(folder / f"full{run}", taken, ENVELOPE))
            bare.append(alone_seconds(folder / f"bare{run}", taken, b""))
            real.append(through_the_aggregator(folder / f"real{run}", taken))
            say(f"run {run}: alone {full[-1]:.3f} s, without attributes {bare[-1]:.3f} s, aggregator {real[-1]}")
    size_mb = sum(block.raw_bytes for block in taken) / MB
    spent, floor, bare_floor = median(run.seconds for run in real), median(full), median(bare)
    idle, peak = (max(getattr(run, name) for run in real) / MB for name in ("idle_rss_bytes", "peak_rss_bytes"))
    measured = f"{1e3 * spent / size_mb:.2f} ms/MB"
    return [
        Row(
            what=f"aggregator, Datadog route unparsed, zstd out, {size_mb:.0f} MB",
            measured=measured,
            floor=f"{1e3 * floor / size_mb:.2f} ms/MB unzstd + JSON escape + zstd + SQLite commit",
            ratio=spent / floor,
            aim="<= 1.5",
            peer="53 ms/MB JSON parser, gzip to Datadog",
        ),
        Row(
            what="the same against bare lines",
            measured=measured,
            floor=f"{1e3 * bare_floor / size_mb:.2f} ms/MB, no attributes around the lines",
            ratio=spent / bare_floor,
        ),
        Row(
            what="aggregator, RSS",
            measured=f"{idle:.1f} MB idle, {peak:.1f} MB peak",
            aim="peak <= 150 MB",
            peer="278 MB",
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(main(measure))
