import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.lines import Lines

TEXT = st.binary(max_size=60).map(lambda text: text.replace(b"a", b"\n").replace(b"b", b"\n"))


def plain(text):
    lines = text.split(b"\n")
    return lines if lines[-1] else lines[:-1]


@given(TEXT, st.integers(0, 5))
def test_lines_are_those_of_the_text_whether_they_are_cut_apart_or_not(text, begin):
    lines, expected = Lines(text, min(begin, len(text))), plain(text[begin:])
    assert (len(lines), lines.size_bytes, bool(lines)) == (len(expected), sum(map(len, expected)), bool(expected))
    assert lines.text() == b"\n".join(expected)
    assert lines == expected
    assert lines == Lines.of(expected)
    assert (lines[1:], list(lines)) == (expected[1:], expected)


@given(TEXT, st.integers(-1, 8), st.integers(-1, 80))
def test_the_first_lines_are_as_many_as_asked_for_within_the_span(text, count, span):
    expected, at = [], 0
    for line in plain(text)[: max(count, 0)]:
        at = min(at + len(line) + 1, len(text))
        if at > span:
            break
        expected.append(line)
    first = Lines(text).first(count, span)
    assert first == expected
    assert len(first) == len(expected)


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 5000])
def test_the_first_lines_are_found_however_long_lines_are(length):
    text = (b"x" * length + b"\n") * 30 + b"rest"
    for count in (1, 2, 29, 30, 31, 40):
        assert len(Lines(text).first(count, len(text))) == min(count, 31)


@given(TEXT, st.integers(0, 8))
def test_what_comes_after_the_first_lines_is_all_the_rest(text, count):
    lines = Lines(text)
    first = lines.first(count, len(text))
    assert lines.after(first) == plain(text)[count:]
    assert len(lines.after(first)) == len(plain(text)[count:])


@given(TEXT, st.integers(0, 8))
def test_lines_are_joined_alike_whether_they_were_counted_off_or_not(text, count):
    first = Lines(text).first(count, len(text))
    assert first.joined() == b"\x7f".join(plain(text)[:count])


def test_what_reading_left_behind_is_not_handed_on():
    lines = Lines(b"one\ntwo\n")
    assert (list(lines), lines.unread()._split, list(lines.unread())) == ([b"one", b"two"], None, [b"one", b"two"])
