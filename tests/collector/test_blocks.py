from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.core.blocks import BlockCutter, Cut
from collector.core.files import ReadResult

MAX = 64  # bytes of one read


def read(data, offset=0, *, at_end=True, before=b""):
    return ReadResult("s", 0, offset, data, True, offset + len(data), 0, at_end, before=before)


def ship(file, sizes, encoding="utf-8", max_bytes=MAX):
    """The blocks of a file that grew by `sizes`, then rested: (bytes, continues, partial) each."""
    cutter = BlockCutter(encoding)
    blocks, offset, written, now = [], 0, 0, 0.0
    for grown in [*sizes, len(file), 0, 0]:
        written = min(len(file), written + grown)
        now += 4.0 if written == len(file) else 0.1
        while offset < written:
            data = file[offset : min(written, offset + max_bytes)]
            at_end = offset + len(data) == written
            cut = cutter.cut(read(data, offset, at_end=at_end, before=file[max(0, offset - 4096) : offset]), now)
            if not cut.size_bytes:
                break
            blocks.append((data[: cut.size_bytes], cut.continues, cut.partial))
            offset += cut.size_bytes
    return blocks


files = st.lists(st.binary(max_size=20).map(lambda data: data.replace(b"\r", b"a").replace(b"e", b"\n"))).map(b"".join)
growths = st.lists(st.integers(0, 30))


@given(files, growths)
def test_the_blocks_of_a_file_are_the_file(file, sizes):
    assert b"".join(data for data, _, _ in ship(file, sizes)) == file


@given(files, growths)
def test_lines_do_not_depend_on_how_the_file_was_read(file, sizes):
    lines = []
    for data, continues, _ in ship(file, sizes):
        first, *others = data.split(b"\n")
        lines = [*lines[:-1], lines[-1] + first, *others] if continues else [*lines, first, *others]
        lines = lines[:-1] if data.endswith(b"\n") else lines
    assert lines == (file.removesuffix(b"\n").split(b"\n") if file else [])


@given(files, growths)
def test_a_block_is_partial_exactly_where_the_next_one_continues(file, sizes):
    blocks = ship(file, sizes)
    assert all(partial == continues for (_, _, partial), (_, continues, _) in pairwise(blocks))
    assert all(partial != data.endswith(b"\n") for data, _, partial in blocks)


def test_a_block_ends_at_the_last_line_end():
    assert BlockCutter().cut(read(b"one\ntwo\nthr"), 0.0) == Cut(8, due_at=3.0)


def test_whole_lines_are_shipped_whole():
    assert BlockCutter().cut(read(b"one\ntwo\n"), 0.0) == Cut(8)


def test_an_unfinished_line_waits_three_seconds_from_when_it_was_first_seen():
    cutter = BlockCutter()
    assert cutter.cut(read(b"one\nha"), 10.0).due_at == 13.0
    assert cutter.cut(read(b"ha", 4), 11.0) == Cut(0, due_at=13.0)
    assert cutter.cut(read(b"half", 4), 12.9) == Cut(0, due_at=13.0)
    assert cutter.cut(read(b"half", 4), 13.0) == Cut(4, partial=True)


def test_halves_that_come_in_time_are_one_line():
    cutter = BlockCutter()
    assert cutter.cut(read(b"half "), 0.0).size_bytes == 0
    assert cutter.cut(read(b"half of it\n"), 0.3) == Cut(11)


def test_the_rest_of_a_line_that_was_shipped_partial_continues_it():
    assert BlockCutter().cut(read(b"rest\n", 4, before=b"half"), 9.0) == Cut(5, continues=True)


def test_a_line_longer_than_a_block_ships_in_parts_at_once():
    cutter = BlockCutter()
    assert cutter.cut(read(b"a" * MAX, 0, at_end=False), 0.0) == Cut(MAX, partial=True)
    assert cutter.cut(read(b"a\nb\n", MAX, before=b"a" * MAX), 0.0) == Cut(4, continues=True)


def test_in_a_hurry_everything_ships():
    assert BlockCutter().cut(read(b"one\ntw"), 0.0, hurry=True) == Cut(6, partial=True)
    assert BlockCutter().cut(read(b"tw"), 0.0, hurry=True) == Cut(2, partial=True)


def test_after_a_hole_a_line_begins():
    assert BlockCutter().cut(read(b"one\n", 4096, before=b"half of one\0\0\0"), 0.0) == Cut(4)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        ("aé".encode()[:-1], 1),
        ("a€".encode()[:-1], 1),
        ("a🙂".encode()[:-1], 1),
        ("a🙂".encode(), 5),
        (b"a\x80\x80", 3),
        (b"\xe2", 1),
    ],
)
def test_a_part_does_not_end_inside_a_letter(data, size):
    assert BlockCutter().cut(read(data, at_end=False), 0.0).size_bytes == size


@pytest.mark.parametrize("encoding", ["utf-16le", "utf-16be"])
def test_utf_16_is_cut_at_its_own_line_end(encoding):
    # U+0A00 and U+000A lie so that their halves look like a line end at an odd place.
    text = "one\n\u0a00\u0a0a\u000a\u0a00"
    data = text.encode(encoding)
    cut = BlockCutter(encoding).cut(read(data), 0.0)
    assert data[: cut.size_bytes].decode(encoding) == "one\n\u0a00\u0a0a\n"


@given(
    st.text(alphabet="a\n\u0a00\u0a0a\u000d\U0001f642", max_size=60), growths, st.sampled_from(["utf-16le", "utf-16be"])
)
def test_utf_16_files_are_conserved_and_cut_between_units(text, sizes, encoding):
    file = text.encode(encoding)
    blocks = ship(file, sizes, encoding)
    assert b"".join(data for data, _, _ in blocks) == file
    assert all(len(data) % 2 == 0 for data, _, _ in blocks)
    assert all(partial or data.decode(encoding, "surrogatepass").endswith("\n") for data, _, partial in blocks)
