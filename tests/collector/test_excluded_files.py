"""Files that the configuration leaves out, on a real folder: they are no logs, and no copies of any."""

import pytest

from collector.core.globs import Excluding
from tests.collector.tailing import desk_with, lines_of, numbered


@pytest.fixture
def desk(tmp_path):
    desk = desk_with(tmp_path)
    exclude(desk, f"{desk.folder}/debug.log")
    yield desk
    desk.close()


def exclude(desk, *patterns):
    """Another configuration, and a new life of the collector with it."""
    desk.patterns = [Excluding(f"{desk.folder}/*.log", patterns)]
    desk.start()


def test_an_excluded_file_is_never_read_whatever_rotation_makes_of_it(desk):
    desk.write("x.log", numbered(0, 10))
    desk.write("debug.log", numbered(0, 10, "debug"))
    desk.round()
    desk.path("debug.log").rename(desk.path("debug.log.1"))
    desk.write("debug.log", numbered(10, 10, "debug"))
    desk.path("x.log").rename(desk.path("x.log.1"))
    desk.write("x.log", numbered(10, 10))
    desk.rounds(4)
    assert desk.lines == lines_of(numbered(0, 20))


def test_a_file_that_is_excluded_from_now_on_is_read_no_further(desk):
    exclude(desk)
    desk.write("debug.log", numbered(0, 10))
    desk.round()
    exclude(desk, "debug.log")
    desk.write("debug.log", numbered(10, 10))
    desk.rounds(4)
    assert desk.lines == lines_of(numbered(0, 10))
    exclude(desk)  # and goes on where it was left
    desk.rounds(4)
    assert desk.lines == lines_of(numbered(0, 20))


def test_a_log_that_was_renamed_to_an_excluded_name_is_read_to_its_end(desk):
    exclude(desk, "*.1")
    desk.write("x.log", numbered(0, 10))
    desk.round()
    desk.write("x.log", numbered(10, 10))
    desk.path("x.log").rename(desk.path("x.log.1"))
    desk.start()
    desk.rounds(4)
    assert desk.lines == lines_of(numbered(0, 20))


def test_other_patterns_are_watched_with_the_files_open_that_were(desk):
    desk.write("x.log", numbered(0, 10))
    desk.write("debug.log", numbered(0, 10, "debug"))
    desk.round()
    desk.files.watching([Excluding(f"{desk.folder}/*.log", ["x.log"])])
    names = {seen.path.rpartition("/")[2]: seen.matches for seen in desk.files.scan().files}
    assert names == {"x.log": -1, "debug.log": 0}


def test_a_link_does_not_bring_an_excluded_file_in(desk):
    exclude(desk, "app-*.log")
    desk.write("app-1.log", numbered(0, 10))
    desk.path("current.log").symlink_to("app-1.log")
    desk.rounds(4)
    assert desk.lines == []
