"""(b) What the collector costs in a usual pod and in a quiet one, in percent of a core; (c) what it holds in memory.

`python -m bench.collector_pod [--steady-seconds 60]`. Each is watched in slices, of which the median counts: one burst of the
machine's other tenants spoils one slice.
"""

import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.installed import Installed
from bench.load import append_line, append_steadily, for_seconds
from bench.measure import MB, PERCENT, Options, Row, main, say, scratch_folder
from bench.parts import null_aggregator
from tests.e2e.procs import Service

WARM_SECONDS = 2.0
SLICES = 4
INTERVAL_SECONDS = 15  # between two snapshots of the samplers, as it is by default


class Life(NamedTuple):
    """What the app does, and how often the samplers run (0: never). An app of 0 bytes per second has written one line and is quiet."""

    bytes_per_second: float
    appends_per_second: float
    interval_seconds: float

    def live(self, log: Path, seconds: float) -> None:
        """Be the app for a while."""
        if self.bytes_per_second:
            append_steadily(log, self.bytes_per_second, self.appends_per_second, for_seconds(seconds))
        else:
            time.sleep(seconds)

    def slices(self, steady_seconds: float) -> int:
        """How many slices. None is shorter than the samplers' interval: the median would leave their work out."""
        return max(1, min(SLICES, int(steady_seconds // self.interval_seconds) if self.interval_seconds else SLICES))


class Kept(NamedTuple):
    """What a collector did with a while: share of one core in each slice, memory at its end and at its peak."""

    core_percents: list[float]
    slice_seconds: float
    rss_bytes: int
    peak_rss_bytes: int

    def said(self, digits: int) -> str:
        """The median, and how far the slices lie apart."""
        low, middle, high = min(self.core_percents), median(self.core_percents), max(self.core_percents)
        return (
            f"{middle:.{digits}f} % of a core, median of {len(self.core_percents)} times {self.slice_seconds:.0f} s"
            f" ({low:.{digits}f} to {high:.{digits}f})"
        )


def core_percent(collector: Service, log: Path, life: Life, seconds: float) -> float:
    """The collector's share of one core in one slice."""
    before, started = collector.cpu_seconds(), time.monotonic()
    life.live(log, seconds)
    spent, passed = collector.cpu_seconds() - before, time.monotonic() - started
    return PERCENT * spent / passed


def watch(folder: Path, steady_seconds: float, life: Life) -> Kept:
    """Run a collector beside one app for `steady_seconds` after a warm-up."""
    deployment = Installed(folder)
    log = deployment.logs / "app.log"
    slices = life.slices(steady_seconds)
    with (
        null_aggregator(deployment) as aggregator,
        deployment.collector(metrics={"interval_seconds": life.interval_seconds}) as collector,
    ):
        aggregator.wait_ready()
        collector.wait_ready()
        append_line(log)
        life.live(log, WARM_SECONDS)
        taken = [core_percent(collector, log, life, steady_seconds / slices) for _ in range(slices)]
        return Kept(taken, steady_seconds / slices, collector.rss_bytes(), collector.peak_rss_bytes())


def measure(options: Options) -> list[Row]:
    lives = {
        "usual": Life(20_000, 100, INTERVAL_SECONDS),
        "busy": Life(100_000, 100, INTERVAL_SECONDS),
        "quiet": Life(0, 0, 0),
        "sampled": Life(0, 0, INTERVAL_SECONDS),
    }
    kept = {}
    with scratch_folder(options) as folder:
        for name, life in lives.items():
            kept[name] = watch(folder / name, options.steady_seconds, life)
            say(f"{name}: {kept[name]}")
    return rows_of(kept)


def rows_of(kept: dict[str, Kept]) -> list[Row]:
    quiet, sampled = kept["quiet"], kept["sampled"]
    peak_bytes = max(one.peak_rss_bytes for one in kept.values())
    return [
        Row(
            what="collector, usual pod: 20 kB/s in 100 appends/s",
            measured=kept["usual"].said(2),
            aim="<= 0.4 %",
        ),
        Row(
            what="collector, 0.1 MB/s in 100 appends/s",
            measured=kept["busy"].said(2),
            aim="<= 1 %",
            peer="4 %",
        ),
        Row(
            what="collector, idle, no metrics",
            measured=quiet.said(3),
            aim="<= 0.15 %",
            peer="0.03-0.09 %",
        ),
        Row(
            what="collector, idle, samplers every 15 s",
            measured=sampled.said(3),
            aim="<= 0.3 %",
        ),
        Row(
            what="collector, RSS idle",
            measured=f"{quiet.rss_bytes / MB:.1f} MB, with samplers {sampled.rss_bytes / MB:.1f} MB (peak {peak_bytes / MB:.1f} MB)",
            aim="<= 32 MB",
            peer="15-18 MB",
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(main(measure))
