"""Between collector and aggregator everything may break: refused, reset, silent, cut, doubled, late. The journal holds every line once."""

import os
import subprocess

import pytest

from tests.e2e.procs import wait_until
from tests.e2e.scratch import assert_exact, written_by
from tests.e2e.writer import Plan, Writer
from tests.fakes.fault_proxy import BlackHole, CutAfter, DropReply, FaultProxy, Latency, Pass, Rate, Refuse, Reset
from tests.fakes.script import Answer, Endless, Redirect, Rubbish
from tests.fakes.server import LoopbackServer

pytestmark = pytest.mark.e2e

PATIENCE = {"timeout_seconds": 1}
COLLECTOR_MEMORY_BYTES = 64 << 20  # what an endless answer must not exceed


def writer_of(stage, lines, name="w0"):
    return Writer(stage.logs / f"{name}.log", Plan(lines=lines, rotate="rename", rotate_bytes=30_000, keep=50), name)


def arrived(stage, *writers):
    stage.wait_delivered(sum(writer.size_bytes for writer in writers))
    assert_exact(written_by(*writers), stage.records())


def through(stage, backstage, **options):
    """Both services, and a proxy in between."""
    proxy = backstage.enter(FaultProxy(stage.aggregator_port, **options))
    collector, aggregator = stage.start({"aggregator": {"url": proxy.url, **PATIENCE}})
    return proxy, collector, aggregator


def unanswered(collector):
    return collector.metric('collector_requests_total{outcome="no_answer"}')


@pytest.mark.parametrize(
    "mode", [Refuse(), Reset(), BlackHole(), CutAfter(3000), DropReply()], ids=lambda one: type(one).__name__
)
def test_a_link_that_breaks_costs_time_only(stage, backstage, mode):
    proxy, collector, _ = through(stage, backstage)
    writer = writer_of(stage, 900)
    writer.write(300)
    stage.wait_for_lines(300)
    backstage.run(proxy.switch(mode))
    before = unanswered(collector)
    writer.write(300)
    wait_until(lambda: unanswered(collector) >= before + 2, 20, "requests without an answer")
    backstage.run(proxy.switch(Pass()))
    writer.write_all()
    arrived(stage, writer)


@pytest.mark.parametrize("mode", [Latency(0.3), Rate(60_000)], ids=lambda one: type(one).__name__)
def test_a_slow_link_delivers_all_the_same(stage, backstage, mode):
    proxy, _, _ = through(stage, backstage)
    backstage.run(proxy.switch(mode))
    writer = writer_of(stage, 600)
    writer.write_all()
    arrived(stage, writer)


def test_requests_that_come_again_late_and_out_of_order_are_stored_once(stage, backstage):
    proxy, _, aggregator = through(stage, backstage, keep_requests=True)
    writer = writer_of(stage, 900)
    for _ in range(3):
        writer.write(300)
        stage.wait_delivered(writer.size_bytes)
        backstage.run(proxy.switch(Reset()))  # the next requests are another connection's
        backstage.run(proxy.switch(Pass()))
        for connection, sent in reversed(list(enumerate(proxy.kept))):
            if sent:
                backstage.run(proxy.replay(connection))
    posts = sum(bytes(kept).count(b"POST /v1/blocks") for kept in proxy.kept)
    answered = 'aggregator_requests_total{route="blocks",status="200"}'
    wait_until(lambda: aggregator.metric(answered) > posts, 10, "answers to the repeated requests")
    arrived(stage, writer)


def test_an_aggregator_that_hangs_for_a_while_is_waited_for(stage):
    collector, aggregator = stage.start({"aggregator": PATIENCE})
    writer = writer_of(stage, 900)
    writer.write(300)
    stage.wait_for_lines(300)
    aggregator.pause()
    writer.write(300)
    wait_until(lambda: unanswered(collector) >= 2, 20, "requests without an answer")
    aggregator.resume()
    writer.write_all()
    arrived(stage, writer)


def test_it_starts_before_its_aggregator_and_survives_its_absence(stage):
    collector = stage.run(stage.collector()).wait_ready()
    writers = [writer_of(stage, 600, f"w{number}") for number in range(2)]
    for writer in writers:
        writer.write(400)
    wait_until(lambda: unanswered(collector) >= 3, 20, "questions that nobody answered")
    assert collector.get("/readyz") == (200, "ok, waiting for no_answer\n")
    assert collector.get("/healthz")[0] == 200
    for writer in writers:
        writer.write_all()
    stage.run(stage.aggregator())
    arrived(stage, *writers)


def test_a_wrong_token_is_waited_out_until_it_is_corrected(stage):
    (stage.folder / "good").write_text("the-good-token\n")
    token = stage.folder / "token"
    token.write_text("the-bad-token\n")
    auth = {"mode": "static_token", "token_files": [str(stage.folder / "good")]}
    collector, aggregator = stage.start({"aggregator": {"token_file": str(token)}}, {"auth": auth})
    writer = writer_of(stage, 400)
    writer.write(200)
    wait_until(lambda: collector.metric('collector_requests_total{outcome="status_401"}') >= 1, 20, "a refusal")
    assert collector.get("/readyz") == (200, "ok, waiting for status_401\n")
    assert stage.records() == []
    token.write_text("the-good-token\n")
    writer.write_all()
    wait_until(lambda: collector.metric("collector_shipped_bytes_total") == writer.size_bytes, 30)
    wait_until(lambda: len(stage.records()) == 400, 10)
    assert_exact(written_by(writer), stage.records())
    assert "-token" not in collector.log_text() + aggregator.log_text()


class Babbler(LoopbackServer):
    """Answers whatever its script says, never as an aggregator would."""

    async def handle(self, request, handled):
        return await self.act_instead(request, self.next_behaviour(request, handled))


def test_rubbish_for_answers_moves_nothing_and_costs_no_memory(stage, backstage):
    elsewhere = backstage.enter(Babbler())
    page = "<html>log in first</html>"
    babbler = backstage.enter(Babbler())
    proxy, collector, _ = through(stage, backstage)
    writer = writer_of(stage, 600)
    writer.write(300)
    stage.wait_delivered(writer.size_bytes)
    babbler.play(
        Rubbish(),
        Redirect(elsewhere.url),
        Answer(200, {}, page),
        Answer(200, {}, '{"journal": "", "frames": []}'),
        Endless(64 << 20),
        then=Answer(500),
    )
    honest, proxy.target_port = proxy.target_port, int(babbler.url.rsplit(":", 1)[1])
    backstage.run(proxy.switch(Reset()))
    backstage.run(proxy.switch(Pass()))
    writer.write_all()
    wait_until(lambda: len(babbler.requests) >= 6, 40, "all the rubbish")
    proxy.target_port = honest
    backstage.run(proxy.switch(Reset()))
    backstage.run(proxy.switch(Pass()))
    arrived(stage, writer)
    assert elsewhere.requests == []
    assert collector.peak_rss_bytes() < COLLECTOR_MEMORY_BYTES


@pytest.fixture
def small_disk(stage):
    """The journal's folder on a file system of its own, of 64 MB."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "towline-test", str(stage.journal)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    stage.stack.callback(subprocess.run, ["umount", "-l", str(stage.journal)], check=True)
    return stage.journal


def fill(folder):
    """Leave no byte free."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def test_a_full_disk_closes_the_intake_and_room_opens_it_again(stage, small_disk):
    collector, aggregator = stage.start()
    writer = Writer(stage.logs / "w0.log", Plan(lines=1500, rotate="rename", rotate_bytes=200_000, keep=50), "w0")
    writer.write(500)
    stage.wait_delivered(writer.size_bytes)
    ballast = fill(small_disk)
    noise = stage.append("noise.log", os.urandom(1 << 20).hex(" ", 40).replace(" ", "\n").encode() + b"\n")
    wait_until(lambda: collector.metric('collector_requests_total{outcome="status_503"}') >= 1, 30, "a 503")
    wait_until(lambda: stage.status()["journal"]["intake_closed_by"] == "disk", 10)
    writer.write(500)
    assert aggregator.is_alive
    ballast.unlink()
    writer.write_all()
    stage.wait_delivered(writer.size_bytes + noise.stat().st_size, 60)
    records = [record for record in stage.records() if record["path"] != str(noise)]
    assert_exact(written_by(writer), records)
    assert len(stage.messages()) == 1500 + noise.read_bytes().count(b"\n")
