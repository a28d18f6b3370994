"""What the page of pods' metrics costs: a push of sampled families and of scraped text, the page from its cache, a million series.

No floor: the work is the aggregator's own. Everything runs in this process, on one core; the million in a process of its own, for its RSS.
"""

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry

from aggregator.sinks.prometheus import Page, PrometheusConfig, PrometheusSink
from bench.measure import MB, Options, Row, main
from towline.wire.codec import compress, decode_request, encode_request
from towline.wire.identity import Pod
from towline.wire.snapshot import Family, Sample, Scrape, SnapshotRequest

PODS = 500
SERIES_OF_A_POD = 200
MANY_PODS = 5000
MILLISECONDS = 1e3
BOUNDS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "+Inf")
OPENMETRICS = "application/openmetrics-text;version=1.0.0"


def sampled_families(series: int, seed: int = 1) -> tuple[Family, ...]:
    """As the collector's samplers send them: about 50 families, two labels."""
    said = random.Random(seed)
    count = max(series // 50, 1)
    return tuple(
        Family(
            name=f"container_thing_{number}_{'total' if number % 2 else 'bytes'}",
            type="counter" if number % 2 else "gauge",
            help="What is measured of a thing, in bytes.",
            samples=tuple(
                Sample({"container": "app", "device": f"disk{index}"}, said.randrange(10**9) / (number % 3 + 1))
                for index in range(count)
            ),
        )
        for number in range(series // count)
    )


def scraped_text(series: int, mark: str = "") -> str:
    """As an app's client library writes it: two fifths of the samples are of histograms of 12 buckets, the others counters with two labels.

    mark: in one label's value of each series.
    """
    said = random.Random(1)
    lines: list[str] = []
    number = samples = 0
    while samples < series:
        number += 1
        name = f"http_{number}_seconds"
        lines += [f"# HELP {name} How long requests took.", f"# TYPE {name} histogram"]
        for path in (f"/{mark}{number}", f"/cart/{mark}{number}", f"/cart/checkout/{mark}{number}"):
            at, labels = 0, f'method="GET",path="{path}"'
            for bound in BOUNDS:
                at += said.randrange(1000)
                lines.append(f'{name}_bucket{{{labels},le="{bound}"}} {at}')
            lines += [f"{name}_sum{{{labels}}} {at * 0.137:.6f}", f"{name}_count{{{labels}}} {at}"]
        for plain in ("requests", "bytes", "errors", "retries"):
            name = f"app_{plain}_{number}_total"
            lines += [f"# HELP {name} How many there were.", f"# TYPE {name} counter"]
            lines += [
                f'{name}{{code="{code}",handler="/x/{mark}{number}"}} {said.random() * 1e6:.3f}'
                for code in range(200, 210)
            ]
        samples += 3 * (len(BOUNDS) + 2) + 40
    return "\n".join(lines) + "\n"


def scrape_of(text: str) -> Scrape:
    """One scrape's text as it travels."""
    body = text.encode()
    labels = {"job": "app", "instance": "127.0.0.1:9000"}
    return Scrape(
        labels=labels,
        scraped_unix_ns=1,
        duration_seconds=0.1,
        up=True,
        content_type="text/plain; version=0.0.4",
        length=len(body),
        body=compress(body),
    )


def request(sequence: int, families: tuple[Family, ...] = (), scrapes: tuple[Scrape, ...] = ()) -> SnapshotRequest:
    """A snapshot, decoded from its own bytes, as it is when it comes: nothing in it is shared with another."""
    said = SnapshotRequest(
        journal="j",
        pod=msgspec.Raw(b"\xc0"),
        run="r",
        sequence=sequence,
        taken_unix_ns=sequence,
        interval_seconds=15.0,
        families=families,
        scrapes=scrapes,
    )
    return decode_request(encode_request(said), SnapshotRequest)


def pod(number: int) -> Pod:
    return Pod(namespace="shop", name=f"cart-7d9f8c6b5-{number:05d}", uid=f"u-{number}")


def median_seconds(work: Callable[[Any], object], prepare: Callable[[int], Any], times: int) -> float:
    """The median of what `work` costs, each time on something new. The first two, which fill caches, are left out."""
    seconds = []
    for at in range(1, times + 3):
        given = prepare(at)
        before = time.process_time()  # what other processes do to the machine is left out
        work(given)
        seconds.append(time.process_time() - before)
    return statistics.median(seconds[2:])


def filled(pods: int, families: tuple[Family, ...]) -> PrometheusSink:
    """A page with that many pods on it."""
    sink = PrometheusSink(PrometheusConfig(max_series=2_000_000, max_series_per_pod=100_000))
    said = request(1, families)
    for number in range(pods):
        sink.take(pod(number), said, 0.0)
    return sink


def taken(page: Page) -> int:
    """Take a page as a socket would. Returns its bytes."""
    return sum(map(len, page.chunks))


def pushes(options: Options) -> Iterator[Row]:
    """A pod's push, decoded from the wire just before, onto a page of 100,000 series from 500 pods."""
    whole, scrape = sampled_families(1000), scrape_of(scraped_text(1000))
    samples = samples_of(scrape)
    for what, series, families, scrapes in (
        ("sampled families", 1000, whole, ()),
        ("scraped text", samples, (), (scrape,)),
    ):
        sink = filled(PODS, sampled_families(SERIES_OF_A_POD))
        seconds = median_seconds(
            lambda said, sink=sink: sink.take(pod(PODS), said, 0.0),  # type: ignore[misc]
            lambda at, families=families, scrapes=scrapes: request(at, families, scrapes),  # type: ignore[misc]
            options.runs * 20,
        )
        measured = f"{seconds / series * 1000 * MILLISECONDS:.2f} ms"
        yield Row(what=f"/metrics: push of {what}, per 1000 series", measured=measured, aim="<= 3 ms")
    rate = f"{samples / seconds:,.0f} samples/s"
    yield Row(what="scrape: unpack, parse, relabel, render, known labels", measured=rate, aim=">= 500,000")
    seconds = median_seconds(
        lambda said: sink.take(pod(PODS), said, 0.0),
        lambda at: request(at, scrapes=(scrape_of(scraped_text(1000, f"new{at}")),)),
        options.runs * 4,
    )
    yield Row(what="the same, every label set new", measured=f"{samples / seconds:,.0f} samples/s")


def samples_of(scrape: Scrape) -> int:
    sink = PrometheusSink(PrometheusConfig())
    sink.take(pod(0), request(1, scrapes=(scrape,)), 0.0)
    text = b"".join(sink.page("", "", 0.0, CollectorRegistry()).chunks).decode()
    return sum(line.startswith(("http_", "app_")) for line in text.splitlines())


def pages(options: Options) -> Iterator[Row]:
    sink = filled(PODS, sampled_families(SERIES_OF_A_POD))
    own = CollectorRegistry()
    for form, accept in (("text", ""), ("OpenMetrics", OPENMETRICS)):
        seconds = median_seconds(
            lambda accept: taken(sink.page(accept, "", 0.0, own)), lambda _, accept=accept: accept, options.runs
        )  # type: ignore[misc]
        size_mb = taken(sink.page(accept, "", 0.0, own)) / MB
        yield Row(
            what=f"/metrics, {form}, 100,000 series from {PODS} pods",
            measured=f"{seconds * MILLISECONDS:.1f} ms ({size_mb:.0f} MB)",
            aim="<= 50 ms",
        )
    seconds = median_seconds(lambda _: taken(sink.page("", "gzip", 0.0, own)), int, options.runs)
    yield Row(what="the same, gzip", measured=f"{seconds * MILLISECONDS:.1f} ms")


def million() -> None:
    """A million series in this process: prints milliseconds, page bytes and the peak of RSS in kB."""
    pods = MANY_PODS
    sink = PrometheusSink(PrometheusConfig(max_series=2_000_000))
    for number in range(pods):
        sink.take(pod(number), request(1, sampled_families(SERIES_OF_A_POD, number)), 0.0)
    own = CollectorRegistry()
    size = taken(sink.page("", "", 0.0, own))
    seconds = median_seconds(lambda _: taken(sink.page("", "", 0.0, own)), int, 5)
    status = Path("/proc/self/status").read_text()
    peak_kb = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    print(seconds * MILLISECONDS, size, peak_kb)


def million_row() -> Row:
    code = "from bench.exposition import million; million()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    milliseconds, size, peak_kb = map(float, done.stdout.split())
    return Row(
        what=f"/metrics, 1,000,000 series from {MANY_PODS} pods, a process of its own",
        measured=f"{milliseconds:.0f} ms ({size / MB:.0f} MB), peak RSS {peak_kb * 1024 / MB:.0f} MB",
        aim="<= 300 ms, <= 400 MB",
    )


def measure(options: Options) -> list[Row]:
    """The rows of this measurement. At smoke sizes (one run) the million is left out."""
    rows = [*pushes(options), *pages(options)]
    return [*rows, million_row()] if options.runs > 1 else rows


if __name__ == "__main__":
    raise SystemExit(main(measure))
