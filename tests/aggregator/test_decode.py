from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.decode import SliceCache, open_block, split, split_to_fit
from aggregator.core.events import Count, Details
from aggregator.core.records import OwedBlock
from towline.wire.codec import BodyError, compress
from towline.wire.identity import Origin, Pod

POD = Pod(namespace="shop", name="web-1", uid="u1")


def owed(raw, start=0, place=None, encoding="utf-8", **flags):
    return OwedBlock(
        block_id=7,
        stream="s",
        epoch=0,
        start=start,
        end=start + len(raw),
        place=start if place is None else place,
        codec="zstd",
        body=compress(raw),
        read_unix_ns=1,
        partial=flags.get("partial", False),
        continues=flags.get("continues", False),
        pod=POD,
        origin=Origin(path="/a.log", encoding=encoding),
    )


def test_lines_come_without_their_line_feed():
    assert open_block(owed(b"one\n\ntwo\r\n")).lines == [b"one", b"", b"two\r"]


def test_the_last_line_of_a_file_may_lack_its_line_feed():
    piece = open_block(owed(b"one\ntwo", start=100))
    assert (piece.lines, piece.end_of(1), piece.end_of(2)) == ([b"one", b"two"], 104, 107)


@given(st.binary(max_size=40).map(lambda raw: raw.replace(b"a", b"\n")))
def test_the_size_of_a_slice_is_that_of_its_lines(raw):
    piece = open_block(owed(raw))
    assert piece.size_bytes == sum(map(len, piece.lines))


def test_what_lies_below_the_place_is_dropped():
    piece = open_block(owed(b"one\ntwo\nthree\n", start=100, place=104, continues=True))
    assert (piece.lines, piece.start, piece.continues) == ([b"two", b"three"], 104, False)


def test_a_place_inside_a_line_makes_the_first_line_continue():
    piece = open_block(owed(b"one\ntwo\n", start=100, place=102))
    assert (piece.lines, piece.continues) == ([b"e", b"two"], True)


def test_flags_of_the_block_reach_the_slice():
    piece = open_block(owed(b"half", partial=True, continues=True))
    assert (piece.partial, piece.continues) == (True, True)


def test_a_place_at_the_end_leaves_no_lines():
    assert open_block(owed(b"one\n", place=4)).lines == []


def test_a_body_of_another_length_is_refused():
    with pytest.raises(BodyError):
        open_block(replace(owed(b"one\n"), end=5))


@pytest.mark.parametrize("encoding", ["utf-16le", "utf-16be"])
@given(texts=st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])), min_size=1))
def test_wide_lines_come_as_utf8_with_their_stream_offsets(encoding, texts):
    raw = "".join(text + "\n" for text in texts).encode(encoding)
    piece = open_block(owed(raw, start=64, encoding=encoding))
    assert [line.decode() for line in piece.lines] == texts
    parts = [(text + "\n").encode(encoding) for text in texts]
    assert list(piece.ends) == [64 + sum(map(len, parts[: index + 1])) for index in range(len(parts))]


def test_a_byte_order_mark_is_no_text_at_the_start_of_a_file():
    assert open_block(owed("\ufeffhé\n".encode("utf-16le"), encoding="utf-16le")).lines == ["hé".encode()]


def test_a_wide_place_inside_a_line_continues():
    raw = "one\ntwo\n".encode("utf-16be")
    assert open_block(owed(raw, place=4, encoding="utf-16be")).continues
    assert not open_block(owed(raw, place=8, encoding="utf-16be")).continues


LINES = st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), min_size=1)


@given(LINES, st.integers(0, 30), st.integers(0, 300), st.integers(0, 30))
def test_as_many_lines_fit_as_have_room_and_not_one_more(lines, room_lines, room_bytes, overhead):
    piece = open_block(owed(b"".join(line + b"\n" for line in lines)))
    first, rest = split_to_fit(piece, room_lines, room_bytes, overhead)
    cost = [sum(map(len, lines[:n])) + n * overhead for n in range(len(lines) + 1)]
    count = max(n for n in range(min(len(lines), room_lines) + 1) if cost[n] <= room_bytes)
    assert (first.lines if first else []) == lines[:count]
    assert (rest.lines if rest else []) == lines[count:]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16le"])
@given(LINES, st.data())
def test_a_slice_splits_as_it_would_be_cut(encoding, lines, data):
    raw = b"".join(line + b"\n" for line in lines).decode("latin-1").encode(encoding)
    piece = open_block(owed(raw, start=10, encoding=encoding, partial=True, continues=True))
    count = data.draw(st.integers(1, len(piece)))
    first, rest = split(piece, piece.lines.first(count, piece.lines.span_bytes))
    assert first == piece.cut(0, count)
    assert rest == (piece.cut(count, len(piece)) if count < len(piece) else None)
    assert first.size_bytes == sum(map(len, first.lines))
    assert rest is None or rest.size_bytes == sum(map(len, rest.lines))


def test_the_cache_gives_back_what_was_opened_from_the_same_place():
    cache, block = SliceCache(10_000), owed(b"one\ntwo\n")
    cache.put(open_block(block))
    assert cache.get(block).lines == [b"one", b"two"]
    assert cache.get(replace(block, place=4)) is None
    assert cache.get(replace(block, stream="another journal's")) is None


def test_the_cache_forgets_the_least_recently_used_first():
    cache = SliceCache(200)
    blocks = [replace(owed(b"x" * 80), block_id=number) for number in range(3)]
    cache.put(open_block(blocks[0]))
    cache.put(open_block(blocks[1]))
    cache.get(blocks[0])
    cache.put(open_block(blocks[2]))
    assert [cache.get(block) is None for block in blocks] == [False, True, False]


def test_the_cache_never_keeps_what_is_larger_than_itself():
    cache, block = SliceCache(10), owed(b"x" * 80)
    cache.put(open_block(block))
    assert cache.get(block) is None


def test_what_is_known_of_events_is_split_with_them():
    whole = open_block(owed(b"a\nbb\nccc\n", start=10))
    details = Details(
        fields=[{"n": 1}, None, {"n": 3}], times_unix_ns=[1, 2, 3], levels=["", "info", ""], notes=[None] * 3
    )
    tally = {Count("unparsed", "json"): 1}
    first, rest = split(replace(whole, details=details, tally=tally), whole.lines.first(2, 100))
    assert (first.details, first.end, first.tally) == (details.cut(0, 2), 15, {})
    assert (rest.details, rest.start, rest.tally) == (details.cut(2, 3), 15, tally)
