"""Parsers in the way of a block: nothing is lost, nothing is changed, everything is counted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.events import CUT, TIME, UNPARSED, Details, Texts
from aggregator.core.parsing import FieldParsing, Parsing
from aggregator.parser_config import ready_parsers
from tests.aggregator.parsing import READ, made, ns, parsed, piece_of, ready

JSON, LOGFMT, NOTHING = b'{"a":1}', b"level=warn a=1", b"plain"


@given(
    st.sampled_from(sorted(ready_parsers())),
    st.lists(st.binary(max_size=40).map(lambda line: line.replace(b"\n", b"")), max_size=10),
)
def test_any_bytes_go_on_as_they_came(name, lines):
    piece = piece_of(lines)
    after = Parsing([ready(name), ready("json")]).apply(piece)
    assert list(after.lines) == lines
    assert (after.start, after.end, after.known_ends()) == (piece.start, piece.end, piece.known_ends())
    assert {len(lines)} == {len(column) for column in (after.known_details().fields, after.known_details().levels)}


@given(
    st.lists(
        st.sampled_from([JSON, LOGFMT, NOTHING, b'{"level":"error","time":"noon"}', b""]), min_size=1, max_size=12
    ),
    st.data(),
)
def test_an_event_is_parsed_the_same_whatever_stands_beside_it(lines, data):
    parsing = Parsing([ready("json"), ready("logfmt")])
    cut = data.draw(st.integers(0, len(lines)))
    whole, first, rest = (parsing.apply(piece_of(part)).known_details() for part in (lines, lines[:cut], lines[cut:]))
    for column in ("fields", "times_unix_ns", "levels", "notes"):
        assert [*getattr(first, column), *getattr(rest, column)] == getattr(whole, column)


def test_of_several_parsers_the_first_that_fits_counts():
    details, tally = parsed([LOGFMT, JSON, NOTHING, JSON], ready("json"), ready("logfmt"))
    assert details.fields == [{"level": "warn", "a": "1"}, {"a": 1}, None, {"a": 1}]
    assert details.levels == ["warning", "", "", ""]
    assert details.notes == [None, None, {UNPARSED: "json,logfmt"}, None]
    assert (details.is_source, tally) == (False, {("unparsed", "json,logfmt", ""): 1})


def test_only_objects_that_stand_in_the_line_as_they_are_make_a_source():
    assert parsed([JSON, NOTHING], ready("json"), ready("klog"))[0].is_source
    assert parsed([JSON, NOTHING], ready("klog"), ready("json"))[0].is_source
    assert not parsed([JSON, LOGFMT], ready("json"), ready("logfmt"))[0].is_source


def test_a_time_that_cannot_be_read_is_noted_and_counted_and_the_line_stays():
    details, tally = parsed([b'{"time":"noon"}', b'{"time":1795316645}', b"{}"], ready("json"))
    assert details.times_unix_ns == [READ, ns("2026-11-22T03:04:05"), READ]
    assert details.notes == [{TIME: "unparsed"}, None, None]
    assert tally == {("time_unparsed", "json", ""): 1}


def test_what_was_noted_and_counted_before_stays():
    known = Details(fields=[None] * 2, times_unix_ns=[READ - 5, READ], levels=["", ""], notes=[{CUT: "lines"}, None])
    piece = piece_of(Texts([NOTHING, JSON]), details=known, tally={("cut", "java", "lines"): 1})
    after = Parsing([ready("json")]).apply(piece)
    assert after.details.notes == [{CUT: "lines", UNPARSED: "json"}, None]
    assert after.details.times_unix_ns == [READ - 5, READ]
    assert after.tally == {("cut", "java", "lines"): 1, ("unparsed", "json", ""): 1}
    assert (piece.details, known.notes) == (known, [{CUT: "lines"}, None])


def test_nothing_is_parsed_where_there_is_nothing():
    piece = piece_of([])
    assert Parsing([ready("json")]).apply(piece) is piece


def test_parsers_that_say_the_same_under_one_name_share_what_they_found_and_others_do_not():
    one, same, other = (made({"type": "json", "level": level}) for level in ("level", "level", "lvl"))
    assert Parsing([one]).key == Parsing([same]).key
    assert len({Parsing([one]).key, Parsing([other]).key, Parsing([one, other]).key}) == 3


def inner(field, lines, *parsers, **options):
    """The details of JSON lines once a field of theirs was parsed, and what was counted."""
    before = Parsing([ready("json")]).apply(piece_of(lines))
    frozen = [None if fields is None else dict(fields) for fields in before.known_details().fields]
    after = FieldParsing(field, parsers, **options).apply(before)
    assert [None if fields is None else dict(fields) for fields in before.known_details().fields] == frozen
    return after.details, dict(after.tally)


def test_a_fields_text_is_parsed_and_its_members_become_the_events():
    lines = [
        rb'{"log":"{\"level\":\"warn\",\"time\":\"2026-11-22T03:04:05Z\",\"a\":1}","a":0,"b":2}',
        b'{"log":7}',
        b'{"x":1}',
        b"plain",
    ]
    details, tally = inner("log", lines, ready("json"))
    assert details.fields == [
        {"a": 1, "b": 2, "level": "warn", "time": "2026-11-22T03:04:05Z"},
        {"log": 7},
        {"x": 1},
        None,
    ]
    assert (details.levels[0], details.times_unix_ns[0]) == ("warning", ns("2026-11-22T03:04:05"))
    assert not details.is_source
    assert tally == {("unparsed", "json", ""): 1}


def test_a_field_that_does_not_fit_stays_and_is_noted_and_counted():
    details, tally = inner("log", [b'{"log":"plain","level":"error"}'], ready("json"), ready("logfmt"))
    assert (details.fields, details.levels) == ([{"log": "plain", "level": "error"}], ["error"])
    assert details.notes == [{UNPARSED: "json,logfmt"}]
    assert tally == {("unparsed", "json,logfmt", ""): 1}


def test_a_field_is_kept_where_that_is_asked_and_found_by_its_path():
    line = b'{"a":{"log":"k=v"}}'
    assert inner("a.log", [line], ready("logfmt"), keep=True)[0].fields == [{"a": {"log": "k=v"}, "k": "v"}]
    assert inner("a.log", [line], ready("logfmt"))[0].fields == [{"a": {}, "k": "v"}]
    assert inner("a.log", [b'{"a.log":"k=v","a":{"log":1}}'], ready("logfmt"))[0].fields == [
        {"a": {"log": 1}, "k": "v"}
    ]


def test_the_message_of_an_event_without_fields_is_its_text():
    after = FieldParsing("message", [ready("logfmt")]).apply(piece_of([b"level=warn k=v\r"]))
    assert (after.details.fields, after.details.levels) == ([{"level": "warn", "k": "v"}], ["warning"])


@pytest.mark.parametrize("lines", [[], [b'{"x":1}']])
def test_events_without_the_field_pass_untouched(lines):
    before = Parsing([ready("json")]).apply(piece_of(lines))
    assert FieldParsing("log", [ready("json")]).apply(before) is before
