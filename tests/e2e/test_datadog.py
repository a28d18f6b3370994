"""Files to Datadog: every body is one that Datadog takes, and what it refuses is waited out, halved, bisected or held, but never lost."""

import os
import time
from pathlib import Path

import pytest

from tests.e2e.judge import judge
from tests.e2e.procs import ROOT, wait_until
from tests.e2e.scratch import ARRIVAL_SECONDS, Stage, written_by
from tests.e2e.writer import Plan, Writer
from tests.fakes.datadog_intake import DatadogIntake, IntakeOptions
from tests.fakes.datadog_oracles import check_with_client_models
from tests.fakes.script import Answer, Hang, MaxBytes, Poison, Rubbish

pytestmark = pytest.mark.e2e

OPENAPI = Path(
    os.environ.get("TOWLINE_DATADOG_OPENAPI") or ROOT.parent / "shared" / "contracts" / "datadog-openapi.yaml"
)
LABELS = {
    "tags.datadoghq.com/env": "prod",
    "tags.datadoghq.com/service": "shop-web",
    "tags.datadoghq.com/version": "1.2",
    "app.kubernetes.io/name": "web",
}


class Datadog:
    """A strict intake in this process, and an aggregator that delivers to it; to a file as well where `beside_file`."""

    def __init__(self, stage: Stage, backstage, *, beside_file=False, **options):
        self.stage = stage
        # The second oracle is Datadog's own document; the project must also pass where that is not at hand.
        self.intake = backstage.enter(DatadogIntake(IntakeOptions(openapi=OPENAPI if OPENAPI.exists() else None)))
        self.key = stage.folder / "api-key"
        self.key.write_text(self.intake.api_key)
        sink = {
            "type": "datadog",
            "logs_url": self.intake.url,
            "api_url": self.intake.url,
            "api_key_file": str(self.key),
            "event_id": True,
            "timeout_seconds": 3,
            **options,
        }
        sinks = {"dd": sink}
        if beside_file:
            sinks["file"] = {"type": "file", "path": str(stage.delivered), "event_id": True}
        self.changes = {"sinks": sinks, "routes": [{"to": list(sinks)}]}

    def start(self, **collector):
        return self.stage.start(collector, self.changes)

    def wait_for(self, lines, timeout_seconds=ARRIVAL_SECONDS):
        wait_until(lambda: len(self.intake.accepted) >= lines, timeout_seconds, f"{lines} lines at the intake")

    def refused(self):
        """What the intake found wrong by itself: nothing, unless a script made it say so."""
        return [(one.status, one.reason) for one in self.intake.requests if one.status >= 400]


def write(stage, lines, name="w0", **plan):
    writer = Writer(stage.logs / f"{name}.log", Plan(lines=lines, **plan), name)
    writer.write_all()
    return writer


def sink_status(stage, name="dd"):
    return stage.status()["sinks"][name]


def test_every_body_is_taken_and_carries_what_datadog_knows_pods_by(stage, backstage, tmp_path):
    podinfo = tmp_path / "podinfo"
    podinfo.mkdir()
    (podinfo / "labels").write_text("".join(f'{key}="{value}"\n' for key, value in LABELS.items()))
    (podinfo / "annotations").write_text("")
    datadog = Datadog(stage, backstage)
    log = {"path": f"{stage.logs}/*.log", "container": "web", "source": "nginx", "tags": ["team:shop"]}
    before_unix_ms = int(time.time() * 1000)
    datadog.start(podinfo_dir=str(podinfo), logs=[log])
    writers = [write(stage, 1500, f"w{number}", form="mixed") for number in range(2)]
    datadog.wait_for(3000)
    entries = datadog.intake.entries
    assert datadog.refused() == []
    check_with_client_models(entries)
    assert judge(written_by(*writers), entries).clean
    for entry in entries:
        assert {"ddsource", "ddtags", "hostname", "service", "status", "timestamp", "message"} <= entry.keys()
        assert (entry["ddsource"], entry["service"], entry["hostname"]) == ("nginx", "shop-web", "web-0")
        assert before_unix_ms - 1000 <= entry["timestamp"] <= time.time() * 1000
    tags = set(entries[0]["ddtags"].split(","))
    assert tags >= {
        "env:prod",
        "version:1.2",
        "service:shop-web",
        "kube_namespace:shop",
        "pod_name:web-0",
        "kube_container_name:web",
        "kube_app_name:web",
        "team:shop",
    }
    assert {one.headers["content-encoding"] for one in datadog.intake.requests if one.method == "POST"} == {"zstd"}


def test_429_is_waited_out_as_long_as_it_says_and_nothing_comes_twice(stage, backstage):
    datadog = Datadog(stage, backstage)
    datadog.start()
    datadog.intake.play(Answer(429, {"Retry-After": "2"}), Answer(503), Answer(500))
    writer = write(stage, 300)
    datadog.wait_for(300)
    assert judge(written_by(writer), datadog.intake.entries).clean
    posts = [one for one in datadog.intake.requests if one.method == "POST"]
    assert [one.status for one in posts[:3]] == [429, 503, 500]
    assert posts[1].arrived_seconds - posts[0].arrived_seconds >= 2


def test_a_silent_and_a_babbling_intake_cost_time_only(stage, backstage):
    datadog = Datadog(stage, backstage, timeout_seconds=1)
    datadog.start()
    datadog.intake.play(Hang(), Rubbish())
    writer = write(stage, 300)
    datadog.wait_for(300)
    verdict = judge(written_by(writer), datadog.intake.entries)
    assert verdict.clean_but_for_copies, verdict


def test_413_is_halved_until_it_fits(stage, backstage):
    datadog = Datadog(stage, backstage)
    _, aggregator = datadog.start()
    datadog.intake.play(then=MaxBytes(50_000))
    writer = write(stage, 800)
    datadog.wait_for(800)
    assert judge(written_by(writer), datadog.intake.entries).clean
    assert datadog.refused()
    assert {status for status, _ in datadog.refused()} == {413}
    assert aggregator.metric("aggregator_dead_letter_records_total") == 0


def test_of_a_batch_with_a_poisoned_line_that_line_alone_becomes_a_dead_letter(stage, backstage):
    datadog = Datadog(stage, backstage)
    _, aggregator = datadog.start()
    datadog.intake.play(then=Poison("poisoned"))
    before = Writer(stage.logs / "w0.log", Plan(lines=400), "w0")
    before.write(200)
    stage.append("w0.log", b"this one is poisoned\n")
    before.write_all()
    datadog.wait_for(400)
    assert judge(written_by(before), datadog.intake.entries).clean
    wait_until(lambda: sink_status(stage)["dead_letters"] == 1, 10, "the dead letter")
    assert sink_status(stage)["refused"] == {"rejected": 1}
    assert aggregator.metric("aggregator_refused_records_total") == 1
    assert aggregator.metric("aggregator_dead_letter_records_total") == 1
    stage.wait_delivered((stage.logs / "w0.log").stat().st_size)  # custody goes on past it


def test_403_holds_the_lane_until_the_key_is_corrected(stage, backstage):
    datadog = Datadog(stage, backstage, beside_file=True)
    _, aggregator = datadog.start()
    first = write(stage, 100)
    datadog.wait_for(100)
    datadog.intake.api_key = "the-new-key"
    second = write(stage, 200, "w1")
    wait_until(lambda: any(lane["state"] == "held" for lane in sink_status(stage)["lanes"]), 15, "a held lane")
    [lane] = sink_status(stage)["lanes"]
    assert "api_key_file" in lane["last_error"]
    assert "test-api-key" not in str(stage.status()) + aggregator.log_text()
    stage.wait_for_lines(300)  # the other sink goes on meanwhile
    assert sink_status(stage)["owed_bytes"] > 0
    datadog.key.write_text("the-new-key")
    datadog.wait_for(300)
    assert judge(written_by(first, second), datadog.intake.entries).clean
    wait_until(lambda: sink_status(stage)["lanes"][0]["state"] in ("idle", "sending"), 10, "the lane's release")


def test_a_sink_that_is_down_delays_no_other_and_gets_all_of_it_later(stage, backstage):
    datadog = Datadog(stage, backstage, beside_file=True)
    collector, _ = datadog.start()
    datadog.intake.play(then=Answer(503))
    writer = write(stage, 1000, rotate="rename", rotate_bytes=50_000, keep=20)
    stage.wait_for_lines(1000, 10)
    assert judge(written_by(writer), stage.records()).clean_but_for_copies
    assert datadog.intake.accepted == []
    assert stage.delivered_bytes() == 0  # not delivered before every sink has it
    wait_until(lambda: collector.metric("collector_undelivered_bytes") == writer.size_bytes, 10)
    datadog.intake.play()
    datadog.wait_for(1000)
    stage.wait_delivered(writer.size_bytes)
    assert judge(written_by(writer), datadog.intake.entries).clean_but_for_copies
