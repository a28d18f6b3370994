"""What the tail makes of copies and truncations: who carries which epoch on, and what is lost."""

from collector.core.files import Copied, Opened, Truncated, Waiting
from tests.collector.eye import COPY, LIVE, TEXT, Eye, kinds
from tests.collector.tailing import numbered
from tests.model.disk import ROOT


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
