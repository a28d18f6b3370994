"""Datadog's own client library sends; what it sent is in the snapshots, also what it sent last before SIGTERM."""

import contextlib
import socket
import subprocess
import sys
import time

import pytest
from datadog.dogstatsd import DogStatsd

from collector.sources.dogstatsd import DogStatsD
from collector.sources.dogstatsd_options import DogStatsDConfig
from tests.e2e.procs import ROOT, free_port, wait_until
from tests.fakes.aggregator import Believed, Said, listening
from towline.wire.codec import decode_request
from towline.wire.snapshot import Event, ServiceCheck, SnapshotAnswer, SnapshotRequest, Stamped

pytestmark = pytest.mark.e2e

TAGS = ["route:/cart", "canary"]
LABELS = {"env": "prod", "route": "/cart", "canary": ""}
ARRIVAL_SECONDS = 20.0


@contextlib.contextmanager
def client(**options):
    """Datadog's client; it says nothing of itself and needs no container."""
    made = DogStatsd(
        **{"constant_tags": ["env:prod"], "disable_telemetry": True, "container_id": "ci-0123456789ab"} | options
    )
    try:
        yield made
    finally:
        made.flush()
        made.stop()
        made.close_socket()


@pytest.fixture
def statsd(tmp_path):
    """The source by itself, at both its sockets."""
    one = DogStatsD(DogStatsDConfig(listen="127.0.0.1:0", socket=str(tmp_path / "dsd.socket")))
    one.start()
    yield one
    one.close()


WAYS = {
    "plainly": {},
    "in buffers": {"disable_buffering": False},
    "aggregated by the client": {"disable_aggregation": False, "flush_interval": 3600},
    "as packed values": {"disable_aggregation": False, "flush_interval": 3600, "max_metric_samples_per_context": 100},
}


def to(statsd, way):
    """Options of a client that sends there."""
    if way == "unix":
        (path,) = [one.getsockname() for one in statsd.reader.listeners if one.family == socket.AF_UNIX]
        # Without a time-out the client drops what a Unix socket's short queue has no room for at once.
        return {"socket_path": f"unix://{path}", "socket_timeout": 5}
    host, port = statsd.address
    return {"host": host, "port": port}


@pytest.mark.parametrize("door", ["udp", "unix"])
@pytest.mark.parametrize("way", WAYS)
def test_every_kind_of_metric_arrives_however_the_client_sends(statsd, way, door):
    with client(**to(statsd, door), **WAYS[way]) as sender:
        for value in (1, 2, 3):
            sender.increment("page.views", value, tags=TAGS)
            sender.gauge("queue.length", value * 2.5, tags=TAGS)
            sender.histogram("cart.size", value, tags=TAGS)
            sender.timing("page.time", value * 100, tags=TAGS)
            sender.distribution("order.total", value, tags=TAGS)
            sender.set("users", f"user:{value % 2}", tags=TAGS)
    families = {family.name: family for family in gather(statsd).families}
    assert statsd.refused == {}
    assert {name: (f.type, f.flavour, f.unit) for name, f in families.items()} == {
        "page.views": ("counter", "", ""),
        "queue.length": ("gauge", "", ""),
        "cart.size": ("histogram", "histogram", ""),
        "page.time": ("histogram", "timing", "ms"),
        "order.total": ("histogram", "distribution", ""),
        "users": ("gauge", "", ""),
    }
    said = {name: sample.value for name, family in families.items() for sample in family.samples}
    assert said == {"page.views": 6, "queue.length": 7.5, "users": 2}
    spread = {name: (one.count, one.sum) for name, family in families.items() for one in family.distributions}
    assert spread == {"cart.size": (3, 6), "page.time": (3, 600), "order.total": (3, 6)}
    assert all(one.labels == LABELS for family in families.values() for one in (*family.samples, *family.distributions))


def gather(statsd):
    return statsd.gather(time.time_ns(), fresh=True)


def test_sample_rates_decrements_and_times_of_their_own(statsd):
    with client(**to(statsd, "udp"), constant_tags=[]) as sender:
        sender.socket  # noqa: B018 - opens it: what is sent below is sent at once
        for _ in range(10_000):
            sender.increment("sampled", sample_rate=0.1)
        sender.decrement("taken.back", 5)
        sender.count_with_timestamp("late", 3, timestamp=1_700_000_000)
        sender.gauge_with_timestamp("level", 0.5, timestamp=1_700_000_001, cardinality="low")
    said = gather(statsd)
    (sampled,) = (family.samples[0].value for family in said.families if family.name == "sampled")
    assert sampled == pytest.approx(10_000, rel=0.15)
    assert said.stamped[:2] == (
        Stamped("late", "counter", {}, 3.0, 1_700_000_000),
        Stamped("level", "gauge", {}, 0.5, 1_700_000_001),
    )
    assert [(one.name, one.value) for one in said.stamped[2:]] == [("taken.back", -5.0)]


def test_events_and_service_checks(statsd):
    with client(**to(statsd, "udp")) as sender:
        sender.event(
            "Dïsk | full",
            "first\nsecond | m:x",
            alert_type="error",
            aggregation_key="disk",
            source_type_name="cron",
            date_happened=1_700_000_000,
            priority="low",
            tags=TAGS,
            hostname="db1",
        )
        sender.service_check("db.up", 2, tags=TAGS, timestamp=1_700_000_000, hostname="db1", message="no | m:x\nat all")
    said = gather(statsd)
    tags = (*TAGS, "env:prod")
    assert said.events == (
        Event(
            title="Dïsk | full",
            text="first\nsecond | m:x",
            unix_seconds=1_700_000_000,
            hostname="db1",
            aggregation_key="disk",
            priority="low",
            source_type="cron",
            alert_type="error",
            tags=tags,
        ),
    )
    assert said.checks == (
        ServiceCheck(
            name="db.up",
            status=2,
            unix_seconds=1_700_000_000,
            hostname="db1",
            message="no | m:x\nat all",
            tags=tags,
        ),
    )


def test_the_client_s_own_telemetry_is_taken_like_any_metric(statsd):
    with client(**to(statsd, "udp"), disable_telemetry=False, telemetry_min_flush_interval=0) as sender:
        sender.increment("a")
        sender.increment("a")
    names = {family.name for family in gather(statsd).families}
    assert {"a", "datadog.dogstatsd.client.metrics"} <= names
    assert statsd.refused == {}


class Snapshots(Believed):
    """An aggregator that keeps the snapshots it is sent."""

    def __init__(self):
        super().__init__()
        self.taken = []

    def _journaled(self, request, body):
        if request.path != "/v1/snapshots":
            return super()._journaled(request, body)
        said = decode_request(body, SnapshotRequest)
        self.taken.append(said)
        return Said(body=SnapshotAnswer(journal=said.journal, code=200, sequence=said.sequence))


@pytest.fixture
def snapshots(stage, backstage):
    """A running collector that takes a snapshot at its start and then only at its end, and where those go."""
    aggregator = Snapshots()
    stage.aggregator_port = backstage.enter(listening(aggregator))
    stage.aggregator_url = f"http://127.0.0.1:{stage.aggregator_port}"
    stage.statsd_port = free_port()
    stage.statsd_path = stage.folder / "dsd.socket"
    dogstatsd = {"listen": f"127.0.0.1:{stage.statsd_port}", "socket": str(stage.statsd_path)}
    stage.service_of_collector = stage.run(
        stage.collector(metrics={"interval_seconds": 600, "dogstatsd": dogstatsd})
    ).wait_ready()
    wait_until(lambda: aggregator.taken, ARRIVAL_SECONDS, "the first snapshot")
    return aggregator


def counted(snapshot):
    return {
        family.name: family.samples[0].value
        for family in snapshot.families
        if family.source == "dogstatsd" and family.samples
    }


def test_what_was_sent_last_before_sigterm_is_in_the_last_snapshot(stage, snapshots):
    with (
        client(host="127.0.0.1", port=stage.statsd_port) as by_udp,
        client(socket_path=str(stage.statsd_path), socket_timeout=5) as by_unix,
    ):
        for _ in range(200):
            by_udp.increment("udp.hits")
            by_unix.increment("unix.hits")
        by_udp.event("leaving", "now")
    assert stage.service_of_collector.terminate() == 0
    last = snapshots.taken[-1]
    assert last.goodbye
    assert counted(last) == {"udp.hits": 200, "unix.hits": 200}
    assert [event.title for event in last.events] == ["leaving"]
    assert not stage.statsd_path.exists()


FLOOD = """
import socket, sys
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.connect(("127.0.0.1", int(sys.argv[1])))
for line in (b"a:nan|c", b"a:1e308|c\\na:1e308|c", b"\\xff\\xfe|\\0", b"_e{9,9}:x|y", b"a:1|q"):
    sender.send(line)
for number in range(100_000):
    sender.send(b"exploding:1|c|#id:%d" % number)
"""


FLOOD_PACKETS = 100_005


def packets(collector):
    """Packets read, and packets dropped by the kernel."""
    return sum(collector.metric(f"collector_dogstatsd_{what}_total") for what in ("packets", "kernel_drops"))


def test_a_flood_of_bad_lines_and_new_labels_harms_no_neighbour(stage, snapshots):
    with client(host="127.0.0.1", port=stage.statsd_port, constant_tags=[]) as sender:
        sender.increment("good.hits")
        subprocess.run([sys.executable, "-c", FLOOD, str(stage.statsd_port)], check=True, timeout=60, cwd=ROOT)
        # What the kernel had no room for is counted as well.
        wait_until(lambda: packets(stage.service_of_collector) == FLOOD_PACKETS + 1, ARRIVAL_SECONDS, "all to be read")
        sender.increment("good.hits")
    page = stage.service_of_collector.get("/metrics")[1]
    for reason in ("not_finite", "form", "event", "type", "memory_limit"):
        assert f'collector_dogstatsd_refused_total{{reason="{reason}"}}' in page
    assert stage.service_of_collector.get("/healthz")[0] == 200
    stage.service_of_collector.terminate()
    last = snapshots.taken[-1]
    assert counted(last)["good.hits"] == 2
    assert counted(last)["a"] == 1e308
    exploding = next(family for family in last.families if family.name == "exploding")
    assert 5_000 < len(exploding.samples) < 10_000
    own = [{family.name for family in one.families if family.source == "pod"} for one in snapshots.taken]
    assert own[-1] >= own[0], "what the pod says of itself was crowded out"
