"""JSON lines a block at a time: every line gets its own members, whatever stands beside it."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.events import Texts
from aggregator.core.parsers_found import Source
from aggregator.core.parsers_json import MAX_DEPTH, JsonReader
from tests.aggregator.parsing import made, parsed, piece_of, ready

# Pieces that make more or less than one object of what stands between two line ends.
PIECES = [
    '{"a":1}',
    "{",
    "}",
    "[",
    "]",
    ",",
    '"',
    "\\",
    ":1",
    '"b"',
    '{"x":[1',
    "2]}",
    '"\x7f"',
    r'"\u007f"',
    "\x7f",
    " ",
    "\r",
    "\t",
    "é",
    "1",
]
LINES = st.lists(
    st.one_of(
        st.just(b'{"m":1}'), st.lists(st.sampled_from(PIECES), max_size=6).map(lambda parts: "".join(parts).encode())
    ),
    max_size=12,
)


def alone(line):
    """What one line is by itself."""
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None


def fields_of(lines):
    rows = JsonReader().rows(Source(lines))
    each = iter(rows.fields)
    return [next(each) if fit else None for fit in (rows.fits or [True] * len(lines))], rows.is_source


@given(LINES)
def test_a_line_has_the_members_it_has_alone(lines):
    assert fields_of(piece_of(lines).lines)[0] == [alone(line) for line in lines]
    assert fields_of(Texts(lines))[0] == [alone(line) for line in lines]


@pytest.mark.parametrize(
    "lines",
    [
        [b'{"a":1},{"b":2}', b'{"x":1', b'"y":2}'],
        [b'{"a":1},"\x7f",{"b":2}', b'{"x":["p"', b'"q"]}'],
        [rb'{"a":1},"\u007f",{"b":2}', b'{"x":["p"', b'"q"]}'],
        [rb'{"a":1},"\u007F",{"b":2}', b'{"x":["p"', b'"q"]}', b"{}"],
        [b'{"a":1}],[{"b":2}', b'{"x":[[1', b"2]]}"],
    ],
)
def test_lines_that_borrow_from_their_neighbours_are_not_taken_for_objects(lines):
    assert fields_of(piece_of(lines).lines)[0] == [alone(line) for line in lines]


@given(
    st.lists(
        st.sampled_from(
            [b'{"a":1}', b' {"a":1}', b'{"a":1} ', b'{"a":1}\r', b"x", b"{}", b'{"a":"\xff"}', '{"a":"é"}'.encode()]
        ),
        max_size=8,
    )
)
def test_lines_are_sent_on_as_they_are_only_where_they_begin_and_end_with_braces(lines):
    fields, is_source = fields_of(piece_of(lines).lines)
    taken = [line for line, one in zip(lines, fields, strict=True) if one is not None]
    assert is_source == bool(
        taken and all(line[:1] == b"{" and line[-1:] == b"}" and b"\xff" not in line for line in taken)
    )


def test_an_object_over_several_lines_is_read_but_not_sent_on_as_it_is():
    assert fields_of(Texts([b'{"a":\n1}', b'{"b":2}'])) == ([{"a": 1}, {"b": 2}], False)
    assert fields_of(Texts([b'{"a":\n1}', b"x"])) == ([{"a": 1}, None], False)


def test_a_byte_that_is_no_text_does_not_hide_the_others():
    fields, is_source = fields_of(piece_of([b'{"a":"\xff","b":1}', b'{"c":2}']).lines)
    assert (fields, is_source) == ([{"a": "\ufffd", "b": 1}, {"c": 2}], False)


def nested(levels):
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize(
    "line",
    [
        nested(200_000),
        nested(1024),
        nested(MAX_DEPTH + 2),
        b'{"a":' + b"[" * MAX_DEPTH + b"[1]" + b"]" * MAX_DEPTH + b"}",
    ],
)
def test_what_is_nested_too_deeply_goes_on_as_it_came_and_its_neighbours_are_read(line):
    assert fields_of(piece_of([b'{"a":1}', line]).lines)[0] == [{"a": 1}, None]


def test_what_is_nested_as_deeply_as_may_be_is_read_and_can_be_written():
    (fields,), _ = fields_of(piece_of([nested(MAX_DEPTH)]).lines)
    assert orjson.dumps({"fields": fields}) == b'{"fields":' + nested(MAX_DEPTH) + b"}"


def test_a_wide_line_is_not_taken_for_a_deep_one():
    line = b'{"a":[' + b",".join([b'{"b":1}'] * 1000) + b"]}"
    assert fields_of(piece_of([line, line]).lines)[0] == [alone(line)] * 2


def test_odd_members_are_read_as_the_guide_says():
    lines = [b'{"a":1,"a":2}', b'{"a":18446744073709551616}', b'{"a":' + json.dumps("x" * 1_000_000).encode() + b"}"]
    assert fields_of(piece_of(lines).lines)[0] == [{"a": 2}, {"a": 18446744073709551616.0}, {"a": "x" * 1_000_000}]


def test_files_of_mixed_lines_lose_none():
    lines = [b'{"level":"info","n":1}', b"Traceback:", b"", b'{"level":"error","n":2}', b"{not json}"]
    details, tally = parsed(lines, ready("json"))
    assert [fields and fields["n"] for fields in details.fields] == [1, None, None, 2, None]
    assert details.levels == ["info", "", "", "error", ""]
    assert (details.is_source, tally) == (True, {("unparsed", "json", ""): 3})


def test_taking_the_time_out_or_naming_the_message_means_to_write_the_line_anew():
    line = b'{"time":"2026-11-22T03:04:05Z","msg":"m"}'
    assert parsed([line], made({"type": "json", "time": {"field": "time", "keep": True}}))[0].is_source
    taken, _ = parsed([line], made({"type": "json", "time": {"field": "time"}}))
    named, _ = parsed([line], made({"type": "json", "message": "msg"}))
    assert (taken.is_source, taken.fields) == (False, [{"msg": "m"}])
    assert (named.is_source, named.fields) == (False, [{"time": "2026-11-22T03:04:05Z", "message": "m"}])


def test_a_field_that_says_no_time_is_not_taken_out():
    details, _ = parsed([b'{"time":"noon"}', b'{"time":1795316645}'], made({"type": "json", "time": {"field": "time"}}))
    assert details.fields == [{"time": "noon"}, {}]


def test_a_message_of_its_own_is_not_overwritten():
    details, _ = parsed(
        [b'{"message":"a","msg":"b"}', b'{"log":"c\\n"}'], made({"type": "json", "message": ["msg", "log"]})
    )
    assert details.fields == [{"message": "a", "msg": "b"}, {"message": "c"}]
