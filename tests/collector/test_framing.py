from hypothesis import given
from hypothesis import strategies as st

from collector.core.blocks import Cut
from collector.core.files import ReadResult
from collector.core.stream import Stream
from collector.framing import Framer, print_after
from towline.wire.codec import check_body, open_body
from towline.wire.identity import PRINT_WINDOW_BYTES, Origin, print_of

pieces = st.lists(st.tuples(st.sampled_from([b"\0", b"a", b"line\n", b"\xff"]), st.integers(0, 40_000)), max_size=4)
content = pieces.map(lambda parts: b"".join(part * times for part, times in parts))


def read(data, offset=0, before=b"", mtime_ns=5):
    return ReadResult("s", 2, offset, data, True, offset + len(data), mtime_ns, at_end=True, before=before)


def frame_of(data, cut, **more):
    stream = Stream(id="s", origin=Origin(path="/x"), head_bytes=7)
    return Framer().frame_of(stream, read(data, **more), cut, now_unix_ns=9)


def test_a_frame_holds_exactly_the_bytes_up_to_the_cut():
    frame = frame_of(b"one\ntwo\nthr", Cut(8), offset=100)
    check_body(frame)
    assert (frame.start, frame.end, frame.epoch) == (100, 108, 2)
    assert open_body(frame.codec, frame.body, 8) == b"one\ntwo\n"


def test_a_frame_says_whose_it_is_and_how_its_lines_begin_and_end():
    frame = frame_of(b"one", Cut(3, partial=True, continues=True))
    assert (frame.stream, frame.origin.path, frame.head_bytes) == ("s", "/x", 7)
    assert (frame.partial, frame.continues) == (True, True)


def test_its_time_is_never_later_than_the_reading():
    assert frame_of(b"one\n", Cut(4), mtime_ns=5).read_unix_ns == 5
    assert frame_of(b"one\n", Cut(4), mtime_ns=500).read_unix_ns == 9


@given(content, content)
def test_the_print_at_the_end_is_the_one_that_a_later_read_finds(before, data):
    whole = before + data
    window = whole[-PRINT_WINDOW_BYTES:]
    assert print_after(before[-PRINT_WINDOW_BYTES:], data, len(data)) == print_of(window)


@given(content, st.data())
def test_the_print_at_a_cut_is_that_of_the_bytes_up_to_it(data, draw):
    size = draw.draw(st.integers(0, len(data)))
    assert print_after(b"", data, size) == print_of(data[:size][-PRINT_WINDOW_BYTES:])
