"""(a) What a backlog costs the collector, against zstd level 1 alone over the same blocks; and what both hops cost. Also (c): its peak RSS.

`python -m bench.collector_backlog [--backlog-mb 256] [--runs 5]`. big_backlog.py asks the same of 10 GB.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.floor import Squeezer
from bench.installed import Installed
from bench.load import blocks, write_backlog
from bench.measure import MB, Options, Row, main, say, scratch_folder
from bench.parts import datadog_aggregator, null_aggregator, null_intake, wait_for_bytes
from tests.e2e.procs import Service

SETTLE_SECONDS = 1.0


class Held(NamedTuple):
    """Bytes of memory that a process had resident: at most, and once all was across and quiet again."""

    peak_bytes: int
    after_bytes: int


class Shipped(NamedTuple):
    """What one run cost: CPU seconds of shipping (start-up apart), of starting, of the aggregator; wall seconds; memory."""

    collector_seconds: float
    start_seconds: float
    aggregator_seconds: float
    wall_seconds: float
    collector_held: Held
    aggregator_held: Held


def zstd_alone_seconds(backlog: Path) -> tuple[float, int]:
    """CPU seconds of compressing the file's blocks and nothing else, and the bytes that came out."""
    spent, size_bytes, squeezer = 0.0, 0, Squeezer()
    for block in blocks(backlog):
        started = time.process_time()
        size_bytes += len(squeezer.squeeze(block))
        spent += time.process_time() - started
    return spent, size_bytes


def held_by(service: Service) -> Held:
    return Held(service.peak_rss_bytes(), service.rss_bytes())


def ship(deployment: Installed, aggregator: Service, backlog: Sequence[Path], *, delivered: bool) -> Shipped:
    """Start both, let a quiet collector find the backlog (by renames into its folder), and wait until all of it is across."""
    size_bytes = sum(path.stat().st_size for path in backlog)
    with aggregator, deployment.collector() as collector:
        aggregator.wait_ready()
        collector.wait_ready()
        time.sleep(SETTLE_SECONDS)
        start_seconds, aggregator_before = collector.cpu_seconds(), aggregator.cpu_seconds()
        for path in backlog:
            path.rename(deployment.logs / path.name)
        wall_seconds = wait_for_bytes(deployment, size_bytes, delivered=delivered)
        spent = collector.cpu_seconds() - start_seconds
        spent_there = aggregator.cpu_seconds() - aggregator_before
        time.sleep(SETTLE_SECONDS)
        held = held_by(collector), held_by(aggregator)
    for path in backlog:
        (deployment.logs / path.name).rename(path)
    return Shipped(spent, start_seconds, spent_there, wall_seconds, *held)


def against_null(folder: Path, backlog: Sequence[Path]) -> Shipped:
    deployment = Installed(folder)
    return ship(deployment, null_aggregator(deployment), backlog, delivered=False)


def over_two_hops(folder: Path, backlog: Sequence[Path]) -> Shipped:
    deployment = Installed(folder)
    with null_intake(folder) as intake:
        intake.wait_ready()
        return ship(deployment, datadog_aggregator(deployment, intake.url), backlog, delivered=True)


def measure(options: Options) -> list[Row]:
    alone: list[float] = []
    null: list[Shipped] = []
    real: list[Shipped] = []
    with scratch_folder(options) as folder:
        backlog = folder / "backlog.log"
        size_bytes = write_backlog(backlog, options.backlog_mb)
        for run in range(options.runs):
            spent, compressed_bytes = zstd_alone_seconds(backlog)
            alone.append(spent)
            null.append(against_null(folder / f"null{run}", [backlog]))
            real.append(over_two_hops(folder / f"real{run}", [backlog]))
            say(f"run {run}: zstd alone {spent:.3f} s, {null[-1]}, {real[-1]}")
    return rows_of(size_bytes, compressed_bytes, alone, null, real)


def rows_of(
    size_bytes: int, compressed_bytes: int, alone: list[float], null: list[Shipped], real: list[Shipped]
) -> list[Row]:
    """Medians over the runs, per MB of log."""
    size_mb = size_bytes / MB
    floor = median(alone)
    spent, started = median(run.collector_seconds for run in null), median(run.start_seconds for run in null)
    spent_real, hop = median(run.collector_seconds for run in real), median(run.aggregator_seconds for run in real)
    both = spent_real + hop
    peak, peak_real = (max(run.collector_held.peak_bytes for run in runs) / MB for runs in (null, real))
    said = f"{1e3 * floor / size_mb:.2f} ms/MB zstd-1 alone ({size_bytes / compressed_bytes:.1f}:1)"
    return [
        Row(
            what=f"collector, {size_mb:.0f} MB backlog, null aggregator",
            measured=f"{1e3 * spent / size_mb:.2f} ms/MB, {size_mb / median(run.wall_seconds for run in null):.0f} MB/s",
            floor=said,
            ratio=spent / floor,
            aim="<= 1.6",
            peer="14 ms/MB plain, 39 gzip",
        ),
        Row(
            what="the same with its start-up",
            measured=f"{started:.2f} s to start",
            floor=said,
            ratio=(spent + started) / floor,
        ),
        Row(
            what="collector, the same, real aggregator",
            measured=f"{1e3 * spent_real / size_mb:.2f} ms/MB, {size_mb / median(run.wall_seconds for run in real):.0f} MB/s delivered",
            floor=said,
            ratio=spent_real / floor,
            aim="<= 1.6",
        ),
        Row(
            what="both hops, file to Datadog intake",
            measured=f"{1e3 * both / size_mb:.2f} ms/MB ({1e3 * spent_real / size_mb:.2f} + {1e3 * hop / size_mb:.2f})",
            floor=said,
            ratio=both / floor,
            aim="< 14 ms/MB",
            peer="61 ms/MB over two hops",
        ),
        Row(
            what="collector, peak RSS with that backlog",
            measured=f"{peak:.1f} MB null, {peak_real:.1f} MB real",
            aim="<= 40 MB",
            peer="70-146 MB",
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(main(measure))
