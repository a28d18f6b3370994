"""`Exclude_Path`: such files are not read, and what two inputs share goes the way of the one that has it."""

import pytest

from collector.__main__ import read_config
from collector.core.globs import Excluding, Globs
from tests.fluent_bit.harness import converted, records, written

OUTPUT = "[OUTPUT]\n Name datadog\n Match {match}\n apikey ${{DD_API_KEY}}\n tls on\n Alias {name}\n"


def tail(tag, path, more=""):
    return f"[INPUT]\n Name tail\n Tag {tag}\n Path {path}\n {more}\n"


def mark(match, name):
    return f"[FILTER]\n Name modify\n Match {match}\n Set {name} yes\n"


def is_read(path, name):
    globs = Globs([Excluding(log.path, log.exclude) for log in read_config(path)[0].logs])
    return max(globs.match(name), globs.rotated(name)) >= 0


@pytest.mark.parametrize(
    ("path", "exclude", "read", "left"),
    [
        ("/l/*", "*.gz", ["/l/a.log"], ["/l/a.log.gz"]),
        ("/l/*", "*.gz, *debug*", ["/l/a.log"], ["/l/my-debug.log", "/l/my-debug.log.1", "/l/a.gz"]),
        ("/l/*.log", "*.gz,*.zip", ["/l/a.log", "/l/a.log.1"], ["/l/a.log.1.gz"]),
        ("/l/*.log", "/l/a.log", ["/l/b.log"], ["/l/a.log", "/l/a.log.1"]),
        ("/l/*/x.log", "/l/old*", ["/l/new/x.log"], ["/l/old/x.log"]),  # its wildcard crosses folders
        ("/l/*/x.log", "*/old/*", ["/l/new/x.log"], ["/l/old/x.log"]),
        ("/l/*.log,/m/*.log", "/l/a.log", ["/m/a.log"], ["/l/a.log"]),
        ("/l/*.log", "/m/*", ["/l/a.log"], []),
    ],
)
def test_what_is_excluded_is_not_read(tmp_path, path, exclude, read, left):
    file = written(tmp_path, tail("t", path, f"Exclude_Path {exclude}") + OUTPUT.format(match="*", name="dd"))
    assert [name for name in read if not is_read(file, name)] == []
    assert [name for name in left if is_read(file, name)] == []
    assert len(converted(file).aggregator["routes"]) == 1


def test_a_pattern_that_can_mean_no_file_is_warned_about(tmp_path):
    text = tail("t", "/l/*.log", "Exclude_Path a.log,*.gz") + OUTPUT.format(match="*", name="dd")
    [warning] = converted(written(tmp_path, text)).report.warnings
    assert "Write */a.log" in warning.told()


def test_a_folder_of_the_environment_is_excluded_by_its_name(tmp_path, monkeypatch):
    text = tail("t", "${LOGS}/*.log", "Exclude_Path ${LOGS}/a.log,/m/b.log") + OUTPUT.format(match="*", name="dd")
    file = written(tmp_path, text)
    monkeypatch.setenv("LOGS", "/m")
    assert [is_read(file, f"/m/{name}.log") for name in "abc"] == [False, False, True]


@pytest.mark.parametrize("is_first", [True, False])
def test_a_file_that_another_input_reads_goes_that_inputs_way_only(tmp_path, monkeypatch, is_first):
    inputs = [tail("rest", "/l/*.log", "Exclude_Path /l/web.log"), tail("web", "/l/web.log")]
    text = "".join(inputs if is_first else reversed(inputs))
    text += mark("web", "web") + mark("rest", "rest")
    text += OUTPUT.format(match="*", name="all") + OUTPUT.format(match="rest", name="rests")
    file = written(tmp_path, text)
    assert converted(file).report.warnings == []
    assert is_read(file, "/l/web.log")
    for origin, sink, wanted in (
        ("/l/web.log", "all", [{"message": "x", "web": "yes"}]),
        ("/l/web.log", "rests", []),
        ("/l/a.log", "all", [{"message": "x", "rest": "yes"}]),
        ("/l/a.log", "rests", [{"message": "x", "rest": "yes"}]),
    ):
        assert (records(file, "x\n", monkeypatch, origin=origin, sink=sink) or []) == wanted, (origin, sink)


def test_two_inputs_of_one_pattern_leave_out_what_both_exclude(tmp_path, monkeypatch):
    text = tail("a", "/l/*", "Exclude_Path /l/a,/l/c") + tail("b", "/l/*", "Exclude_Path /l/b,/l/c")
    file = written(tmp_path, text + mark("b", "b") + OUTPUT.format(match="*", name="dd"))
    assert [is_read(file, f"/l/{name}") for name in "abcd"] == [True, True, False, True]
    assert records(file, "x\n", monkeypatch, origin="/l/a", sink="dd") == [{"message": "x", "b": "yes"}]
    assert records(file, "x\n", monkeypatch, origin="/l/b", sink="dd") == [{"message": "x"}]
