"""(e) From an app's append to the Datadog intake: a 1 MB/s stream with defaults, and a single line after quiet.

`python -m bench.latency [--latency-seconds 20] [--single-lines 10]`
"""

import json
import time
import urllib.request
from pathlib import Path

from bench.installed import Installed
from bench.load import append_line, append_steadily, for_seconds
from bench.measure import MB, Options, Row, main, percentile, say, scratch_folder
from bench.parts import datadog_aggregator, null_intake
from tests.e2e.procs import Service, wait_until

WARM_SECONDS = 2.0
QUIET_SECONDS = 3.0
APPENDS_PER_SECOND = 200


def ages(intake: Service) -> list[float]:
    """Seconds that each line took which arrived since `forget`."""
    return json.loads(intake.get("/ages")[1])


def forget(intake: Service) -> None:
    with urllib.request.urlopen(urllib.request.Request(f"{intake.url}/ages", method="DELETE"), timeout=5) as answer:
        answer.read()


def of_a_stream(log: Path, intake: Service, seconds: float) -> list[float]:
    """Ages of the lines of a steady 1 MB/s. Lines still on their way at its end are waited for, so that slow ones count."""
    append_steadily(log, MB, APPENDS_PER_SECOND, for_seconds(WARM_SECONDS))
    time.sleep(QUIET_SECONDS)
    forget(intake)
    append_steadily(log, MB, APPENDS_PER_SECOND, for_seconds(seconds))
    time.sleep(QUIET_SECONDS)
    return ages(intake)


def of_single_lines(log: Path, intake: Service, count: int) -> list[float]:
    """Ages of lines that came alone, each after three seconds without any."""
    taken = []
    for _ in range(count):
        time.sleep(QUIET_SECONDS)
        forget(intake)
        append_line(log)
        taken += wait_until(lambda: ages(intake), 30, "a single line")
    return taken


def measure(options: Options) -> list[Row]:
    with scratch_folder(options) as folder, null_intake(folder, stamps=True) as intake:
        intake.wait_ready()
        deployment = Installed(folder / "pod")
        log = deployment.logs / "app.log"
        with datadog_aggregator(deployment, intake.url) as aggregator, deployment.collector() as collector:
            aggregator.wait_ready()
            collector.wait_ready()
            stream = of_a_stream(log, intake, options.latency_seconds)
            say(f"stream: {len(stream)} lines, worst {max(stream, default=0):.3f} s")
            single = of_single_lines(log, intake, options.single_lines)
            say(f"single lines: {' '.join(f'{age:.3f}' for age in single)}")
    return [
        Row(
            what=f"append to Datadog intake, 1 MB/s, {len(stream)} lines",
            measured=f"p50 {percentile(stream, 0.5):.3f} s, p99 {percentile(stream, 0.99):.3f} s, worst {max(stream):.3f} s",
            aim="p50 <= 0.25 s, p99 <= 0.6 s",
            peer="p50 0.56 s, p99 1.05 s",
        ),
        Row(
            what="a single line after quiet",
            measured=f"median {percentile(single, 0.5):.3f} s, worst of {len(single)} {max(single):.3f} s",
            aim="<= 0.1 s",
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(main(measure))
