"""All measurements, one after another, as one Markdown table on stdout; progress on stderr.

`python -m bench.run [--smoke] [--only latency ...]`. `big_backlog` runs only where it is named, for it takes minutes. A measurement that fails is a row that says so, and exit code 1.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from bench import (
    aggregator_datadog,
    big_backlog,
    collector_backlog,
    collector_pod,
    collector_tls,
    dogstatsd,
    exposition,
    journal_start,
    latency,
    processing,
    remote_write,
    replicas,
)
from bench.measure import Options, Row, add_options, alone, markdown, options_of, say

MEASUREMENTS: Mapping[str, Callable[[Options], list[Row]]] = {
    "collector_backlog": collector_backlog.measure,
    "collector_pod": collector_pod.measure,
    "collector_tls": collector_tls.measure,
    "aggregator_datadog": aggregator_datadog.measure,
    "processing": processing.measure,
    "latency": latency.measure,
    "replicas": replicas.measure,
    "journal_start": journal_start.measure,
    "dogstatsd": dogstatsd.measure,
    "exposition": exposition.measure,
    "remote_write": remote_write.measure,
    "big_backlog": big_backlog.measure,
}
USUAL = tuple(name for name in MEASUREMENTS if name != "big_backlog")


def measured(name: str, options: Options) -> tuple[list[Row], bool]:
    """The rows of one measurement, and whether it came through."""
    say(f"== {name}")
    started = time.monotonic()
    try:
        rows = MEASUREMENTS[name](options)
    except Exception as error:  # noqa: BLE001 - the outermost loop: what else can be measured still is
        say(f"{name} failed: {type(error).__name__}: {error}")
        return [Row(what=name, measured=f"failed: {type(error).__name__}")], False
    say(f"== {name} took {time.monotonic() - started:.0f} s")
    return rows, True


def machine() -> str:
    """One line on what the figures were measured on, and how quiet it was: a busy machine spoils latencies, hardly CPU times."""
    named = [
        line.split(":", 1)[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    ]
    model = named[0] if named else platform.machine()
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, load {os.getloadavg()[0]:.1f} at the start"


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench.run", description="Measure, and print the table of bench/README.md.")
    add_options(parser)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=list(MEASUREMENTS),
        default=USUAL,
        help="these measurements, in this order; all but big_backlog unless said",
    )
    arguments = parser.parse_args()
    options, where = options_of(arguments), machine()
    with alone():
        results = [measured(name, options) for name in arguments.only]
    print(
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, {where}{', smoke sizes: no figures to quote' if arguments.smoke else ''}\n"
    )
    print(markdown([row for rows, _ in results for row in rows]))
    return 0 if all(came_through for _, came_through in results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
