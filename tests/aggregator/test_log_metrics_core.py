"""What rules make of lines: which they match, what number each says, whose series it is."""

import json
import math
import re
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.log_fields import MISSING, field_of, number_of, text_of
from aggregator.core.log_metrics import LogRules, Rule
from aggregator.core.regexes import compile_regex
from tests.aggregator.sinks.batches import ORIGIN, POD, piece
from tests.aggregator.sinks.looked_into import events, joined
from tests.aggregator.sinks.to_log_metrics import IDENTITY
from towline.wire.identity import Origin, Pod

ACCESS = b'10.0.0.1 - - [23/Nov/2026] "GET / HTTP/1.1" %b 612'


def counted(rule, *lines, **more):
    """Own labels to lines, of one rule and one slice."""
    made = LogRules([rule]).increments([piece(list(lines), **more)])
    return {key.labels: increment.lines for key, increment in made.series.items()}


def counter(**more):
    return Rule(name="x_total", type="counter", **more)


def by_code(**more):
    return counter(pattern=compile_regex(r'" (?P<code>\d{3}) '), labels={"code": "code"}, **more)


def test_a_counter_counts_lines_by_the_values_of_its_groups():
    lines = [ACCESS % code for code in (b"200", b"404", b"200")] + [b"no request"]
    assert counted(by_code(), *lines) == {'code="200"': 2, 'code="404"': 1}


def test_a_rule_without_conditions_counts_every_line_the_empty_ones_too():
    assert counted(counter(), b"", b"a", b"", b"b", b"") == {"": 5}


def test_a_text_that_a_line_must_hold_may_be_all_that_is_asked():
    assert counted(counter(contains=b"ERROR"), b"an ERROR", b"fine", b"ERROR ERROR", b"ERR") == {"": 2}


def test_a_line_counts_once_however_often_it_matches():
    assert counted(counter(pattern=compile_regex("a")), b"aaa") == {"": 1}


def test_a_pattern_never_sees_beyond_its_line():
    assert counted(counter(pattern=compile_regex(r"a\s*b")), b"a", b"b", b"a b") == {"": 1}
    assert counted(counter(pattern=compile_regex("^b$")), b"ab", b"b", b"ba") == {"": 1}


def test_carriage_returns_are_no_part_of_a_line():
    assert counted(counter(pattern=compile_regex("(?P<e>.)$"), labels={"e": "e"}), b"a\r", b"b\r") == {
        'e="a"': 1,
        'e="b"': 1,
    }


def test_the_rest_of_a_line_is_not_looked_at_again():
    assert counted(counter(contains=b"a"), b"a rest", b"a", continues=True) == {"": 1}
    assert counted(counter(), b"rest", continues=True, partial=True) == {}
    assert counted(counter(), b"whole", b"begun", partial=True) == {"": 2}


def test_a_group_that_took_no_part_is_an_empty_label():
    rule = counter(pattern=compile_regex("a(?P<b>b)?"), labels={"b": "b"})
    assert counted(rule, b"a", b"ab") == {"": 1, 'b="b"': 1}


def test_a_long_value_is_cut_and_one_with_quotes_stays_in_its_label():
    rule = counter(pattern=compile_regex("(?P<all>.+)"), labels={"all": "all"})
    assert counted(rule, b'say "\\"') == {'all="say \\"\\\\\\""': 1}
    assert counted(rule, b"x" * 300) == {f'all="{"x" * 256}"': 1}


def test_bytes_that_are_no_text_are_replaced_not_refused():
    rule = counter(pattern=compile_regex("user=(?P<u>.*)"), labels={"u": "u"})
    assert counted(rule, b"user=\xff\xfe") == {'u="\ufffd\ufffd"': 1}


def test_a_long_line_is_searched_to_its_end_whatever_the_pattern():
    for pattern in ("end", "(x+)+end", "(x+x+)*end"):
        assert counted(counter(pattern=compile_regex(pattern)), b"x" * 200_000 + b"end", b"xxend") == {"": 2}


def test_a_pattern_that_backtracks_holds_nothing_up():
    assert counted(counter(pattern=compile_regex("(x+x+)+y")), b"x" * 200_000) == {}


def test_fields_are_read_of_lines_that_are_objects():
    rule = counter(is_json=True, labels={"level": "level", "status": "http.status", "dotted": "a.b"})
    lines = [
        b'{"level":"info","http":{"status":200},"a.b":true}',
        b'{"level":null,"http":7}',
        b'["level"]',
        b"7",
        b"{broken",
        b"level=info",
    ]
    assert counted(rule, *lines) == {'dotted="true",level="info",status="200"': 1, "": 1}


def by_level(**more):
    return counter(is_json=True, hint=b'"level', member="level", labels={"level": "level"}, **more)


def counted_of(rule, made):
    return {key.labels: it.lines for key, it in LogRules([rule]).increments([made]).series.items()}


def test_what_a_route_has_found_are_fields_whatever_the_text_is():
    made = events(
        {"level": "error"}, None, {"n": 1}, {"level": "info"}, texts=[b"E x", b'{"level":"warn"}', b"{}", b"I y"]
    )
    assert counted_of(by_level(), made) == {'level="error"': 1, 'level="warn"': 1, 'level="info"': 1}
    assert counted_of(by_level(contains=b"x"), made) == {'level="error"': 1}


def test_fields_are_as_a_routes_rules_have_left_them():
    made = events({"level": "[MASKED]"}, {"level": "info"}, texts=[b'{"level":"secret"}', b'{"level":"info"}'])
    assert counted_of(by_level(), made) == {'level="[MASKED]"': 1, 'level="info"': 1}


def test_fields_of_lines_that_are_their_source_are_read_of_those_that_hold_the_hint():
    found = [{"level": "info"}, {"n": 1}]
    assert counted_of(by_level(), events(*found, is_source=True)) == {'level="info"': 1}
    assert counted_of(by_level(), events({"n": 1}, is_source=True)) == {}


def test_what_a_route_has_joined_counts_as_one():
    made = joined(b"ERROR a\n at b\n at c", b"ERROR d", b"fine\n ERROR e")
    assert counted_of(counter(), made) == {"": 3}
    assert counted_of(counter(contains=b" at "), made) == {"": 1}
    assert counted_of(counter(pattern=compile_regex("^ERROR")), made) == {"": 2}
    assert counted_of(counter(pattern=compile_regex(r"ERROR \w$")), made) == {"": 2}
    assert counted_of(counter(is_json=True), joined(b'{"a":\n1}', b"{\n")) == {"": 1}


def test_the_rest_of_an_event_is_not_looked_at_again():
    made = events({"level": "info"}, {"level": "error"}, continues=True)
    assert counted_of(by_level(), made) == {'level="error"': 1}
    assert counted_of(counter(), made) == {"": 1}


def test_a_pattern_may_ask_for_a_fields_text():
    rule = counter(is_json=True, member="level", pattern=compile_regex("^(?P<l>err|crit)"), labels={"l": "l"})
    lines = [b'{"level":"error"}', b'{"level":"info","x":"error"}', b'{"x":1}', b'{"level":null}']
    assert counted(rule, *lines) == {'l="err"': 1}


def test_two_rules_read_the_same_line_each_for_itself():
    rules = [counter(is_json=True), Rule(name="y", type="gauge", is_json=True, value="n"), by_code()]
    made = LogRules(rules).increments([piece([b'{"n":5}', b'{"n":7}', ACCESS % b"200"])])
    assert {key.rule: (it.lines, it.total) for key, it in made.series.items()} == {"x_total": (1, 1), "y": (2, 7)}


def test_two_rules_of_one_name_each_count():
    made = LogRules([counter(), Rule(name="y_total", type="counter", contains=b"a")]).increments([piece([b"a", b"b"])])
    assert {key.rule: it.lines for key, it in made.series.items()} == {"x_total": 2, "y_total": 1}


def test_values_are_summed_set_or_put_into_buckets():
    value = {"pattern": compile_regex(r"v=(?P<v>\S+)"), "value": "v", "scale": 0.5}
    rules = [
        counter(**value),
        Rule(name="g", type="gauge", **value),
        Rule(name="h", type="histogram", buckets=(1.0, 2.0), **value),
    ]
    made = LogRules(rules).increments([piece([b"v=2", b"v=1e1", b"v=4", b"nothing"])])
    of = {key.rule: increment for key, increment in made.series.items()}
    assert (of["x_total"].total, of["g"].total, of["h"].total) == (8.0, 2.0, 8.0)
    assert of["h"].counts == [1, 1, 1]


@pytest.mark.parametrize("text", [b"12ms", b"nan", b"inf", b"1_000", b"-", b"1e999"])
def test_what_is_no_number_is_refused_and_counted(text):
    rule = counter(pattern=compile_regex(r"v=(?P<v>\S+)"), value="v")
    made = LogRules([rule]).increments([piece([b"v=" + text, b"v=3"])])
    assert made.refused == {"value_no_number": 1}
    assert [increment.total for increment in made.series.values()] == [3]


def test_only_a_gauge_may_be_negative():
    value = {"pattern": compile_regex(r"v=(?P<v>\S+)"), "value": "v"}
    rules = [counter(**value), Rule(name="h", type="histogram", **value), Rule(name="g", type="gauge", **value)]
    made = LogRules(rules).increments([piece([b"v=-1"])])
    assert (made.refused, [key.rule for key in made.series]) == ({"value_negative": 2}, ["g"])


def test_streams_are_chosen_by_what_is_said_of_them():
    rule = by_code(streams={"source": re.compile(r"ngi.*\Z"), "container": re.compile(r"web\Z")})
    web = Origin(path="/x", container="web", source="nginx")
    assert counted(rule, ACCESS % b"200", origin=web) == {'code="200"': 1}
    assert counted(rule, ACCESS % b"200", origin=ORIGIN) == {}


def test_series_are_a_pods_a_workloads_or_everybodys():
    rules = [
        counter(),
        Rule(name="w_total", type="counter", per="workload"),
        Rule(name="a_total", type="counter", per="all"),
    ]
    other = Pod(namespace=POD.namespace, name="web-2", uid="2", workload=POD.workload)
    made = LogRules(rules).increments([piece([b"a"]), piece([b"b"], pod=other)])
    assert {(key.rule, key.identity): it.lines for key, it in made.series.items()} == {
        ("x_total", IDENTITY): 1,
        ("x_total", 'namespace="shop",pod="web-2"'): 1,
        ("w_total", 'namespace="shop",workload="web"'): 2,
        ("a_total", ""): 2,
    }
    assert made.heard.keys() == {key.identity for key in made.series}
    assert made.heard['namespace="shop",pod="web-2"'] == other


def test_labels_may_say_where_a_line_is_from():
    rule = counter(stream_labels=("container", "source"), pattern=compile_regex("(?P<z>z)"), labels={"z": "z"})
    assert counted(rule, b"z") == {'container="nginx",source="nginx",z="z"': 1}


@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), min_size=1), st.data())
def test_counts_do_not_depend_on_how_lines_were_cut_into_slices(lines, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(lines)))) | {0, len(lines)})
    rules = LogRules(
        [counter(pattern=compile_regex("(?P<c>[a-f0-9])"), labels={"c": "c"}), Rule(name="all_total", type="counter")]
    )
    whole = piece(lines)
    parts = [whole.cut(first, last) for first, last in pairwise(cuts)]
    assert totals(rules.increments(parts)) == totals(rules.increments([whole]))


@given(st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")), min_size=1))
def test_no_line_is_a_fault(lines):
    value = {"pattern": compile_regex("(?P<v>.+)"), "value": "v"}
    rules = [
        Rule(name="h", type="histogram", buckets=(1.0,), **value),
        Rule(name="j_total", type="counter", is_json=True, value="a.b", labels={"c": "c"}),
    ]
    made = LogRules(rules).increments([piece(lines)])
    assert all(math.isfinite(increment.total) for increment in made.series.values())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "a.b", ""]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from(["a", "b", "a.b"]), JSON, max_size=3), st.sampled_from(["a", "a.b", "a.b.a", "x"])
)
def test_any_field_reads_as_a_text_and_as_a_number_or_none(fields, name):
    said = field_of(fields, name)
    assert isinstance(text_of(said), str)
    assert isinstance(number_of(said), float)
    assert said is not MISSING or name not in fields


@given(st.lists(st.sampled_from(["info", "warn", 7, 7.5, True, None, {"a": 1}])))
def test_labels_of_fields_count_as_a_naive_reading_does(levels):
    lines = [json.dumps({"level": level}).encode() for level in levels]
    naive = Counter("" if level is None or level == {"a": 1} else json.dumps(level).strip('"') for level in levels)
    expected = {f'level="{text}"' if text else "": count for text, count in naive.items()}
    assert counted(counter(is_json=True, labels={"level": "level"}), *(lines or [b""])) == expected


def totals(made):
    return {key: (increment.lines, increment.total) for key, increment in made.series.items()}
