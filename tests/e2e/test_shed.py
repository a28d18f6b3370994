"""A destination that is down, and a sink that may shed: past its share its oldest blocks go, and are counted; nobody else notices."""

import pytest

from tests.e2e.judge import judge, parse_line
from tests.e2e.procs import wait_until
from tests.e2e.scratch import ARRIVAL_SECONDS, assert_exact, written_by
from tests.e2e.writer import Plan, Writer
from tests.fakes.datadog_intake import DatadogIntake
from tests.fakes.script import Answer

pytestmark = pytest.mark.e2e

SHARE_BYTES = 200_000
OUTAGE_LINES, LINES = 4000, 6000


@pytest.fixture
def intake(backstage):
    """Datadog's counterpart, down from the start."""
    intake = backstage.enter(DatadogIntake())
    intake.play(then=Answer(503))
    return intake


@pytest.fixture
def aggregator(stage, intake):
    """It delivers to a file, and sheds what it owes Datadog."""
    datadog = {
        "type": "datadog",
        "logs_url": intake.url,
        "api_url": intake.url,
        "event_id": True,
        "share": f"{SHARE_BYTES // 1000}kB",
        "when_full": "shed",
    }
    file = {"type": "file", "path": str(stage.delivered), "event_id": True}
    aggregator = stage.aggregator(sinks={"dd": datadog, "file": file}, routes=[{"to": ["dd", "file"]}])
    aggregator.environment["DD_API_KEY"] = intake.api_key
    return stage.run(aggregator).wait_ready()


@pytest.fixture
def writer(stage, aggregator):
    """An app that logs several times the share."""
    stage.run(stage.collector()).wait_ready()
    return Writer(stage.logs / "w0.log", Plan(lines=LINES, rotate="rename", rotate_bytes=200_000, keep=50))


def shed_bytes(aggregator):
    return int(aggregator.metric('aggregator_journal_gap_bytes_total{reason="shed"}'))


def write_past_the_share(stage, aggregator, writer):
    """In pieces that each are a few blocks, so that there is something old to shed."""
    while writer.lines < OUTAGE_LINES:
        writer.write(200)
        stage.wait_for_lines(writer.lines)
    assert shed_bytes(aggregator) > 0


def write_the_rest(stage, writer):
    """Never more at once than the share has room for."""
    while not writer.finished:
        writer.write(200)
        stage.wait_delivered(writer.size_bytes)


def test_past_its_share_a_sink_sheds_and_says_how_much_while_all_others_deliver(stage, aggregator, writer):
    write_past_the_share(stage, aggregator, writer)
    assert_exact(written_by(writer), stage.records())
    status = stage.status()
    assert status["gaps"]["shed"]["bytes"] == shed_bytes(aggregator)
    assert 0 < status["gaps"]["shed"]["ranges"] <= aggregator.metric("aggregator_journal_shed_blocks_total")
    assert status["journal"]["intake_closed_by"] is None
    sink = status["sinks"]["dd"]
    assert (sink["when_full"], sink["share_bytes"], sink["full"]) == ("shed", SHARE_BYTES, False)
    assert 0 < sink["owed_bytes"] <= SHARE_BYTES
    assert aggregator.metric('aggregator_requests_total{route="blocks",status="503"}') == 0


@pytest.mark.long
def test_when_the_destination_is_back_it_gets_all_that_was_not_shed(stage, aggregator, writer, intake):
    write_past_the_share(stage, aggregator, writer)
    intake.play()
    wait_until(lambda: stage.status()["sinks"]["dd"]["owed_blocks"] == 0, ARRIVAL_SECONDS, "everything owed to arrive")
    shed = shed_bytes(aggregator)
    write_the_rest(stage, writer)
    verdict = judge(written_by(writer), intake.entries)
    assert (verdict.duplicated, verdict.torn, verdict.corrupt) == (0, 0, 0)
    missing = set(range(LINES)) - {parse_line(message).sequence for message in intake.messages}
    assert max(missing) < OUTAGE_LINES  # what came after the outage is all there
    assert shed_bytes(aggregator) == shed
    missing_bytes = writer.size_bytes - sum(len(message) + 1 for message in intake.messages)
    largest = max(request.raw_bytes for request in intake.requests)
    assert (
        0 <= shed - missing_bytes <= largest
    )  # a batch that was under way when its blocks were shed arrives all the same
    assert_exact(written_by(writer), stage.records())
