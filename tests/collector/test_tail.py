import pytest

from collector.core.files import (
    Copied,
    FileKey,
    Gone,
    Missing,
    Opened,
    Position,
    Scan,
    Truncated,
    Unlinked,
    Waiting,
)
from collector.core.tail import IDLE_SECONDS, Tail
from tests.collector.tailing import numbered
from tests.model.disk import ROOT, Disk
from towline.wire.block import Row
from towline.wire.identity import EMPTY_PRINT, Origin, stream_id

LIVE = f"{ROOT}/x.log"
COPY = f"{ROOT}/x.log.1"
TEXT = numbered(0, 100)
POD = "uid-1"


class Eye:
    """A tail over a disk in memory; the test says how far each stream was read."""

    def __init__(self, disk=None, rows=()):
        self.disk = disk or Disk()
        self.tail = Tail(POD, [(f"{ROOT}/*.log", Origin(path="", container="app"))], self.disk, rows)
        self.now = 0.0
        self.positions = {}

    def look(self, seconds=1.0):
        self.now += seconds
        return self.tail.observe(self.now, self.disk.scan(), self.positions)

    def looks(self, count, seconds=1.0):
        return [event for _ in range(count) for event in self.look(seconds)]

    def name(self, path):
        return stream_id(POD, ROOT, self.disk.paths[path].key.inode, self.disk.paths[path].key.birth_ns)

    def has_read(self, name, key, offset, epoch=0, stored=None):
        held = offset if stored is None else stored
        self.positions[name] = Position(epoch, offset, self.disk.print_at(key, offset), held, held)

    def follow_live(self, text=TEXT, read=None):
        """A live log that was read to its end, or to `read`. Returns its stream and its file."""
        self.disk.append(LIVE, text)
        self.look()
        name, key = self.name(LIVE), self.disk.paths[LIVE].key
        self.has_read(name, key, len(text) if read is None else read)
        return name, key


def kinds(events):
    return [type(event) for event in events]


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


def test_a_twin_waits_while_its_original_is_whole_and_two_seconds_after_it_came_to_rest():
    eye = Eye()
    eye.follow_live()
    eye.disk.copy(LIVE, f"{ROOT}/y.log")
    assert kinds(eye.look(0.5)) == [Waiting]
    assert eye.looks(3, 0.5) == []
    assert kinds(eye.look(0.5)) == [Opened]


def test_a_growing_twin_goes_on_waiting_as_long_as_it_is_shorter_than_its_original():
    eye = Eye()
    eye.follow_live()
    for part in range(10):
        eye.disk.append(f"{ROOT}/y.log", TEXT[part * 500 : (part + 1) * 500])
        assert Opened not in kinds(eye.look(1.9))


def test_a_twin_that_turns_out_different_is_opened_at_once():
    eye = Eye()
    eye.follow_live()
    eye.disk.append(f"{ROOT}/y.log", TEXT[:1000])
    assert kinds(eye.look()) == [Waiting]
    eye.disk.append(f"{ROOT}/y.log", b"something else\n")
    assert kinds(eye.look()) == [Opened]


def test_a_copy_inherits_what_was_not_read_and_the_next_epoch_opens_when_it_is_read():
    eye = Eye()
    name, key = eye.follow_live(read=1000)
    eye.disk.copy(LIVE, COPY)
    eye.disk.truncate(LIVE)
    eye.disk.append(LIVE, b"new\n")
    copy = eye.disk.paths[COPY].key
    assert Truncated not in kinds(eye.look())
    (inherited,) = [event for event in eye.look() if not isinstance(event, Waiting)]
    assert (inherited.stream_id, inherited.key, inherited.offset, inherited.alias) == (name, copy, 1000, eye.name(COPY))
    assert eye.tail.size_of(name) == len(TEXT)
    assert eye.look() == []
    eye.has_read(name, copy, len(TEXT))
    assert eye.look() == [Truncated(name, key, 0, 0)]
    assert eye.tail.size_of(name) == 4


def test_what_neither_the_copy_nor_the_reader_has_is_counted():
    eye = Eye()
    name, key = eye.follow_live(read=1000)
    eye.disk.append(COPY, TEXT[:3000])
    eye.disk.truncate(LIVE)
    eye.looks(2)
    eye.has_read(name, eye.disk.paths[COPY].key, 3000)
    assert eye.look() == [Truncated(name, key, 0, len(TEXT) - 3000)]


def test_a_copy_of_what_was_read_already_is_only_named():
    eye = Eye()
    name, key = eye.follow_live()
    eye.disk.copy(LIVE, COPY)
    eye.disk.truncate(LIVE)
    events = eye.looks(3)
    assert [event for event in events if not isinstance(event, Waiting)] == [
        Copied(name, 0, eye.name(COPY)),
        Truncated(name, key, 0, 0),
    ]
    assert eye.looks(10) == []


def test_a_copy_that_is_shorter_than_what_was_read_since_is_recognised_by_an_earlier_position():
    eye = Eye()
    name, key = eye.follow_live()
    eye.disk.copy(LIVE, COPY)
    eye.disk.append(LIVE, numbered(100, 5))
    del eye.disk.paths[COPY]
    eye.look()
    eye.has_read(name, key, len(TEXT) + len(numbered(100, 5)))
    eye.look()
    eye.disk.append(COPY, TEXT)
    eye.disk.truncate(LIVE)
    assert Opened not in kinds(eye.looks(6))


def test_a_mismatched_read_looks_for_a_copy_before_the_epoch_ends():
    eye = Eye()
    name, key = eye.follow_live()
    eye.disk.copy(LIVE, COPY)
    eye.disk.truncate(LIVE)
    eye.disk.append(LIVE, numbered(500, 120))
    eye.look()
    eye.tail.mismatched(name)
    assert Truncated(name, key, 0, 0) in eye.looks(2)
    assert eye.looks(10) == []


def test_a_file_rewritten_at_its_old_size_is_noticed_by_its_print_not_its_size():
    eye = Eye()
    name, key = eye.follow_live()
    eye.disk.truncate(LIVE)
    eye.disk.append(LIVE, numbered(500, 100))
    assert eye.looks(2) == [Truncated(name, key, 0, 0)]


def test_bytes_changed_far_before_the_position_are_noticed_by_nobody():
    eye = Eye()
    eye.follow_live(numbered(0, 200))
    eye.disk.paths[LIVE].content[:4] = b"LINE"
    eye.disk._touch(eye.disk.paths[LIVE])
    assert eye.looks(5) == []


def test_a_file_cut_and_filled_again_between_two_looks_goes_on_in_the_next_epoch():
    eye = Eye()
    name, key = eye.follow_live()
    for epoch in range(3):
        eye.disk.truncate(LIVE)
        eye.disk.append(LIVE, numbered(1000 * epoch, 50))
        assert eye.looks(2) == [Truncated(name, key, epoch, 0)]
        eye.has_read(name, key, len(numbered(1000 * epoch, 50)), epoch=epoch + 1)
        eye.look()


def test_a_position_of_an_epoch_that_is_over_is_not_believed():
    eye = Eye()
    eye.follow_live()
    eye.disk.truncate(LIVE)
    assert kinds(eye.looks(2)) == [Truncated]
    assert eye.looks(10) == []  # custody has not turned yet: it stores what was read first


def test_a_truncated_file_that_was_never_read_loses_what_was_seen_of_it():
    eye = Eye()
    name, key = eye.follow_live(read=0)
    eye.disk.truncate(LIVE)
    assert eye.looks(3) == [Truncated(name, key, 0, len(TEXT))]


def test_a_copy_of_a_file_that_was_never_read_is_a_stream_of_its_own_and_nothing_is_lost():
    eye = Eye()
    name, _ = eye.follow_live(read=0)
    eye.disk.copy(LIVE, COPY)
    eye.disk.truncate(LIVE)
    eye.disk.append(LIVE, b"new\n")
    events = eye.look()
    assert eye.tail.size_of(name) is None  # not to be read before it is clear what it is
    assert kinds(events + eye.looks(5)) == [Opened]
    assert eye.tail.size_of(name) == 4


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


def test_a_copy_that_carries_a_stream_for_good_can_be_truncated_in_its_turn():
    eye = Eye()
    name, key = eye.follow_live(read=1000)
    eye.disk.copy(LIVE, COPY)
    eye.disk.unlink(LIVE)
    eye.disk.close(key)
    (inherited,) = [event for event in eye.looks(4) if not isinstance(event, Waiting)]
    copy = eye.disk.paths[COPY].key
    assert (inherited.stream_id, inherited.key, inherited.offset) == (name, copy, 1000)
    eye.has_read(name, copy, len(TEXT))
    eye.disk.truncate(COPY)
    assert eye.looks(3) == [Truncated(name, copy, 0, 0)]


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
