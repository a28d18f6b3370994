"""(h) What DogStatsD costs the collector, and whether a packet is lost while logs flow.

`python -m bench.dogstatsd [--steady-seconds 20]`. 20,000 packets a second go to a collector that ships 5 MB/s of logs to a null aggregator: one
metric a packet (counts, gauges, distributions, timings; 200 series), in bursts of 20 each millisecond. The kernel's receive buffer is what an
unprivileged pod gets (212,992 bytes), not the 4 MiB that are asked for where that is allowed. Lost is what was sent and neither read nor refused.
"""

import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench.installed import Installed
from bench.load import chunk, for_seconds
from bench.measure import MB, PERCENT, Options, Row, main, say, scratch_folder
from bench.parts import null_aggregator
from tests.e2e.procs import ROOT, Service, free_port

PACKETS_PER_SECOND = 20_000
BURST = 20
MOST_SECONDS = 20.0
LOG_BYTES_PER_SECOND = 5 * MB
APPENDS_PER_SECOND = 100
BUFFER_BYTES = 212_992  # net.core.rmem_max of a kernel that nobody tuned
SETTLE_SECONDS = 0.5
FORMS = ("page.views:1|c|", "page.bytes:{}|g|", "order.total:{}|d|", "page.time:{}|ms|")
TAGS = "#env:prod,service:checkout,route:/cart,status:200,shard:{}"


class Kept(NamedTuple):
    """What came of a while: packets sent and read, packets that the kernel dropped, CPU seconds of the collector, memory at its peak."""

    sent: int
    read: int
    dropped: int
    cpu_seconds: float
    passed_seconds: float
    peak_rss_bytes: int


def lines() -> list[bytes]:
    """A thousand lines, as an app's client writes them."""
    return [(FORMS[n % 4].format(n % 500 + 1) + TAGS.format(n % 50)).encode() for n in range(1000)]


def send(port: int, seconds: float) -> int:
    """Be the app: returns how many packets were sent. A late burst is made up for at once."""
    made, sent, is_over = lines(), 0, for_seconds(seconds)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as app:
        app.connect(("127.0.0.1", port))
        started = time.monotonic()
        while not is_over():
            for at in range(sent, sent + BURST):
                app.send(made[at % len(made)])
            sent += BURST
            time.sleep(max(0.0, started + sent / PACKETS_PER_SECOND - time.monotonic()))
    return sent


def append(log: Path, seconds: float) -> None:
    """Append lines that were made before: making them would take a core from what is measured."""
    made, is_over = chunk(8 * MB), for_seconds(seconds)
    step_bytes, at, written, started = LOG_BYTES_PER_SECOND // APPENDS_PER_SECOND, 0, 0, time.monotonic()
    with log.open("ab", buffering=0) as stream:
        while not is_over():
            end = made.find(b"\n", at + step_bytes) + 1 or len(made)
            written += stream.write(made[at:end])
            at = end % len(made)
            time.sleep(max(0.0, started + written / LOG_BYTES_PER_SECOND - time.monotonic()))


def in_a_process(*arguments: object) -> subprocess.Popen[str]:
    """This module again, in a process of its own: `send PORT SECONDS` or `append FILE SECONDS`."""
    command = [sys.executable, "-m", "bench.dogstatsd", *map(str, arguments)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def watch(folder: Path, seconds: float, *, packets: bool, logs: bool) -> Kept:
    """Run a collector beside an app that sends packets, writes logs, or both."""
    deployment, port = Installed(folder), free_port()
    dogstatsd = {"listen": f"127.0.0.1:{port}", "receive_buffer_bytes": BUFFER_BYTES // 2}  # the kernel doubles it
    with (
        null_aggregator(deployment) as aggregator,
        deployment.collector(metrics={"interval_seconds": 15, "dogstatsd": dogstatsd}) as collector,
    ):
        aggregator.wait_ready()
        collector.wait_ready()
        time.sleep(SETTLE_SECONDS)
        before, started = collector.cpu_seconds(), time.monotonic()
        app = [in_a_process("send", port, seconds)] if packets else []
        app += [in_a_process("append", deployment.logs / "app.log", seconds)] if logs else []
        said = [one.communicate()[0] for one in app]
        time.sleep(SETTLE_SECONDS)
        spent, passed = collector.cpu_seconds() - before, time.monotonic() - started
        sent = int(said[0]) if packets else 0
        return Kept(sent, *counted(collector), spent, passed, collector.peak_rss_bytes())


def counted(collector: Service) -> tuple[int, int]:
    """Packets read, and packets that the kernel dropped, as the collector says."""
    names = "collector_dogstatsd_packets_total", "collector_dogstatsd_kernel_drops_total"
    read, dropped = (int(collector.metric(name)) for name in names)
    return read, dropped


def measure(options: Options) -> list[Row]:
    seconds = min(options.steady_seconds, MOST_SECONDS)
    with scratch_folder(options) as folder:
        both = watch(folder / "both", seconds, packets=True, logs=True)
        logs = watch(folder / "logs", seconds, packets=False, logs=True)
        alone = watch(folder / "alone", seconds, packets=True, logs=False)
    say(f"both: {both}\nlogs: {logs}\nalone: {alone}")
    return rows_of(both, logs, alone)


def rows_of(both: Kept, logs: Kept, alone: Kept) -> list[Row]:
    spent = {
        "with packets": both.cpu_seconds / both.passed_seconds,
        "without": logs.cpu_seconds / logs.passed_seconds,
        "packets alone": alone.cpu_seconds / alone.passed_seconds,
    }
    shares = ", ".join(f"{PERCENT * share:.1f} % of a core {name}" for name, share in spent.items())
    return [
        Row(
            what=f"DogStatsD, {PACKETS_PER_SECOND:,} packets/s beside 5 MB/s of logs",
            measured=f"{both.sent - both.read} of {both.sent:,} lost ({both.dropped} dropped by the kernel)",
            aim="0 lost",
        ),
        Row(what="collector, the same", measured=shares),
        Row(
            what="DogStatsD packets/s per core",
            measured=f"{alone.read / alone.cpu_seconds:,.0f}, {alone.cpu_seconds / alone.read * 1e6:.1f} us each",
        ),
        Row(
            what="collector, peak RSS with DogStatsD",
            measured=f"{both.peak_rss_bytes / MB:.1f} MB, {logs.peak_rss_bytes / MB:.1f} without packets",
        ),
    ]


def be_the_app(what: str, where: str, seconds: str) -> int:
    """One half of an app's life."""
    if what == "append":
        append(Path(where), float(seconds))
    else:
        print(send(int(where), float(seconds)))
    return 0


if __name__ == "__main__":
    is_the_app = sys.argv[1:2] in (["send"], ["append"])
    raise SystemExit(be_the_app(*sys.argv[1:]) if is_the_app else main(measure))
