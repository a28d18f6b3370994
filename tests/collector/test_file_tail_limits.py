import contextlib
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.core.files import ReadOrder
from tests.collector.tailing import desk_with, lines_of, numbered


@pytest.fixture
def desk(tmp_path):
    desk = desk_with(tmp_path)
    yield desk
    desk.close()


def test_what_is_no_regular_file_is_skipped_without_blocking_and_counted(desk):
    os.mkfifo(desk.path("fifo.log"))
    desk.path("folder.log").mkdir()
    desk.path("dangling.log").symlink_to("nowhere")
    desk.path("loop.log").symlink_to("loop.log")
    desk.path("zero.log").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(desk.path("s.log")))
        desk.write("x.log", numbered(0, 3))
        desk.rounds(3)
    assert desk.lines == lines_of(numbered(0, 3))
    assert (desk.files.counters["link"], desk.files.counters["not_regular"]) == (3, 2)


def test_a_link_to_a_file_elsewhere_is_not_followed(desk, tmp_path):
    secret = tmp_path / "token"
    secret.write_bytes(b"canary\n")
    desk.path("x.log").symlink_to(secret)
    desk.path("y.log").symlink_to("../token")
    desk.rounds(3)
    assert desk.lines == []
    assert desk.files.counters["link"] == 2


def test_a_folder_swapped_for_a_link_is_not_entered(tmp_path):
    desk = desk_with(tmp_path, "*/x.log")
    desk.path("a").mkdir()
    desk.write("a/x.log", b"inside\n")
    desk.round()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.log").write_bytes(b"canary\n")
    shutil.rmtree(desk.path("a"))
    desk.path("a").symlink_to(tmp_path / "outside")
    desk.rounds(4)
    assert desk.lines == [b"inside"]
    desk.close()


def test_a_link_repointed_inside_the_folder_is_followed_and_the_old_target_finished(tmp_path):
    desk = desk_with(tmp_path, "current")
    desk.write("app.1.txt", numbered(0, 5))
    desk.path("current").symlink_to("app.1.txt")
    desk.round()
    desk.write("app.2.txt", numbered(10, 5))
    desk.path("current").unlink()
    desk.path("current").symlink_to(desk.path("app.2.txt"))
    desk.write("app.1.txt", numbered(5, 5))
    desk.rounds(4)
    assert desk.lines == lines_of(numbered(0, 15))
    desk.close()


@pytest.fixture
def open_folder():
    """A folder that anybody may enter: pytest's own are their owner's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@contextlib.contextmanager
def as_nobody():
    """Root may read everything, so root steps down for a while."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


def test_a_file_without_permission_is_retried_until_it_may_be_read(open_folder):
    desk = desk_with(open_folder)
    desk.write("x.log", numbered(0, 3))
    desk.write("y.log", numbered(3, 3))
    desk.path("x.log").chmod(0)
    with as_nobody():
        desk.rounds(3)
    assert desk.lines == lines_of(numbered(3, 3))
    assert desk.files.counters["permission"] == 1
    desk.path("x.log").chmod(0o644)
    with as_nobody():
        desk.round()
    assert desk.lines == lines_of(numbered(0, 6))
    desk.close()


def test_with_few_descriptors_every_file_is_still_read(tmp_path):
    desk = desk_with(tmp_path, descriptor_limit=16)
    for n in range(200):
        desk.write(f"{n:03}.log", numbered(n * 2, 1))
    desk.round()
    for n in range(200):
        desk.write(f"{n:03}.log", numbered(n * 2 + 1, 1))
    desk.rounds(3)
    assert desk.lines == lines_of(numbered(0, 400))
    assert len(desk.files._descriptors) <= 16
    assert desk.files.counters["descriptor_limit"] > 0
    desk.close()


def test_a_huge_hole_is_told_without_being_read(desk):
    with desk.path("x.log").open("wb") as writer:
        writer.write(b"before\n")
        writer.seek(200_000_000)
        writer.write(b"after\n")
    desk.rounds(3)
    assert (desk.lines, desk.hole_bytes) == ([b"after", b"before"], 200_000_000 - len(b"before\n"))


def test_nuls_that_were_written_are_read(desk):
    desk.write("x.log", b"a\0b\n" + b"\0" * 9000 + b"\nc\n")
    desk.rounds(3)
    assert b"".join(bytes(content) for content in desk.content.values()) == b"a\0b\n" + b"\0" * 9000 + b"\nc\n"


def test_an_unchanged_scan_hands_out_the_same_values(desk):
    desk.write("x.log", numbered(0, 3))
    desk.round()
    before, after = desk.files.scan(), desk.files.scan()
    assert all(one is other for one, other in zip(before.files, after.files, strict=True))


def test_a_gap_inside_the_first_page_is_told_and_not_read(desk):
    desk.write("x.log", b"\0" * 65 + b"line\n")
    desk.rounds(3)
    assert (desk.lines, desk.hole_bytes) == ([b"line"], 65)


@pytest.mark.parametrize("encoding", ["utf-16le", "utf-16be"])
@pytest.mark.parametrize("gap", [0, 100, 200_000])
def test_utf_16_behind_a_gap_begins_with_a_whole_letter(desk, encoding, gap):
    with desk.path("x.log").open("wb") as writer:
        writer.seek(gap)
        writer.write("line\n".encode(encoding))
    desk.rounds(3)
    (content,) = desk.content.values()
    assert (bytes(content).decode(encoding), desk.hole_bytes) == ("line\n", gap)


def test_a_read_that_only_compares_returns_no_data(desk):
    desk.write("x.log", numbered(0, 3))
    desk.round()
    ((stream, at),) = desk.positions.items()
    order = ReadOrder(stream, desk.keys[stream], 0, at.offset, at.print, 0)
    (result,) = desk.read([order])
    assert (result.data, result.print_matches, result.at_end) == (b"", True, True)
    (result,) = desk.read([replace(order, expected_print="another")])
    assert not result.print_matches


def test_a_file_that_is_closed_is_opened_again_only_if_it_is_the_same(desk):
    desk.write("x.log", numbered(0, 3))
    desk.round()
    ((stream, at),) = desk.positions.items()
    order = ReadOrder(stream, desk.keys[stream], 0, at.offset, at.print, 100)
    desk.files.keep_only(set())
    assert desk.read([order])[0].error == ""
    desk.files.keep_only(set())
    desk.path("x.log").rename(desk.path("kept"))
    desk.write("x.log", numbered(3, 3))
    assert desk.read([order])[0].error == "vanished"


def test_an_error_of_one_file_is_no_reason_to_stop(desk):
    desk.write("x.log", numbered(0, 3))
    desk.round()
    ((stream, at),) = desk.positions.items()
    nowhere = replace(desk.keys[stream], inode=1)
    orders = [ReadOrder("a", nowhere, 0, 0, None, 10), ReadOrder(stream, desk.keys[stream], 0, 0, at.print, 0)]
    assert [result.error for result in desk.read(orders)] == ["vanished", ""]


def test_very_many_files_are_scanned_less_often(desk):
    assert desk.files.pause_seconds == 1.0
    desk.files._scan_cost_seconds = 0.02
    assert desk.files.pause_seconds == 2.0
