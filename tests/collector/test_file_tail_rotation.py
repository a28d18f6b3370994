import shutil

import pytest

from collector.core.files import Gone, Missing, Opened, Unlinked
from tests.collector.tailing import Desk, desk_with, lines_of, numbered


@pytest.fixture
def desk(tmp_path):
    desk = desk_with(tmp_path)
    yield desk
    desk.close()


def test_a_renamed_file_is_read_to_its_end_and_the_new_one_from_its_start(desk):
    desk.write("x.log", numbered(0, 10))
    desk.round()
    desk.write("x.log", numbered(10, 5))
    desk.path("x.log").rename(desk.path("x.log.1"))
    desk.write("x.log", numbered(15, 5))
    desk.rounds(4)
    assert desk.lines == lines_of(numbered(0, 20))
    assert len(desk.kinds(Opened)) == 2


def test_a_renamed_file_is_read_on_while_its_writer_still_has_it(desk):
    desk.write("x.log", numbered(0, 10))
    desk.round()
    with desk.path("x.log").open("ab") as old:
        desk.path("x.log").rename(desk.path("x.log.1"))
        desk.round()
        for n in range(10, 20, 2):
            old.write(numbered(n, 1))
            old.flush()
            desk.write("x.log", numbered(n + 1, 1))
            desk.round()
    desk.rounds(4)
    assert desk.lines == lines_of(numbered(0, 20))


def test_no_generation_is_missed_when_files_are_made_filled_and_renamed_between_two_scans(desk):
    desk.write("x.log", numbered(0, 5))
    desk.round()
    for generation in range(1, 6):
        for number in range(generation, 0, -1):
            older = desk.path("x.log" if number == 1 else f"x.log.{number - 1}")
            older.rename(desk.path(f"x.log.{number}"))
        desk.write("x.log", numbered(generation * 5, 5))
    desk.rounds(4)
    assert desk.lines == lines_of(numbered(0, 30))


def test_nothing_is_dropped_by_a_timer_while_nothing_may_be_read(desk):
    desk.write("x.log", numbered(0, 5))
    desk.round()
    desk.reads = False
    for generation in range(1, 40):
        desk.path("x.log").rename(desk.path(f"x.log.{generation}"))
        desk.write("x.log", numbered(generation * 5, 5))
        if generation > 20:
            desk.path(f"x.log.{generation - 20}").unlink()
        desk.round(90.0)
    desk.reads = True
    desk.rounds(4)
    assert desk.lines == lines_of(numbered(0, 200))
    assert not desk.kinds(Missing)


def test_generations_rotated_while_the_collector_was_down_are_found_by_identity(desk):
    desk.write("x.log", numbered(0, 10))
    desk.round()
    desk.write("x.log", numbered(10, 3))
    for generation in range(3):
        for number in range(generation, -1, -1):
            name = f"x.log.{number}" if number else "x.log"
            desk.path(name).rename(desk.path(f"x.log.{number + 1}"))
        desk.write("x.log", numbered(13 + generation * 4, 4))
    desk.start()
    desk.rounds(4)
    assert desk.lines == lines_of(numbered(0, 25))


def test_dated_names_are_read_once_and_closed_when_idle(desk):
    for day in range(20):
        desk.write(f"x-2026-11-{day + 1:02}.log", numbered(day * 3, 3))
        desk.rounds(3, 200.0)
        desk.files.keep_only(desk.tail.needed(desk.now, desk.positions))
        assert len(desk.files._descriptors) <= 3
    assert desk.lines == lines_of(numbered(0, 60))


def test_an_unlinked_file_is_read_to_its_end_and_let_go_a_minute_after_it_is_delivered(desk):
    writer = desk.path("x.log").open("ab")
    writer.write(numbered(0, 10))
    writer.flush()
    desk.round()
    desk.path("x.log").unlink()
    for n in range(10, 60):
        writer.write(numbered(n, 1))
        writer.flush()
        desk.round(2.0)
    writer.close()
    desk.delivers = False
    assert desk.lines == lines_of(numbered(0, 60))
    assert (len(desk.kinds(Unlinked)), desk.kinds(Gone)) == (1, [])
    desk.rounds(3, 30.0)
    assert len(desk.kinds(Gone)) == 1
    desk.files.keep_only(desk.tail.needed(desk.now, desk.positions))
    assert len(desk.files._descriptors) == 0


def test_an_unlinked_file_keeps_its_descriptor_until_it_is_delivered(desk):
    desk.delivers = False
    desk.write("x.log", numbered(0, 10))
    desk.round()
    desk.path("x.log").unlink()
    desk.rounds(5, 1000.0)
    assert not desk.kinds(Gone)
    ((stream, position),) = desk.positions.items()
    assert {desk.keys[stream]} <= desk.tail.needed(desk.now, desk.positions)
    assert position.delivered == 0


def test_an_inode_number_given_out_again_is_another_stream(desk):
    desk.write("x.log", numbered(0, 10))
    desk.round()
    inode = desk.path("x.log").stat().st_ino
    desk.close()
    for _ in range(50):
        desk.path("x.log").unlink()
        desk.write("x.log", numbered(100, 30))
        if desk.path("x.log").stat().st_ino == inode:
            break
    desk.start()
    desk.rounds(6)
    assert desk.lines == lines_of(numbered(0, 10) + numbered(100, 30))
    assert len({event.stream_id for event in desk.kinds(Opened)}) == 2


def test_a_file_that_went_while_the_collector_was_down_is_reported_missing(desk):
    desk.write("x.log", numbered(0, 10))
    desk.round()
    desk.close()
    desk.path("x.log").unlink()
    desk.start()
    desk.rounds(5)
    assert (len(desk.kinds(Missing)), len(desk.kinds(Gone))) == (1, 1)


def test_a_log_folder_that_is_deleted_and_made_again_is_found_again(desk):
    desk.write("x.log", numbered(0, 10))
    desk.round()
    shutil.rmtree(desk.folder)
    desk.rounds(2)
    desk.folder.mkdir()
    desk.write("x.log", numbered(10, 10))
    desk.rounds(2)
    assert desk.lines == lines_of(numbered(0, 20))


def test_a_folder_that_does_not_exist_yet_is_waited_for(tmp_path):
    desk = Desk(tmp_path / "later" / "app")
    assert desk.round() == []
    desk.folder.mkdir(parents=True)
    desk.write("x.log", numbered(0, 3))
    desk.round()
    assert desk.lines == lines_of(numbered(0, 3))
    desk.close()


def test_a_file_that_appears_later_is_read_in_the_next_round(desk):
    desk.round()
    for n in range(10):
        desk.write(f"{n}.log", numbered(n, 1))
    desk.round()
    assert desk.lines == lines_of(numbered(0, 10))


def test_a_file_of_ten_bytes_is_read_at_once(desk):
    desk.write("x.log", b"ten bytes\n")
    desk.round()
    assert desk.lines == [b"ten bytes"]


def test_a_log_made_anew_after_an_unlink_is_read_whole_although_it_begins_alike(desk):
    desk.write("x.log", b"started\n")
    desk.round()
    desk.path("x.log").unlink()
    desk.write("x.log", b"started\nrunning\n")
    desk.rounds(4)
    assert desk.lines == [b"running", b"started", b"started"]
