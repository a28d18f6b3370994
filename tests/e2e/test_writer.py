"""The writer of the tests is what it says: every line is in its generations, and in every run the same."""

import pytest

from tests.e2e.judge import judge, read_summary, records_of
from tests.e2e.procs import Service, wait_until
from tests.e2e.writer import Pace, Plan, Writer, main, padding_of, summary_of


def written_lines(folder, name):
    """All generations of a writer's file, oldest first."""
    generations = sorted(folder.glob(f"{name}.log.*"), key=lambda path: -int(path.suffix[1:]))
    return [line for path in (*generations, folder / f"{name}.log") for line in path.read_text().splitlines()]


@pytest.mark.parametrize("rotate", ["none", "rename", "copytruncate"])
def test_a_writer_leaves_every_line_in_its_generations_while_enough_are_kept(tmp_path, rotate):
    writer = Writer(tmp_path / "w0.log", Plan(lines=300, rotate=rotate, rotate_bytes=9000, keep=50, form="mixed"))
    writer.write_all()
    verdict = judge(summary_of([writer]), records_of(written_lines(tmp_path, "w0")))
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
    delivered = records_of([*written_lines(tmp_path / "logs", "w0"), *written_lines(tmp_path / "logs", "w1")])
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
    assert judge(summary, records_of(written_lines(logs, "w0"))).clean
