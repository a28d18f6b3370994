"""(c) What the collector holds in memory as a careful user runs it: TLS to the aggregator, every sampler on.

`python -m bench.collector_tls [--backlog-mb 256] [--steady-seconds 60]`
"""

import time
from pathlib import Path
from typing import NamedTuple

from bench.installed import Installed
from bench.load import append_line, write_backlog
from bench.measure import MB, Options, Row, main, say, scratch_folder
from bench.parts import null_aggregator, wait_for_bytes
from bench.serve import TlsDoor
from tests.e2e.procs import Service, free_port
from tests.fakes.tls import self_signed

# Every 15 s unless told otherwise; here often, for what is asked is what many rounds leave behind.
METRICS = {"interval_seconds": 1}
SETTLE_SECONDS = 3.0
FARGATE = 'CapacityProvisioned="0.25vCPU 0.5GB"\n'  # a pod with a kernel of its own: then all of its samplers have something to say


class Kept(NamedTuple):
    """Bytes resident once quiet, after a backlog and once quiet again, and at most; and how many snapshots went meanwhile."""

    idle_bytes: int
    after_bytes: int
    peak_bytes: int
    snapshots: int


def with_tls(deployment: Installed, door: TlsDoor) -> Service:
    """A collector that speaks TLS to `door` and trusts its certificate."""
    podinfo = deployment.folder / "podinfo"
    podinfo.mkdir()
    (podinfo / "annotations").write_text(FARGATE)
    collector = deployment.collector(
        aggregator={"url": f"https://127.0.0.1:{door.port}"},
        metrics=METRICS,
        podinfo_dir=str(podinfo),
    )
    collector.environment["SSL_CERT_FILE"] = str(door.certificate)
    return collector


def watch(folder: Path, backlog: Path, options: Options) -> Kept:
    """Be quiet, take a backlog, be quiet again. The bench itself asks the null aggregator at its plain port."""
    deployment = Installed(folder)
    certificate, _ = self_signed(folder)
    door = TlsDoor(free_port(), certificate, folder / "key.pem")
    with null_aggregator(deployment, door) as aggregator, with_tls(deployment, door) as collector:
        aggregator.wait_ready()
        collector.wait_ready()
        append_line(deployment.logs / "app.log")
        time.sleep(options.steady_seconds)
        idle_bytes, stored_bytes = collector.rss_bytes(), deployment.stored_bytes()
        size_bytes = backlog.stat().st_size
        backlog.rename(deployment.logs / "backlog.log")
        wait_for_bytes(deployment, stored_bytes + size_bytes, delivered=False)
        time.sleep(SETTLE_SECONDS)
        after_bytes, peak_bytes = collector.rss_bytes(), collector.peak_rss_bytes()
        return Kept(idle_bytes, after_bytes, peak_bytes, int(collector.metric("collector_snapshots_sent_total")))


def measure(options: Options) -> list[Row]:
    with scratch_folder(options) as folder:
        backlog = folder / "backlog"
        write_backlog(backlog, options.backlog_mb)
        kept = watch(folder / "pod", backlog, options)
    say(f"TLS and samplers: {kept}")
    if not kept.snapshots:
        raise RuntimeError("no snapshot arrived: that was not a measurement of the samplers")
    what = f"TLS to the aggregator, {kept.snapshots} snapshots of all samplers"
    return [
        Row(what=f"collector, RSS idle, {what}", measured=f"{kept.idle_bytes / MB:.1f} MB", aim="<= 32 MB"),
        Row(
            what=f"the same, peak RSS with a backlog of {options.backlog_mb} MB",
            measured=f"{kept.peak_bytes / MB:.1f} MB, {kept.after_bytes / MB:.1f} MB after it",
            aim="<= 40 MB",
        ),
    ]


if __name__ == "__main__":
    raise SystemExit(main(measure))
