"""kill -9 exactly where a promise is half kept (TOWLINE_KILL_AT): before and after the commit, before the reply, after the 2xx, before settling."""

import re

import pytest

from tests.e2e.judge import judge
from tests.e2e.procs import ROOT
from tests.e2e.scratch import assert_exact, copies_of
from tests.fakes.datadog_intake import DatadogIntake

pytestmark = pytest.mark.e2e

AGGREGATOR_POINTS = (
    "journal.before_commit",
    "journal.after_commit",
    "intake.before_reply",
    "forwarder.after_2xx",
    "forwarder.before_settle",
)
COLLECTOR_POINTS = ("collector.met",)
WRITING = ["--files", 2, "--rate", 300, "--rotate", "rename", "--rotate-bytes", 50_000, "--keep", 20]
NAME = re.compile(r"(?:kill_point|\.on)\(\s*\"([a-z0-9_.]+)\"\s*\)")


def test_every_point_of_the_sources_is_tried_here():
    sources = [file for room in ("collector", "aggregator", "towline") for file in (ROOT / room).rglob("*.py")]
    named = {name for file in sources for name in NAME.findall(file.read_text())}
    assert named == {*AGGREGATOR_POINTS, *COLLECTOR_POINTS}


def die_and_start_again(victim, writer):
    """Wait until the armed service has killed itself, start it unarmed, and see the writing to its end."""
    assert victim.wait(60) == -9
    del victim.environment["TOWLINE_KILL_AT"]
    victim.start().wait_ready()
    assert writer.wait(30) == 0


@pytest.mark.parametrize("passes", [pytest.param(1, marks=pytest.mark.long), 3])
@pytest.mark.parametrize("point", AGGREGATOR_POINTS)
def test_an_aggregator_that_dies_there_loses_and_doubles_nothing(stage, point, passes):
    collector, aggregator = stage.collector(), stage.aggregator()
    aggregator.environment["TOWLINE_KILL_AT"] = f"{point}:{passes}"
    stage.run(aggregator).wait_ready()
    stage.run(collector)
    with stage.writer(*WRITING, lines=900) as writer:
        die_and_start_again(aggregator, writer)
    written = stage.written_and_delivered()
    assert_exact(written, stage.records())


@pytest.mark.parametrize("point", COLLECTOR_POINTS)
def test_a_collector_that_dies_there_loses_and_doubles_nothing(stage, point):
    collector, _ = stage.start()
    with stage.writer(*WRITING, lines=900) as writer:
        stage.wait_for_lines(100)
        collector.kill()
        collector.environment["TOWLINE_KILL_AT"] = point
        collector.start()
        die_and_start_again(collector, writer)
    written = stage.written_and_delivered()
    assert_exact(written, stage.records())


@pytest.mark.parametrize("point", ["forwarder.after_2xx", "forwarder.before_settle", "journal.before_commit"])
def test_before_datadog_a_death_there_copies_one_request_at_most_under_the_same_ids(stage, backstage, point):
    intake = backstage.enter(DatadogIntake())
    sink = {"type": "datadog", "logs_url": intake.url, "api_url": intake.url, "event_id": True}
    collector, aggregator = stage.collector(), stage.aggregator(sinks={"dd": sink}, routes=[{"to": ["dd"]}])
    aggregator.environment |= {"DD_API_KEY": intake.api_key, "TOWLINE_KILL_AT": f"{point}:3"}
    stage.run(aggregator).wait_ready()
    stage.run(collector)
    with stage.writer(*WRITING, lines=900) as writer:
        die_and_start_again(aggregator, writer)
    written = stage.written_and_delivered()
    verdict = judge(written, intake.entries)
    assert verdict.clean_but_for_copies, verdict
    largest = max(request.records for request in intake.requests)
    assert sum(copies_of(intake.entries).values()) == verdict.copies_same_id <= largest
    if point != "journal.before_commit":
        assert verdict.copies_same_id > 0  # the 2xx was never written down: these are the copies that are promised
