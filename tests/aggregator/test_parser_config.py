"""Options of `parsers:`, what they make, and what is said of those that cannot be meant."""

import pytest

from aggregator.parser_config import ParserConfig, TimeConfig, zone_of
from tests.aggregator.parsing import made, ns, parsed
from towline.plumbing.config_file import convert
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place

APP = r"^(?<time>[^ ]+) (?<level>\w+) (?<code>\w*) (?<rest>.*)$"


def app(**more):
    return made({"type": "regex", "pattern": APP, **more})


def test_groups_become_fields_with_a_time_a_level_a_message_and_types():
    parser = app(time={"field": "time", "format": "rfc3339"}, level="level", message="rest", types={"code": "integer"})
    details, _ = parsed([b"2026-11-22T03:04:05Z WARN 503 it is full\r", b"noon INFO x9 it is noon"], parser)
    assert details.fields == [
        {"level": "WARN", "code": 503, "message": "it is full"},
        {"time": "noon", "level": "INFO", "code": "x9", "message": "it is noon"},
    ]
    assert details.times_unix_ns[0] == ns("2026-11-22T03:04:05")
    assert details.levels == ["warning", "info"]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("string", "007", "007"),
        ("integer", "007", 7),
        ("integer", " -12 ", -12),
        ("integer", "+1", 1),
        ("integer", "9223372036854775807", 2**63 - 1),
        ("integer", "9223372036854775808", "9223372036854775808"),
        ("integer", "1.5", "1.5"),
        ("integer", "1e3", "1e3"),
        ("integer", "true", "true"),
        ("integer", "1,2", "1,2"),
        ("integer", "", ""),
        ("float", "1", 1.0),
        ("float", "-.5e2", -50.0),
        ("float", "inf", "inf"),
        ("float", "1e999", "1e999"),
        ("float", "nan", "nan"),
        ("boolean", "TRUE", True),
        ("boolean", "0", False),
        ("boolean", "maybe", "maybe"),
        ("hex", "0xFF", 255),
        ("hex", "ff", 255),
        ("hex", "0xg", "0xg"),
        ("hex", "f" * 17, "f" * 17),
        ("structured_data", '[a b="c"]', {"a": {"b": "c"}}),
        ("structured_data", '[a b="c" d="e"][a f="g"]', {"a": {"b": "c", "d": "e", "f": "g"}}),
        ("structured_data", "[a", "[a"),
    ],
)
@pytest.mark.parametrize("beside", [[], ["1"], ["x", None]])
def test_a_text_becomes_what_its_type_says_or_stays_what_it_is(kind, text, value, beside):
    from aggregator.core.parsers_types import CONVERSIONS

    found = CONVERSIONS[kind]([text, *beside])[0]
    assert (found, type(found)) == (value, type(value))


def test_a_group_that_takes_no_part_is_no_field_and_an_empty_one_is_unless_skipped():
    pattern = "^(?<a>[a-z]*)(?:-(?<b>[a-z]*))?$"
    lines = [b"x", b"x-", b"-y"]
    assert parsed(lines, made({"type": "regex", "pattern": pattern}))[0].fields == [
        {"a": "x"},
        {"a": "x", "b": ""},
        {"a": "", "b": "y"},
    ]
    assert parsed(lines, made({"type": "regex", "pattern": pattern, "skip_empty": True}))[0].fields == [
        {"a": "x"},
        {"a": "x"},
        {"b": "y"},
    ]
    assert parsed([b"k= l=1"], made({"type": "logfmt", "skip_empty": True}))[0].fields == [{"l": "1"}]


def test_of_several_patterns_the_first_that_is_found_counts_each_with_its_own_fields():
    parser = made(
        {
            "type": "regex",
            "pattern": ["^A (?<a>.+)$", "^B (?<b>.+) (?<a>.+)$"],
            "types": {"a": "integer"},
            "ignore_case": True,
        }
    )
    details, _ = parsed([b"b x 2", b"a 1", b"c", b"B y z"], parser)
    assert details.fields == [{"b": "x", "a": 2}, {"a": 1}, None, {"b": "y", "a": "z"}]


def test_a_pattern_is_searched_anywhere_in_the_line():
    assert parsed([b"took 12 ms"], made({"type": "regex", "pattern": r"(?P<ms>\d+)"}))[0].fields == [{"ms": "12"}]


def test_types_of_logfmt_are_those_of_its_fields():
    parser = made({"type": "logfmt", "types": {"n": "integer", "bare": "boolean"}})
    assert parsed([b"n=1 bare", b"m=1"], parser)[0].fields == [{"n": 1, "bare": True}, {"m": "1"}]


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "parsers.app.type: is missing. Add it."),
        ({"type": "xml"}, "parsers.app.type: this version knows no 'xml'"),
        ({"type": "regex"}, "parsers.app.pattern: is missing, and type regex needs one."),
        ({"type": "regex", "pattern": "(?<a>"}, "parsers.app.pattern: "),
        ({"type": "regex", "pattern": "abc"}, "parsers.app.pattern: has no named group"),
        ({"type": "regex", "pattern": ["(?<a>x)", "y"]}, "parsers.app.pattern: has no named group"),
        ({"type": "regex", "pattern": APP, "level": "lvl"}, "parsers.app.level: the pattern has no group 'lvl' (it has: time, level, code, rest). Write (?<lvl>...) in it"),
        ({"type": "regex", "pattern": APP, "time": {"field": ["time", "ts"]}}, "parsers.app.time.field: the pattern has no group 'ts'"),
        ({"type": "regex", "pattern": APP, "types": {"cod": "integer"}}, "parsers.app.types: the pattern has no group 'cod'"),
        ({"type": "regex", "pattern": APP, "types": {"code": "int"}}, "parsers.app.types.code: this version knows no 'int'"),
        ({"type": "json", "pattern": "(?<a>x)"}, "parsers.app.pattern: is of type regex, and this is json. Remove it"),
        ({"type": "json", "types": {"a": "integer"}}, "parsers.app.types: JSON says of each member what it is. Remove it"),
        ({"type": "logfmt", "ignore_case": True}, "parsers.app.ignore_case: is of type regex, and this is logfmt. Remove it"),
        ({"type": "json", "levels": "x"}, "parsers.app.levels: unknown key. Did you mean level?"),
        ({"type": "json", "level": 3}, "parsers.app.level: expected text or a list, got a number."),
        ({"type": "json", "time": {}}, "parsers.app.time.field: is missing. Add it."),
        ({"type": "json", "time": {"field": ""}}, "parsers.app.time.field: names nothing."),
        ({"type": "json", "time": {"field": "t", "format": "%Q"}}, "parsers.app.time.format: '%Q' has the directive %Q, which is not known here."),
        ({"type": "json", "time": {"field": "t", "format": []}}, "parsers.app.time.format: is empty."),
        ({"type": "json", "time": {"field": "t", "zone": "Mars/Base"}}, "parsers.app.time.zone: no zone is named 'Mars/Base'. Write UTC"),
        ({"type": "json", "time": {"field": "t", "zone": "../etc"}}, "parsers.app.time.zone: no zone is named '../etc'."),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_with_its_place_and_what_to_write(values, problem):
    with pytest.raises(ConfigError) as caught:
        convert(values, ParserConfig, Place("aggregator.yaml").child("parsers").child("app"))
    assert str(caught.value).startswith(f"aggregator.yaml: {problem}")


@pytest.mark.parametrize("text", ["UTC", "+02:00", "-0330", "Europe/Berlin"])
def test_zones_are_names_or_offsets(text):
    assert TimeConfig(field="t", zone=text).zone == text
    assert zone_of(text).utcoffset(None) is not None or text == "Europe/Berlin"
