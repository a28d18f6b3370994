import gzip
import os
import shutil

import pytest

from collector.core.files import Copied, Inherited, Opened, Truncated, Waiting
from tests.collector.tailing import copytruncate, desk_with, lines_of, numbered


@pytest.fixture
def desk(tmp_path):
    desk = desk_with(tmp_path)
    yield desk
    desk.close()


def test_a_copy_is_recognised_and_what_was_unread_is_taken_from_it(desk):
    desk.write("x.log", numbered(0, 10))
    desk.round()
    desk.write("x.log", numbered(10, 5))
    copytruncate(desk, "x.log", "x.log.1")
    desk.write("x.log", numbered(15, 5))
    desk.rounds(6)
    assert desk.lines == lines_of(numbered(0, 20))
    (inherited,) = desk.kinds(Inherited)
    (truncated,) = desk.kinds(Truncated)
    assert (inherited.epoch, truncated.epoch, truncated.lost_bytes_at_least) == (0, 0, 0)


def test_a_copy_that_was_seen_before_the_truncation_is_not_doubled(tmp_path):
    desk = desk_with(tmp_path, "*.log*")
    desk.write("x.log", numbered(0, 10))
    desk.round()
    shutil.copyfile(desk.path("x.log"), desk.path("x.log.1"))
    desk.round(0.5)
    os.truncate(desk.path("x.log"), 0)
    desk.write("x.log", numbered(10, 5))
    desk.rounds(6)
    assert desk.lines == lines_of(numbered(0, 15))
    assert desk.kinds(Waiting)
    assert desk.kinds(Copied)
    desk.close()


def test_a_copy_still_being_made_waits_and_is_not_shipped(tmp_path):
    desk = desk_with(tmp_path, "*.log*")
    whole = numbered(0, 1000)
    desk.write("x.log", whole)
    desk.round()
    for part in range(10):
        desk.write("x.log.1", whole[part * len(whole) // 10 : (part + 1) * len(whole) // 10])
        desk.round(1.5)
    os.truncate(desk.path("x.log"), 0)
    desk.write("x.log", numbered(1000, 3))
    desk.rounds(6)
    assert desk.lines == lines_of(numbered(0, 1003))
    desk.close()


def test_many_copytruncates_lose_and_double_nothing(tmp_path):
    desk = desk_with(tmp_path, "*.log*")
    for turn in range(12):
        desk.write("x.log", numbered(turn * 20, 10))
        desk.round(0.3)
        desk.write("x.log", numbered(turn * 20 + 10, 10))
        for number in range(turn, 0, -1):
            desk.path(f"x.log.{number}").rename(desk.path(f"x.log.{number + 1}"))
        copytruncate(desk, "x.log", "x.log.1")
        desk.rounds(2, 0.3)
    desk.rounds(6)
    assert desk.lines == lines_of(numbered(0, 240))
    desk.close()


def test_a_writer_without_append_leaves_a_hole_that_is_told_and_not_read(desk):
    with desk.path("x.log").open("wb") as writer:
        writer.write(numbered(0, 200))
        writer.flush()
        desk.round()
        copytruncate(desk, "x.log", "x.log.1")
        writer.write(numbered(200, 5))
        writer.flush()
        desk.rounds(6)
    assert desk.lines == lines_of(numbered(0, 205))
    assert desk.hole_bytes == len(numbered(0, 200))


def test_without_a_copy_the_unread_bytes_are_counted_as_lost(desk):
    desk.write("x.log", numbered(0, 10))
    desk.round()
    desk.reads = False
    desk.write("x.log", numbered(10, 5))
    desk.round()
    os.truncate(desk.path("x.log"), 0)
    desk.reads = True
    desk.rounds(2)
    desk.write("x.log", numbered(15, 5))
    desk.rounds(2)
    (truncated,) = desk.kinds(Truncated)
    assert truncated.lost_bytes_at_least == len(numbered(10, 5))
    assert desk.lines == lines_of(numbered(0, 10) + numbered(15, 5))


@pytest.mark.parametrize("second", [3, 10, 17], ids=["shorter", "exactly as long", "longer"])
def test_a_rewritten_file_is_read_from_its_start(desk, second):
    desk.write("x.log", numbered(0, 10))
    desk.round()
    desk.write("x.log", numbered(500, second), mode="wb")
    desk.rounds(4)
    assert desk.lines == lines_of(numbered(0, 10) + numbered(500, second))
    assert len(desk.kinds(Truncated)) == 1


def test_two_identical_files_are_shipped_twice(desk):
    desk.write("a.log", numbered(0, 10))
    desk.write("b.log", numbered(0, 10))
    desk.rounds(4)
    assert desk.lines == lines_of(numbered(0, 10) * 2)


def test_two_files_that_are_written_alike_for_ever_are_both_shipped(desk):
    for n in range(12):
        desk.write("a.log", numbered(n, 1))
        desk.write("b.log", numbered(n, 1))
        desk.round(0.5)
    desk.rounds(4)
    assert desk.lines == lines_of(numbered(0, 12) * 2)


def test_files_with_the_same_banner_are_told_apart(desk):
    banner = numbered(0, 80, "banner")
    for n in range(50):
        desk.write(f"{n}.log", banner + numbered(n, 1))
    desk.round()
    assert len(desk.kinds(Opened)) == 50
    assert desk.lines == lines_of(banner * 50 + numbered(0, 50))


def test_a_rotated_copy_made_while_the_collector_was_down_is_read_from_the_mark(desk):
    desk.write("x.log", numbered(0, 10))
    desk.round()
    desk.close()
    desk.write("x.log", numbered(10, 5))
    copytruncate(desk, "x.log", "x.log.1")
    desk.write("x.log", numbered(15, 5))
    desk.path("x.log.1").rename(desk.path("x.log.2"))
    copytruncate(desk, "x.log", "x.log.1")
    desk.write("x.log", numbered(20, 5))
    desk.start()
    desk.rounds(6)
    assert desk.lines == lines_of(numbered(0, 25))


def test_a_known_copy_is_not_shipped_after_a_restart(tmp_path):
    desk = desk_with(tmp_path, "*.log*")
    desk.write("x.log", numbered(0, 10))
    desk.round()
    copytruncate(desk, "x.log", "x.log.1")
    desk.write("x.log", numbered(10, 5))
    desk.rounds(6)
    desk.start()
    desk.rounds(6)
    assert desk.lines == lines_of(numbered(0, 15))
    desk.close()


def test_a_copy_that_is_written_on_is_read_on(tmp_path):
    desk = desk_with(tmp_path, "*.log*")
    desk.write("x.log", numbered(0, 100))
    desk.round()
    copytruncate(desk, "x.log", "x.log.1")
    desk.write("x.log", numbered(100, 5))
    desk.rounds(6)
    desk.write("x.log.1", numbered(900, 2))
    desk.rounds(2)
    assert desk.lines == lines_of(numbered(0, 105) + numbered(900, 2))
    desk.close()


@pytest.mark.parametrize("patterns", [("*.log",), ("*.log*",)], ids=["outside the pattern", "matched by it"])
def test_a_rotated_log_that_is_compressed_is_neither_shipped_raw_nor_doubled(tmp_path, patterns):
    desk = desk_with(tmp_path, *patterns)
    desk.write("x.log", numbered(0, 50))
    desk.round()
    desk.path("x.log").rename(desk.path("x.log.1"))
    desk.write("x.log", numbered(50, 5))
    desk.round(0.5)
    desk.path("x.log.1.gz").write_bytes(gzip.compress(desk.path("x.log.1").read_bytes()))
    desk.path("x.log.1").unlink()
    desk.rounds(6)
    assert desk.lines == lines_of(numbered(0, 55))
    desk.start()
    desk.rounds(6)
    assert desk.lines == lines_of(numbered(0, 55))
    desk.close()


def test_a_log_rotated_and_compressed_while_the_collector_was_down_goes_on_from_the_gz(desk):
    desk.write("x.log", numbered(0, 50))
    desk.round()
    desk.close()
    desk.write("x.log", numbered(50, 50))
    desk.path("x.log.1.gz").write_bytes(gzip.compress(desk.path("x.log").read_bytes()))
    desk.path("x.log").unlink()
    desk.write("x.log", numbered(100, 5))
    desk.start()
    desk.rounds(6)
    assert desk.lines == lines_of(numbered(0, 105))


def test_a_gz_of_its_own_that_a_pattern_matches_is_read_unpacked_in_bounded_pieces(tmp_path):
    desk = desk_with(tmp_path, "*.gz", max_bytes=1000)
    whole = numbered(0, 500)
    desk.path("old.gz").write_bytes(gzip.compress(whole[:20000]) + gzip.compress(whole[20000:]))
    desk.rounds(4)
    assert desk.lines == lines_of(whole)
    desk.close()


def test_a_damaged_gz_is_skipped_and_counted(tmp_path):
    desk = desk_with(tmp_path, "*.gz")
    desk.path("old.gz").write_bytes(gzip.compress(numbered(0, 500))[:-20])
    desk.rounds(4)
    assert (desk.lines, desk.files.counters["packed_damaged"]) == ([], 1)
    desk.close()
