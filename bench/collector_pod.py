"""(b) What the collector costs in a usual pod and in a quiet one, in percent of a core; (c) what it holds in memory.

`python -m bench.collector_pod [--steady-seconds 30]`
"""

import time
from pathlib import Path
from typing import NamedTuple

from bench.load import append_line, append_steadily, for_seconds
from bench.measure import MB, PERCENT, Options, Row, main, say, scratch_folder
from bench.parts import null_aggregator
from tests.e2e.procs import Deployment

WARM_SECONDS = 2.0


class Kept(NamedTuple):
    """What a collector did with a while: share of one core, memory at its end and at its peak."""

    core_percent: float
    rss_bytes: int
    peak_rss_bytes: int


def watch(
    folder: Path, options: Options, bytes_per_second: float, appends_per_second: float, interval_seconds: float
) -> Kept:
    """Run a collector beside one app for `steady_seconds` after a warm-up. An app of 0 bytes per second has written one line and is quiet."""
    deployment = Deployment(folder)
    log = deployment.logs / "app.log"
    with (
        null_aggregator(deployment) as aggregator,
        deployment.collector(metrics={"interval_seconds": interval_seconds}) as collector,
    ):
        aggregator.wait_ready()
        collector.wait_ready()
        append_line(log)
        live(log, WARM_SECONDS, bytes_per_second, appends_per_second)
        before, started = collector.cpu_seconds(), time.monotonic()
        live(log, options.steady_seconds, bytes_per_second, appends_per_second)
        spent, passed = collector.cpu_seconds() - before, time.monotonic() - started
        return Kept(PERCENT * spent / passed, collector.rss_bytes(), collector.peak_rss_bytes())


def live(log: Path, seconds: float, bytes_per_second: float, appends_per_second: float) -> None:
    """Be the app for a while."""
    if bytes_per_second:
        append_steadily(log, bytes_per_second, appends_per_second, for_seconds(seconds))
    else:
        time.sleep(seconds)


def measure(options: Options) -> list[Row]:
    with scratch_folder(options) as folder:
        usual = watch(folder / "usual", options, 20_000, 100, 15)
        say(f"usual pod: {usual}")
        busy = watch(folder / "busy", options, 100_000, 100, 15)
        say(f"busy pod: {busy}")
        quiet = watch(folder / "quiet", options, 0, 0, 0)
        say(f"idle, no metrics: {quiet}")
        sampled = watch(folder / "sampled", options, 0, 0, 15)
        say(f"idle, metrics every 15 s: {sampled}")
    seconds = f"of a core over {options.steady_seconds:.0f} s"
    peak = max(kept.peak_rss_bytes for kept in (usual, busy, quiet, sampled))
    return [
        Row(
            what="collector, usual pod: 20 kB/s in 100 appends/s",
            measured=f"{usual.core_percent:.2f} % {seconds}",
            aim="<= 0.4 %",
        ),
        Row(
            what="collector, 0.1 MB/s in 100 appends/s",
            measured=f"{busy.core_percent:.2f} % {seconds}",
            aim="<= 1 %",
            peer="4 %",
        ),
        Row(
            what="collector, idle, no metrics",
            measured=f"{quiet.core_percent:.3f} % {seconds}",
            aim="<= 0.15 %",
            peer="0.03-0.09 %",
        ),
        Row(
            what="collector, idle, samplers every 15 s",
            measured=f"{sampled.core_percent:.3f} % {seconds}",
            aim="<= 0.3 %",
        ),
        Row(
            what="collector, RSS idle",
            measured=f"{quiet.rss_bytes / MB:.1f} MB, with samplers {sampled.rss_bytes / MB:.1f} MB (peak {peak / MB:.1f} MB)",
            aim="<= 32 MB",
            peer="15-18 MB",
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(main(measure))
