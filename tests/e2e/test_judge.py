import json
import random
import sys

import pytest

from tests.e2e.judge import Judge, judge, parse_line, read_records, read_summary
from tests.e2e.procs import Deployment, Service, TookTooLongError, cpu_seconds, free_port, wait_until
from tests.e2e.writer import Pace, Plan, Writer, line_of, main, padding_of, summary_of

WRITTEN = {"w0": 50, "w1": 50}
READY_SERVER = """
import http.server, os, sys, time
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" else 404)
        self.end_headers()
        self.wfile.write(b'lines_total{a="1"} 2\\nlines_total{a="2"} 3\\nlines_total_other 9\\n')
    def log_message(self, *args):
        pass
print('{"event": "started"}', os.environ["POD_NAME"], file=sys.stderr, flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def all_lines(form="mixed", written=WRITTEN):
    """What a perfect tailer delivers: both writers' lines taken in turn."""
    return [
        line_of(writer, n, padding_of(0, writer, n), form) for n in range(max(written.values())) for writer in written
    ]


def records(lines):
    return [{"message": line} for line in lines]


def counts(verdict):
    return (verdict.lost, verdict.duplicated, verdict.torn, verdict.corrupt, verdict.reordered)


@pytest.mark.parametrize("form", ["json", "plain", "mixed"])
def test_a_perfect_tailer_is_found_clean(form):
    verdict = judge(WRITTEN, records(all_lines(form)))
    assert counts(verdict) == (0, 0, 0, 0, 0)
    assert verdict.clean
    assert verdict.delivered == 100
    assert verdict.details == {}


def test_a_tailer_that_drops_one_line_lost_one():
    lines = all_lines()
    del lines[30]
    verdict = judge(WRITTEN, records(lines))
    assert counts(verdict) == (1, 0, 0, 0, 0)
    assert verdict.details["lost"] == ["w0: 1 of 50: 15"]


def test_a_tailer_that_drops_the_last_line_lost_one():
    assert counts(judge(WRITTEN, records(all_lines()[:-1]))) == (1, 0, 0, 0, 0)


def test_a_tailer_that_delivers_nothing_lost_everything():
    assert counts(judge({"lines": WRITTEN}, [])) == (100, 0, 0, 0, 0)


def test_a_tailer_that_doubles_one_line_doubled_one_and_is_not_blamed_for_order():
    lines = all_lines()
    lines.insert(60, lines[30])
    assert counts(judge(WRITTEN, records(lines))) == (0, 1, 0, 0, 0)


def test_a_tailer_that_tears_a_line_lost_it_and_delivered_two_pieces():
    lines = all_lines()
    lines[30:31] = [lines[30][:12], lines[30][12:]]
    assert counts(judge(WRITTEN, records(lines))) == (1, 0, 2, 0, 0)


def test_wherever_a_line_is_cut_neither_piece_passes_for_a_line():
    for line in (line_of("w0", 7, padding_of(0, "w0", 7), form) for form in ("json", "plain")):
        pieces = [piece for cut in range(1, len(line)) for piece in (line[:cut], line[cut:])]
        assert not [piece for piece in pieces if (found := parse_line(piece)) is not None and found.whole]


def test_a_tailer_that_glues_two_lines_lost_both():
    lines = all_lines()
    lines[30:32] = [lines[30] + lines[31]]
    assert counts(judge(WRITTEN, records(lines))) == (2, 0, 1, 0, 0)


def test_a_tailer_that_swaps_two_lines_of_a_writer_reordered_one():
    lines = all_lines()
    lines[30], lines[32] = lines[32], lines[30]
    assert counts(judge(WRITTEN, records(lines))) == (0, 0, 0, 0, 1)


def test_lines_of_two_writers_may_arrive_in_any_order():
    lines = all_lines()
    lines[30], lines[31] = lines[31], lines[30]
    assert judge(WRITTEN, records(lines)).clean


def test_rotated_files_may_overtake_each_other_where_only_the_order_within_files_is_asked_for():
    lines = [line_of("w0", n, "") for n in range(4)]
    ids = ["old:0:50", "old:0:99", "new:0:50", "new:0:99"]
    delivered = [{"message": lines[n], "evt_id": ids[n]} for n in (2, 0, 1, 3)]
    swapped = [delivered[n] for n in (0, 2, 1, 3)]
    assert judge({"w0": 4}, delivered).reordered == 2
    assert judge({"w0": 4}, delivered, order="file").clean
    assert judge({"w0": 4}, swapped, order="file").reordered == 1


def test_a_changed_byte_is_a_corrupt_line():
    lines = all_lines()
    spoilt = random.Random(1).choice([at for at, char in enumerate(lines[30]) if char == " "])
    lines[30] = f"{lines[30][:spoilt]}_{lines[30][spoilt + 1 :]}"
    verdict = judge(WRITTEN, records(lines))
    assert verdict.lost == 1
    assert verdict.corrupt + verdict.torn == 1


@pytest.mark.parametrize("stranger", [line_of("w0", 50, ""), line_of("w9", 0, "")])
def test_a_line_that_nobody_wrote_is_corrupt(stranger):
    assert counts(judge(WRITTEN, records([*all_lines(), stranger]))) == (0, 0, 0, 1, 0)


@pytest.mark.parametrize("record", [{"message": ""}, {"message": None}, {"message": 7}, {}])
def test_a_record_without_a_line_in_it_is_torn(record):
    assert counts(judge({}, [record])) == (0, 0, 1, 0, 0)


def test_copies_are_told_apart_by_their_event_ids():
    line = line_of("w0", 0, "x")
    delivered = [{"message": line, "evt_id": evt_id} for evt_id in ("s:0:9", "s:0:9", "t:0:9", "s:0:9")]
    verdict = judge({"w0": 1}, delivered)
    assert (verdict.duplicated, verdict.copies_same_id, verdict.copies_other_id) == (3, 2, 1)
    assert not verdict.clean_but_for_copies


def test_only_copies_with_the_same_event_id_are_excused():
    line = line_of("w0", 0, "x")
    excused = judge({"w0": 1}, [{"message": line, "evt_id": "s:0:9"}] * 2)
    without_ids = judge({"w0": 1}, [{"message": line}] * 2)
    assert (excused.clean, excused.clean_but_for_copies) == (False, True)
    assert (without_ids.clean, without_ids.clean_but_for_copies) == (False, False)


def test_a_verdict_may_be_asked_for_again_as_more_arrives():
    trial = Judge({"w0": 2})
    trial.take({"message": line_of("w0", 0, "")})
    assert trial.verdict().lost == 1
    trial.take({"message": line_of("w0", 1, "")})
    assert trial.verdict().clean


def test_records_are_read_from_the_files_of_a_sink_but_for_a_line_cut_by_a_kill(tmp_path):
    lines = all_lines()
    whole = "".join(json.dumps({"message": line, "service": "web"}) + "\n" for line in lines)
    (tmp_path / "a.jsonl").write_text(whole + whole[:40])
    assert judge(WRITTEN, read_records(tmp_path / "a.jsonl", tmp_path / "absent.jsonl")).clean


def written_lines(folder, name):
    """All generations of a writer's file, oldest first."""
    generations = sorted(folder.glob(f"{name}.log.*"), key=lambda path: -int(path.suffix[1:]))
    return [line for path in (*generations, folder / f"{name}.log") for line in path.read_text().splitlines()]


@pytest.mark.parametrize("rotate", ["none", "rename", "copytruncate"])
def test_a_writer_leaves_every_line_in_its_generations_while_enough_are_kept(tmp_path, rotate):
    writer = Writer(tmp_path / "w0.log", Plan(lines=300, rotate=rotate, rotate_bytes=9000, keep=50, form="mixed"))
    writer.write_all()
    verdict = judge(summary_of([writer]), records(written_lines(tmp_path, "w0")))
    assert verdict.clean
    assert (writer.rotations > 3) == (rotate != "none")
    assert writer.size_bytes == sum(path.stat().st_size for path in tmp_path.iterdir())


@pytest.mark.parametrize(("rotate", "same_file"), [("rename", False), ("copytruncate", True)])
def test_a_rename_makes_a_new_file_and_copytruncate_goes_on_in_the_old_one(tmp_path, rotate, same_file):
    writer = Writer(tmp_path / "w0.log", Plan(lines=20, rotate=rotate))
    writer.write(10)
    before = (tmp_path / "w0.log").stat().st_ino
    writer.rotate()
    writer.write_all()
    assert ((tmp_path / "w0.log").stat().st_ino == before) is same_file
    assert len((tmp_path / "w0.log").read_text().splitlines()) == 10


def test_no_more_generations_stay_than_are_to_be_kept(tmp_path):
    writer = Writer(tmp_path / "w0.log", Plan(lines=300, rotate="rename", rotate_bytes=5000, keep=3))
    writer.write_all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w0.log", "w0.log.1", "w0.log.2", "w0.log.3"]


def test_lines_of_a_writer_differ_in_length_and_are_the_same_in_every_run():
    lengths = {len(padding_of(0, "w0", n)) for n in range(100)}
    assert len(lengths) > 40
    assert padding_of(3, "w0", 1) == padding_of(3, "w0", 1) != padding_of(4, "w0", 1)


def test_a_late_tick_is_made_up_for():
    pace = Pace(rate=200, started=10.0)
    assert [pace.due(now) for now in (10.0, 10.005, 12.5)] == [0, 1, 500]


def test_the_writers_command_writes_its_files_and_says_what_is_in_them(tmp_path):
    main(["--dir", str(tmp_path / "logs"), "--files", "2", "--lines", "40", "--lines-per-write", "7"])
    summary = read_summary(tmp_path / "logs-written.json")
    delivered = records([*written_lines(tmp_path / "logs", "w0"), *written_lines(tmp_path / "logs", "w1")])
    assert summary["lines"] == {"w0": 40, "w1": 40}
    assert judge(summary, delivered).clean


@pytest.mark.e2e
def test_a_writer_process_that_is_stopped_early_says_how_far_it_came(tmp_path):
    logs = tmp_path / "logs"
    options = [
        "--dir",
        str(logs),
        "--lines",
        "1000000",
        "--rate",
        "1000",
        "--rotate",
        "rename",
        "--rotate-bytes",
        "4000",
        "--keep",
        "500",
    ]
    with Service(["-m", "tests.e2e.writer", *options], tmp_path / "writer.log") as writer:
        wait_until((logs / "w0.log.2").exists, 20)
        assert writer.terminate(10) == 0
    summary = read_summary(tmp_path / "logs-written.json")
    assert 0 < summary["lines"]["w0"] < 1_000_000
    assert judge(summary, records(written_lines(logs, "w0"))).clean


@pytest.fixture
def server(tmp_path):
    port = free_port()
    service = Service(
        ["-c", READY_SERVER, str(port)], tmp_path / "server.log", f"http://127.0.0.1:{port}", {"POD_NAME": "web-0"}
    )
    with service:
        yield service.wait_ready()


@pytest.mark.e2e
def test_a_service_is_ready_killed_and_started_again_on_its_port(server):
    first = server.pid
    assert server.restart().pid != first
    assert server.get("/elsewhere")[0] == 404
    assert [event["event"] for event in server.log_events()] == []
    assert server.log_text().count('{"event": "started"} web-0') == 2
    server.kill()
    assert (server.is_alive, server.returncode, server.get("/readyz")[0]) == (False, -9, 0)


@pytest.mark.e2e
def test_a_service_is_measured_from_outside(server):
    assert server.metric("lines_total") == 5
    assert server.metric("absent_total") == 0
    assert 0 < server.rss_bytes() <= server.peak_rss_bytes()
    assert 0 < cpu_seconds(server.pid) < 60


@pytest.mark.e2e
def test_a_service_that_exits_before_it_is_ready_is_reported_at_once_with_its_log(tmp_path):
    service = Service(
        ["-c", "import sys; sys.exit('collector.yaml: logs: missing')"], tmp_path / "log", "http://127.0.0.1:9"
    )
    with service, pytest.raises(TookTooLongError, match=r"exited with 1 .*\n.*logs: missing"):
        service.wait_ready(60)


@pytest.mark.e2e
def test_a_service_that_ignores_sigterm_is_killed(tmp_path):
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
    )
    with Service(["-c", program], tmp_path / "log") as service:
        service.wait_ready(line="up")
        with pytest.raises(TookTooLongError, match="after SIGTERM"):
            service.terminate(0.2)
        assert not service.is_alive


def test_what_is_waited_for_is_returned_and_what_never_comes_is_named():
    assert wait_until(lambda: 7, 0) == 7
    with pytest.raises(TookTooLongError, match="waited 0 s for rain"):
        wait_until(lambda: False, 0, "rain")


def test_a_deployment_merges_changes_into_its_configurations(tmp_path):
    import yaml

    deployment = Deployment(tmp_path)
    collector = yaml.safe_load(
        deployment.collector_config(aggregator={"timeout_seconds": 1}, flush_seconds=0.1).read_text()
    )
    aggregator = yaml.safe_load(
        deployment.aggregator_config(sinks={"dd": {"type": "datadog"}}, routes=[{"to": ["dd"]}]).read_text()
    )
    assert collector["aggregator"] == {"url": deployment.aggregator_url, "timeout_seconds": 1}
    assert collector["flush_seconds"] == 0.1
    assert aggregator["sinks"] == {"dd": {"type": "datadog"}}
    assert deployment.marks() == {}
    assert (deployment.stored_bytes(), deployment.delivered_bytes()) == (0, 0)
    assert sys.executable in deployment.collector().arguments
