"""Whatever bytes stand in a log: they are shipped, replaced or split with a mark, and the lines around them are unhurt."""

import os

import pytest

from tests.e2e.judge import judge, parse_line
from tests.e2e.procs import wait_until
from tests.e2e.scratch import written_by
from tests.e2e.writer import Plan, Writer, line_of
from tests.fakes.datadog_intake import DatadogIntake

pytestmark = pytest.mark.e2e

NOT_UTF8 = b"caf\xe9 \xff\xfe \xed\xa0\x80 \xc3"
ODD_LINES = {
    NOT_UTF8: NOT_UTF8.decode("utf-8", "replace"),
    b"nul \0 in the middle": "nul \0 in the middle",
    b"escape \x1b[31mred\x1b[0m, delete \x7f, bell \x07": "escape \x1b[31mred\x1b[0m, delete \x7f, bell \x07",
    b'quote " backslash \\ tab \t slash /': 'quote " backslash \\ tab \t slash /',
    "line separator \u2028, BOM \ufeff, emoji \U0001f6a2".encode(): "line separator \u2028, BOM \ufeff, emoji \U0001f6a2",
    bytes(set(range(256)) - {0x0A, 0x0D}): bytes(set(range(256)) - {0x0A, 0x0D}).decode("utf-8", "replace"),
    b"carriage return inside \r of a line": "carriage return inside \r of a line",
    b"carriage return at the end\r": "carriage return at the end",
    b"   leading and trailing blanks   ": "   leading and trailing blanks   ",
    b"": "",
}


def neighbours(stage, name, odd):
    """A numbered line after each odd one. Returns how many there are."""
    text = b""
    for number, line in enumerate(odd):
        text += line + b"\n" + line_of(name, number, "neighbour").encode() + b"\n"
    stage.append(f"{name}.log", text)
    return len(odd)


def test_odd_bytes_are_shipped_or_replaced_and_their_neighbours_are_whole(stage):
    stage.start()
    count = neighbours(stage, "odd", list(ODD_LINES))
    stage.wait_for_lines(2 * count)
    messages = stage.messages()
    assert messages[::2] == list(ODD_LINES.values())
    assert judge({"odd": count}, [{"message": message} for message in messages[1::2]]).clean


def test_datadog_takes_them_too(stage, backstage):
    intake = backstage.enter(DatadogIntake())
    sink = {"type": "datadog", "logs_url": intake.url, "api_url": intake.url}
    collector, aggregator = stage.collector(), stage.aggregator(sinks={"dd": sink}, routes=[{"to": ["dd"]}])
    aggregator.environment["DD_API_KEY"] = intake.api_key
    for service in (collector, aggregator):
        stage.run(service)
    count = neighbours(stage, "odd", list(ODD_LINES))
    wait_until(lambda: len(intake.accepted) == 2 * count, 30, "the odd lines")
    assert {one.status for one in intake.requests if one.method == "POST"} == {202}
    assert judge({"odd": count}, intake.entries[1::2]).clean


@pytest.mark.parametrize("size_bytes", [64 << 10, 900_000, 1 << 20, 3_500_000])
def test_a_very_long_line_arrives_whole_or_in_marked_parts(stage, size_bytes):
    stage.start()
    long = os.urandom(size_bytes // 2).hex().encode()[:size_bytes]
    before, after = (line_of("w", number, "neighbour").encode() for number in range(2))
    stage.append("long.log", before + b"\n" + long + b"\n" + after + b"\n")
    stage.wait_delivered(len(before) + len(long) + len(after) + 3)
    first, *parts, last = stage.records()
    assert parse_line(first["message"]).whole
    assert parse_line(last["message"]).whole
    assert "".join(part["message"] for part in parts) == long.decode()
    assert [part.get("towline_continues", False) for part in parts] == [number > 0 for number in range(len(parts))]
    assert [part.get("towline_partial", False) for part in parts] == [
        number < len(parts) - 1 for number in range(len(parts))
    ]
    assert len(parts) == 1 or size_bytes >= 1 << 20


@pytest.mark.parametrize("encoding", ["utf-16le", "utf-16be"])
def test_utf_16_is_cut_at_its_own_line_ends_where_the_configuration_says_so(stage, encoding):
    logs = [
        {"path": f"{stage.logs}/wide/*.log", "encoding": encoding},
        {"path": f"{stage.logs}/*.log", "container": "web"},
    ]
    stage.start({"logs": logs})
    (stage.logs / "wide").mkdir()
    texts = [f"Zeile {number}: äöü \u0a0d \u0d0a \U0001f6a2 {'x' * number}" for number in range(200)]
    codec = {"utf-16le": "utf-16-le", "utf-16be": "utf-16-be"}[encoding]
    stage.append("wide/w.log", "".join(f"{text}\n" for text in ["\ufeff" + texts[0], *texts[1:]]).encode(codec))
    writer = Writer(stage.logs / "w0.log", Plan(lines=200), "w0")
    writer.write_all()
    stage.wait_for_lines(400)
    records = stage.records()
    wide = [record["message"] for record in records if record["path"].endswith("wide/w.log")]
    assert wide == texts
    assert judge(written_by(writer), [one for one in records if not one["path"].endswith("wide/w.log")]).clean


def test_a_file_that_may_not_be_read_is_counted_and_keeps_nobody_else_waiting(stage):
    pipe = stage.logs / "pipe.log"
    os.mkfifo(pipe)
    (stage.logs / "folder.log").mkdir()
    (stage.logs / "loop.log").symlink_to("loop.log")
    (stage.logs / "outside.log").symlink_to("/etc/hostname")
    collector, _ = stage.start()
    writer = Writer(stage.logs / "w0.log", Plan(lines=300), "w0")
    writer.write_all()
    stage.wait_for_lines(300)
    assert judge(written_by(writer), stage.records()).clean
    refused = 'collector_files_refused_total{reason="%s"}'
    wait_until(lambda: collector.metric(refused % "link") == 2, 10, "two links refused")
    assert collector.metric(refused % "not_regular") >= 1
    assert collector.get("/healthz")[0] == 200


def test_a_hole_in_a_file_is_skipped_and_not_read(stage):
    collector, _ = stage.start()
    path = stage.append("sparse.log", b"before the hole\n")
    with path.open("r+b") as file:
        file.seek(200 << 20)
        file.write(b"after the hole\n")
    stage.wait_for_lines(2)
    assert stage.messages() == ["before the hole", "after the hole"]
    assert collector.peak_rss_bytes() < 64 << 20
    assert collector.metric("collector_hole_bytes_total") > 190 << 20
