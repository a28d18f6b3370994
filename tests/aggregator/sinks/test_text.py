import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.text import (
    SEPARATOR,
    TRUNCATION_MARK,
    Frame,
    decode_each,
    escape,
    escape_each,
    join_lines,
    parts_of,
    splice,
    truncate,
    utf8_bytes,
)

# Bytes that break things: incomplete and overlong UTF-8, the separator, CR, quotes, what JSON escapes.
NASTY = st.sampled_from(
    [
        b"\xee",
        b"\xee\x80",
        b"\x80",
        b"\xed\xa0\x80",
        b"\xff",
        b"\r",
        b"\x00",
        b'"',
        b"\\",
        b"\\n",
        b'","',
        b"\xe2\x80\xa8",
    ]
)
LINE = st.lists(st.one_of(NASTY, st.binary(max_size=6), st.text(max_size=4).map(str.encode)), max_size=5).map(
    lambda parts: b"".join(parts).replace(b"\n", b"")
)
LINES = st.lists(LINE, min_size=1, max_size=12)


def spliced_array(lines):
    parts = splice(escape(join_lines(lines)), len(lines), Frame(b'{"m":', b',"k":1}', b","))
    return None if parts is None else b"[" + b"".join(parts) + b"]"


@given(LINES)
def test_lines_escaped_together_are_the_lines_decoded_one_by_one(lines):
    if any(SEPARATOR in line for line in lines):
        assert spliced_array(lines) is None
        return
    assert orjson.loads(spliced_array(lines)) == [{"m": text, "k": 1} for text in decode_each(lines)]


@given(LINES)
def test_escaping_each_line_is_exact_whatever_the_lines_hold(lines):
    assert [orjson.loads(b'"%b"' % text) for text in escape_each(lines)] == decode_each(lines)


@given(LINES)
def test_the_size_of_what_is_sent_is_known_before_it_is_escaped(lines):
    separators = len(lines) - 1
    assert utf8_bytes(join_lines(lines)) - separators == sum(len(text.encode()) for text in decode_each(lines))


@given(LINES)
def test_empty_lines_are_filled_wherever_they_stand(lines):
    if not any(SEPARATOR in line for line in lines):
        joined = join_lines(lines, b" ")
        assert joined.decode("utf-8", "replace").split(SEPARATOR.decode()) == decode_each(lines, " ")


@pytest.mark.parametrize(
    ("line", "text"), [(b"a\r", "a"), (b"a\r\r", "a\r"), (b"\r", ""), (b"\ra", "\ra"), (b"", ""), (b"\xff\r", "\ufffd")]
)
def test_one_trailing_carriage_return_is_the_line_end(line, text):
    assert decode_each([line, line]) == [text, text]
    assert orjson.loads(spliced_array([line, b"x", line]))[0]["m"] == text


@given(st.text(max_size=60), st.integers(min_value=20, max_value=120))
def test_a_truncated_text_fits_its_room_as_json_and_shows_it(text, room):
    cut = truncate(text, room)
    assert len(orjson.dumps(cut)) <= room
    assert cut.endswith(TRUNCATION_MARK)
    assert text.startswith(cut.removesuffix(TRUNCATION_MARK))


def test_truncating_wastes_no_room():
    assert len(orjson.dumps(truncate("é" * 100, 101))) in {100, 101}


@given(st.text(min_size=1, max_size=80), st.integers(min_value=4, max_value=30))
def test_parts_are_the_text_in_pieces_of_whole_characters(text, room):
    parts = parts_of(text, room)
    assert "".join(parts) == text
    assert all(0 < len(part.encode()) <= room for part in parts)
