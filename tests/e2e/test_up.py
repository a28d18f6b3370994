"""`towline up`: the main job on this machine, as somebody types it for the first time."""

import json
import re
import signal
import subprocess
import sys

import psutil
import pytest

from tests.e2e.judge import judge, read_records
from tests.e2e.procs import Service, fetch, wait_until
from tests.e2e.scratch import written_by
from tests.e2e.writer import Plan, Writer

pytestmark = pytest.mark.e2e

SAID = re.compile(r"delivered (?P<lines>[\d,]+) lines, [\d.]+ MB; undelivered 0 B\n")


class Up:
    """`towline up` as a process, everything in one folder."""

    def __init__(self, folder, *arguments):
        self.folder = folder / "up"
        command = ["-m", "towline", "up", "--dir", str(self.folder), *map(str, arguments)]
        self.service = Service(command, folder / "up.log")

    def said(self):
        return self.service.log_text()

    def delivered(self):
        return list(read_records(*sorted((self.folder / "delivered").rglob("*.jsonl"))))

    def lines(self, folder):
        """Whole lines in a folder's files: what may be counted while they are written."""
        files = (path for path in (self.folder / folder).rglob("*") if path.is_file())
        return sum(path.read_bytes().count(b"\n") for path in files)

    def delivered_said(self):
        found = SAID.search(self.said())
        assert found, self.said()
        return int(found["lines"].replace(",", ""))

    def children(self):
        return psutil.Process(self.service.pid).children(recursive=True)

    def kill_and_wait(self):
        """Kill -9 it, and wait until its programs are gone by themselves."""
        programs = self.children()
        self.service.kill()
        try:
            wait_until(lambda: not any(map(runs, programs)), 20, f"{programs} to leave")
        finally:
            for program in filter(runs, programs):
                program.kill()
        return len(programs)


def runs(program):
    """False for a zombie, too: whoever inherits it reaps it when it likes."""
    try:
        return program.is_running() and program.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_it_runs_an_example_says_where_to_look_and_leaves_by_itself(tmp_path):
    up = Up(tmp_path, "--seconds", 3)
    with up.service:
        status = wait_until(lambda: re.search(r"status +(http://\S+/status)", up.said()), 20)[1]
        metrics = re.search(r"metrics +(http://\S+/metrics)", up.said())[1]
        wait_until(lambda: json.loads(fetch(status)[1])["sinks"]["file"]["delivered_lines_total"] > 100, 20)
        wait_until(lambda: 'container_memory_working_set_bytes{namespace="local"' in fetch(metrics)[1], 5, "metrics")
        children = up.children()
        assert up.service.wait(30) == 0
    records = up.delivered()
    assert len(records) == up.delivered_said() > 300
    assert {record["source"] for record in records} == {"nginx", "app"}
    assert len(records) == up.lines("app-logs")
    assert not [child for child in children if child.is_running()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_tails_files_of_your_own_and_drains_when_it_is_told_to_leave(tmp_path, number):
    logs = tmp_path / "my logs"
    logs.mkdir()
    writer = Writer(logs / "w0.log", Plan(lines=2000, rotate="rename", rotate_bytes=100_000, keep=20), "w0")
    writer.write(1000)
    up = Up(tmp_path, "--logs", f"{logs}/*.log")
    with up.service:
        wait_until(lambda: up.lines("delivered") >= 1, 20)
        writer.write_all()
        psutil.Process(up.service.pid).send_signal(number)
        assert up.service.wait(40) == 0
    assert judge(written_by(writer), up.delivered()).clean_but_for_copies
    assert up.delivered_said() == 2000


def test_its_programs_drain_and_leave_when_it_is_killed(tmp_path):
    up = Up(tmp_path)
    with up.service:
        wait_until(lambda: up.lines("delivered") > 200, 20)
        assert up.kill_and_wait() == 3
    assert len(up.delivered()) == up.lines("app-logs")
    left = [json.loads(line) for line in (up.folder / "aggregator.log").read_text().splitlines()]
    assert [line["event"] for line in left][-1] == "service_ended"
    assert "sink_left_owing" not in {line["event"] for line in left}


def test_files_of_your_own_are_delivered_whole_when_it_is_killed(tmp_path):
    logs = tmp_path / "my logs"
    logs.mkdir()
    writer = Writer(logs / "w0.log", Plan(lines=20_000, rotate="rename", rotate_bytes=1_000_000, keep=20), "w0")
    writer.write(100)
    up = Up(tmp_path, "--logs", f"{logs}/*.log")
    with up.service:
        wait_until(lambda: up.lines("delivered") >= 1, 20)
        writer.write_all()
        assert up.kill_and_wait() == 2
    assert judge(written_by(writer), up.delivered()).clean_but_for_copies


def test_a_program_that_was_started_again_leaves_like_the_first(tmp_path):
    up = Up(tmp_path)
    with up.service:
        wait_until(lambda: "Ctrl-C drains" in up.said(), 30)  # what ends while it starts is an error, not started again
        wait_until(lambda: up.lines("delivered") > 20, 20)
        collector = next(child for child in up.children() if "collector" in child.cmdline())
        collector.kill()
        wait_until(lambda: "collector was killed (SIGKILL): started again" in up.said(), 10)
        wait_until(lambda: len(up.children()) == 3, 10)
        assert up.kill_and_wait() == 3
    assert len(up.delivered()) == up.lines("app-logs")


def test_a_second_one_beside_it_takes_other_ports(tmp_path):
    ups = [Up(tmp_path / name, "--seconds", 2) for name in ("a", "b")]
    for up in ups:
        up.folder.parent.mkdir()
    with ups[0].service, ups[1].service:
        assert [up.service.wait(40) for up in ups] == [0, 0]
    assert all(up.delivered_said() > 0 for up in ups)


def test_the_version_is_said_by_the_command_that_was_installed(tmp_path):
    service = Service(["-m", "towline", "--version"], tmp_path / "version.log")
    assert service.start().wait(10) == 0
    assert re.fullmatch(r"towline \d+\.\d+\.\d+\n", service.log_text())


def test_a_pattern_that_matches_nothing_is_said(tmp_path):
    command = [sys.executable, "-m", "towline", "up", "--seconds", "1", "--dir", str(tmp_path / "up")]
    done = subprocess.run(
        [*command, "--logs", str(tmp_path / "*.log")], check=False, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, "no file matches" in done.stdout) == (0, True)
