from collector.core.file_side import PRINTS_KEPT
from collector.core.stream import SMALLEST_BLOCK_BYTES, Held, Stream
from tests.fakes.pod import block, key_of
from towline.wire.block import MAX_BLOCK_BYTES, FrameAnswer, Row


def stream(**changes):
    made = Stream(id="s", key=key_of())
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def answer(made, code, **more):
    made.answered(FrameAnswer(stream="s", code=code, **more))


def stored(made, raw, start=0):
    """Read, sent and stored."""
    made.load(block("s", start, raw))
    answer(made, 200, mark=start + len(raw))
    return made


def test_what_was_read_moves_the_place_and_its_print():
    made = stream()
    made.load(block("s", 0, b"one\n", print="p4"))
    assert (made.place, made.print, made.stored) == (4, "p4", 0)


def test_nothing_is_to_be_read_where_nothing_is_new_or_no_file_is_at_hand():
    made = stored(stream(), b"one\n")
    assert made.order(4) is None
    assert made.order(5).offset == 4
    made.key = None
    assert made.order(5) is None


def test_a_file_that_is_shorter_than_what_was_read_is_read_to_find_that_out():
    assert stored(stream(), b"one\n").order(2).offset == 4


def test_blocks_grow_back_after_they_were_halved():
    made = stream()
    made.load(block("s", 0, b"x" * 10_000))
    answer(made, 413)
    assert made.order(10_000).max_bytes == 5000
    made.load(block("s", 0, b"x" * 5000))
    answer(made, 413)
    made.load(block("s", 0, b"x" * 4500))
    answer(made, 413)
    assert made.order(10_000).max_bytes == SMALLEST_BLOCK_BYTES
    place = 0
    for _ in range(12):
        stored(made, b"x" * 4096, place)
        place += 4096
    assert made.order(1 << 30).max_bytes == MAX_BLOCK_BYTES


def test_an_answer_whose_mark_is_beyond_our_frame_is_followed():
    """Another life of ours sent more: the journal has it."""
    made = stream()
    made.load(block("s", 0, b"one\n"))
    answer(made, 200, mark=90, print="p90")
    assert (made.place, made.print, made.stored, made.order(100).offset) == (90, "p90", 90, 90)


def test_a_409_of_a_newer_epoch_is_followed():
    made = stream()
    made.load(block("s", 0, b"one\n"))
    answer(made, 409, epoch=3, mark=7, print="p7", delivered=5)
    assert (made.epoch, made.place, made.print, made.stored, made.delivered) == (3, 7, "p7", 7, 5)
    assert made.lost_bytes == 4


def test_a_409_below_our_own_delivered_is_answered_with_base():
    made = stored(stream(), b"one\n")
    made.moved(0, 4)
    made.load(block("s", 4, b"two\n"))
    answer(made, 409, mark=0)
    assert (made.outgoing().start, made.outgoing().base) == (4, 4)
    answer(made, 200, mark=8)
    made.load(block("s", 8, b"three\n"))
    assert made.outgoing().base is None


def test_delivered_never_goes_down_nor_above_stored():
    made = stored(stream(), b"one\n")
    for delivered, expected in ((2, 2), (1, 2), (99, 4)):
        made.moved(0, delivered)
        assert made.delivered == expected


def test_a_truncation_is_said_after_what_was_read_and_the_next_epoch_begins_at_0():
    made = stream()
    made.load(block("s", 0, b"one\n"))
    made.truncated(key_of(), 6)
    assert [(frame.epoch, frame.start, frame.end, frame.reason) for frame in made.queue] == [
        (0, 0, 4, None),
        (0, 4, 10, "truncated"),
    ]
    assert (made.epoch, made.place, made.queue[-1].final) == (1, 0, True)


def test_an_older_epoch_is_kept_until_it_is_delivered():
    made = stored(stream(), b"one\n")
    made.truncated(key_of(), 0)
    answer(made, 200, mark=4)
    assert (made.waiting_bytes, set(made.held)) == (4, {0, 1})
    made.moved(0, 4)
    assert (made.waiting_bytes, set(made.held)) == (0, {1})


def test_a_stream_that_is_gone_says_so_once_and_is_over_when_it_is_delivered():
    made = stored(stream(), b"one\n")
    made.gone = True
    word = made.outgoing()
    assert (word.start, word.end, word.gone, word.final) == (4, 4, True, True)
    answer(made, 200, mark=4)
    assert (made.outgoing(), made.is_over) == (None, False)
    made.moved(0, 4)
    assert made.is_over


def test_the_name_of_a_copy_travels_with_every_frame_that_is_read_from_it():
    made = stream()
    made.inherit(key_of(2), "alias")
    made.load(block("s", 0, b"one\n"))
    assert made.outgoing().alias == "alias"


def test_a_word_that_the_journal_cannot_read_is_dropped_nothing_of_the_file_is_in_it():
    made = stream(gone=True)
    made.outgoing()
    answer(made, 400)
    assert (list(made.queue), made.unreadable_bytes) == ([], 0)


def test_a_frame_that_the_journal_cannot_read_twice_is_a_gap_where_no_file_is_left_to_read_it_from():
    made = stream()
    made.load(block("s", 0, b"one\n"))
    made.key = None
    answer(made, 400)
    assert (made.outgoing().reason, made.unreadable_bytes) == ("unreadable", 4)


def test_a_journal_that_never_heard_of_the_stream_gets_it_from_delivered_on():
    made = stored(stored(stream(), b"one\n"), b"two\n", 4)
    made.moved(0, 4)
    assert made.adopt([]) == 4
    assert (made.place, made.base, made.order(8).offset) == (4, (0, 4), 4)


def test_a_journal_that_is_ahead_is_followed():
    made = stored(stream(), b"one\n")
    assert made.adopt([Row(stream="s", mark=9, delivered=2, print="p9")]) == 0
    assert (made.place, made.print, made.stored, made.delivered) == (9, "p9", 9, 2)


def test_what_no_file_holds_any_more_is_a_gap_for_the_next_journal():
    made = stored(stream(), b"one\n")
    made.key = None
    made.load(block("s", 4, b"two\n"))
    made.adopt([])
    assert [(frame.start, frame.end, frame.reason) for frame in made.queue] == [(0, 4, "truncated"), (4, 8, None)]
    assert made.lost_bytes == 4


def test_prints_are_remembered_for_going_back_and_not_without_end():
    made = stream()
    for number in range(2000):
        stored(made, b"x", number)
    assert len(made.prints) == PRINTS_KEPT
    made.moved(0, 1999)
    assert len(made.prints) <= 2


def test_going_back_finds_the_print_again():
    made = stored(stored(stream(), b"one\n"), b"two\n", 4)
    made.moved(0, 4)
    expected = made.prints[4]
    made.adopt([])
    assert made.order(8).expected_print == expected


def test_positions_tell_files_where_a_stream_stands():
    made = stored(stream(), b"one\n")
    made.held[0] = Held(4, 2)
    position = made.position()
    assert (position.epoch, position.offset, position.stored, position.delivered) == (0, 4, 4, 2)
