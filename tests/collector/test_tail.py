"""What the tail makes of what a scan sees: files that come, vanish, come back, and go on where a journal stands."""

import pytest

from collector.core.files import FileKey, Gone, Missing, Opened, Position, Scan, Truncated, Unlinked
from collector.core.tail import IDLE_SECONDS
from tests.collector.eye import COPY, LIVE, POD, TEXT, Eye, kinds
from tests.collector.tailing import numbered
from tests.model.disk import ROOT, Disk
from towline.wire.block import Row
from towline.wire.identity import EMPTY_PRINT, Origin, stream_id


def test_a_new_file_is_opened_with_the_origin_that_its_pattern_says():
    eye = Eye()
    eye.disk.append(LIVE, TEXT)
    assert eye.look() == [
        Opened(eye.name(LIVE), eye.disk.paths[LIVE].key, Origin(path=LIVE, container="app"), epoch=0, offset=0)
    ]
    assert eye.tail.size_of(eye.name(LIVE)) == len(TEXT)


def test_an_empty_file_becomes_a_stream_with_its_first_byte():
    eye = Eye()
    eye.disk.create(LIVE)
    assert eye.looks(5) == []
    assert eye.tail.needed(eye.now, {}) == {eye.disk.paths[LIVE].key}
    eye.disk.append(LIVE, b"a")
    assert kinds(eye.look()) == [Opened]


def test_files_that_nobody_asked_for_are_left_alone():
    eye = Eye()
    eye.disk.append(f"{ROOT}/notes.txt", TEXT)
    assert eye.looks(5) == []
    assert eye.tail.needed(eye.now, {}) == set()


def test_nothing_changed_nothing_follows():
    eye = Eye()
    eye.follow_live()
    assert eye.looks(10) == []


def test_an_unlinked_file_is_gone_when_delivered_and_quiet_for_a_minute():
    eye = Eye()
    name, key = eye.follow_live()
    eye.positions[name] = Position(0, len(TEXT), EMPTY_PRINT, len(TEXT), 0)
    eye.disk.unlink(LIVE)
    assert eye.look() == [Unlinked(name)]
    assert eye.looks(5, 60.0) == []
    eye.has_read(name, key, len(TEXT))
    assert eye.look() == [Gone(name)]


def test_under_pressure_an_unlinked_file_is_let_go_when_stored():
    eye = Eye()
    name, _ = eye.follow_live()
    eye.positions[name] = Position(0, len(TEXT), EMPTY_PRINT, len(TEXT), 0)
    eye.disk.unlink(LIVE)
    eye.tail.release_at = "stored"
    assert Gone(name) in eye.looks(3, 60.0)


def test_a_file_that_vanished_unread_is_searched_for_and_then_missing():
    eye = Eye()
    name, key = eye.follow_live(read=1000)
    eye.disk.unlink(LIVE)
    eye.disk.close(key)
    eye.disk.instances = lambda: {instance.key: instance for instance in eye.disk.paths.values()}
    scan = Scan((), frozenset({ROOT}), frozenset())
    assert eye.tail.observe(10.0, scan, eye.positions) == []
    assert eye.tail.observe(12.0, scan, eye.positions) == [Missing(name, len(TEXT) - 1000), Gone(name)]


def test_in_a_folder_that_cannot_be_listed_nothing_has_vanished():
    eye = Eye()
    name, _ = eye.follow_live()
    for _ in range(5):
        eye.now += 100.0
        assert eye.tail.observe(eye.now, Scan((), frozenset(), frozenset()), eye.positions) == []
    assert eye.tail.size_of(name) == len(TEXT)


def test_a_file_that_comes_back_goes_on_where_it_was():
    eye = Eye()
    name, key = eye.follow_live()
    gone = Scan((), frozenset({ROOT}), frozenset())
    events = [event for _ in range(5) for event in eye.tail.observe(eye.now + 10.0, gone, eye.positions)]
    eye.now += 60.0
    events += eye.tail.observe(eye.now, gone, eye.positions)
    assert Gone(name) in events
    del eye.positions[name]
    assert eye.look() == [Opened(name, key, Origin(path=LIVE, container="app"), 0, len(TEXT))]


def test_a_stream_goes_on_where_the_journal_stands():
    disk = Disk()
    disk.append(LIVE, TEXT)
    eye = Eye(disk)
    name = eye.name(LIVE)
    eye = Eye(disk, [Row(stream=name, epoch=3, mark=1000, print=disk.print_at(disk.paths[LIVE].key, 1000), path=LIVE)])
    (opened,) = eye.look()
    assert (opened.stream_id, opened.epoch, opened.offset) == (name, 3, 1000)


def test_a_row_whose_epoch_is_over_opens_the_next_one():
    disk = Disk()
    disk.append(LIVE, TEXT)
    name = Eye(disk).name(LIVE)
    eye = Eye(disk, [Row(stream=name, mark=len(TEXT), print="", path=LIVE, final=True)])
    assert kinds(eye.looks(2)) == [Opened, Truncated]


def test_a_row_outside_of_the_watched_folders_is_left_alone():
    eye = Eye(rows=[Row(stream="a" * 32, mark=10, print="b" * 32, path="/elsewhere/x.log")])
    assert eye.looks(10) == []


def test_a_file_system_without_birth_times_names_by_the_head_of_the_first_discovery():
    disk = Disk()
    instance = disk.create(LIVE)
    instance.content += TEXT
    instance.key = FileKey(ROOT, instance.key.inode, None, TEXT[:256])
    name = stream_id(POD, ROOT, instance.key.inode, None, TEXT[:10])
    eye = Eye(disk, [Row(stream=name, mark=100, print=disk.print_at(instance.key, 100), path=LIVE, head_bytes=10)])
    (opened,) = eye.look()
    assert (opened.stream_id, opened.offset, opened.head_bytes) == (name, 100, 10)


def test_a_later_life_that_went_further_is_followed():
    eye = Eye()
    name, key = eye.follow_live()
    eye.positions[name] = Position(2, 500, eye.disk.print_at(key, 500), 500, 500)
    eye.disk.append(LIVE, b"more\n")
    assert eye.looks(3) == []


def test_only_files_with_something_at_stake_need_their_descriptor():
    eye = Eye()
    name, key = eye.follow_live()
    assert eye.tail.needed(eye.now, eye.positions) == {key}
    eye.looks(2, IDLE_SECONDS)
    assert eye.tail.needed(eye.now, eye.positions) == set()
    eye.has_read(name, key, len(TEXT), stored=10)
    assert eye.tail.needed(eye.now, eye.positions) == {key}


@pytest.mark.parametrize("files", [300])
def test_a_thousand_looks_at_files_that_do_not_change_are_cheap(files):
    eye = Eye()
    for n in range(files):
        eye.disk.append(f"{ROOT}/{n}.log", numbered(n, 3))
    scan = eye.disk.scan()
    assert len(eye.tail.observe(1.0, scan, {})) == files
    looks = []
    eye.disk.print_at = lambda key, offset: looks.append(key)
    eye.disk.head = lambda key, length: looks.append(key)
    assert [eye.tail.observe(2.0 + n, scan, {}) for n in range(1000)] == [[]] * 1000
    assert looks == []


def test_many_streams_are_told_from_a_new_file_by_its_head_alone():
    eye = Eye()
    for n in range(200):
        eye.disk.append(f"{ROOT}/{n}.log", numbered(n, 30))
    eye.look()
    looks = []
    print_at = eye.disk.print_at
    eye.disk.print_at = lambda key, offset: (looks.append(key), print_at(key, offset))[1]
    eye.disk.append(LIVE, b"nothing like the others\n")
    assert kinds(eye.look()) == [Opened]
    assert looks == []


def test_what_waits_is_said_so_that_a_drain_can_wait_for_it():
    eye = Eye()
    eye.follow_live()
    assert eye.tail.undecided() == {}
    eye.disk.copy(LIVE, COPY)
    eye.look()
    assert sum(eye.tail.undecided().values()) == len(TEXT)
