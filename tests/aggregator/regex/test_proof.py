"""Which patterns are proven to be searched in linear time; and that the proof holds, step by step."""

import re

import pytest
from hypothesis import assume, given, settings

from aggregator.core.regex import proof
from aggregator.core.regex.printing import leading_run
from aggregator.core.regex.proof import ANY_TEXT, TextKind, is_linear
from aggregator.core.regex.tree import parse
from tests.aggregator.regex.backtracking import Backtracking
from tests.aggregator.regex.patterns import patterns, pumped

LINE = TextKind(one_line=True)
FEW_BLANKS = TextKind(one_line=True, blanks=3)
FEW_WAYS = 4
NGINX = (
    r'^(?P<remote>[^ ]*) (?P<host>[^ ]*) (?P<user>[^ ]*) \[(?P<time>[^\]]*)\] "(?P<method>\S+)(?: +(?P<path>[^\"]*?)(?: +\S*)?)?" '
    r'(?P<code>[^ ]*) (?P<size>[^ ]*)(?: "(?P<referer>[^\"]*)" "(?P<agent>[^\"]*)")?$'
)


def linear(pattern, kind=ANY_TEXT, **more):
    return is_linear(parse(pattern, re.ASCII)[1], kind, **more)


@pytest.mark.parametrize(
    "pattern",
    [
        "ERROR",
        r'" (?P<code>\d{3}) ',
        r'" (?P<seconds>\d+\.\d+)$',
        r"^(?P<time>[^ ]+) (?P<stream>stdout|stderr) (?P<flag>[^ ]*) (?P<message>.*)$",
        r"^(a|ab)(c|bcd)*$",
        r"(?:[0-9]{1,3}\.){3}[0-9]{1,3}",
        r"password=\S+",
        r"^(?!.*ERROR)",
        r"a.*?b|a",
    ],
)
def test_these_are_linear_in_any_text(pattern):
    assert linear(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|a)*b",
        "(a|aa)+$",
        "^(.*a){8}",
        r"\d+ms",
        "x.*y.*z",
        "token=[^&]*&",
        "(?:x*)*y",
        "a?" * 30 + "a" * 30,
        r"^(\w+\s?)*$",
        "(?=a*b)c",
        "x.*(?m:^)",
        r"x.*(?:\b|y)z",
        r"(?:\b|\b){60}",
        r"(?:(?:(?:a*?)+?){1,3}){1,3}",
        "(?>a|ab)*(?>b|ab)*c",
        "(?:" * 200 + "a" + ")*" * 200,
        "(?:a{1,1000}){1,1000}",
        "(?:a(?:){1000000000})*a*b",
    ],
)
def test_these_are_not_proven(pattern):
    assert not linear(pattern, FEW_BLANKS)


def test_where_text_may_have_several_lines_the_end_may_be_missed():
    assert linear("^(.+?) (.*)$", LINE)
    assert not linear("^(.+?) (.*)$")


def test_nginx_lines_are_ambiguous_where_blanks_run():
    assert not linear(NGINX, LINE)
    assert linear(NGINX, FEW_BLANKS)


def test_a_search_for_all_matches_goes_back_behind_each():
    assert linear("a.*?b|a")
    assert not linear("a.*?b|a", every=True)
    assert linear(r"password=\S+", every=True)


def test_a_loop_at_the_begin_is_linear_where_no_match_begins_inside_of_its_run():
    read, node = parse(r"\d+ms", re.ASCII)
    run = leading_run(read)
    assert not is_linear(node, ANY_TEXT)
    assert is_linear(node, ANY_TEXT, unless_behind=run.ranges)


def taken(pattern):
    """The tree, and the bound that a proof with FEW_WAYS gives for a text of so many characters."""
    return parse(pattern, re.ASCII), lambda text: (FEW_WAYS + 2) * (len(text) + 2)


@pytest.fixture
def few_ways(monkeypatch):
    monkeypatch.setattr(proof, "MAX_WAYS", FEW_WAYS)


@settings(max_examples=100, deadline=None)
@given(patterns(), pumped(times=24))
def test_a_proven_search_takes_no_more_steps_than_the_proof_says(pattern, text):
    assert_bound(pattern, text, every=False)


@settings(max_examples=100, deadline=None)
@given(patterns(), pumped(times=24))
def test_so_does_a_proven_search_for_all_matches(pattern, text):
    assert_bound(pattern, text, every=True)


def assert_bound(pattern, text, *, every):
    (read, node), bound = taken(pattern)
    text = text if "\n" in text else text[:80]
    kind = ANY_TEXT if "\n" in text else LINE
    run = None if every else leading_run(read)
    ranges = run.ranges if run else ()
    assume(proven_with_few_ways(node, kind, every=every, unless_behind=ranges))
    engine = Backtracking(node, ranges)
    engine.every(text) if every else engine.first(text)
    assert engine.steps <= bound(text)


def proven_with_few_ways(node, kind, **more):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proof, "MAX_WAYS", FEW_WAYS)
        return is_linear(node, kind, **more)


def test_the_counting_itself_counts():
    """Quadratic and exponential ones go past the bound that linear ones keep."""
    for pattern in ("(a|a)*b", "a*a*b"):
        (_, node), bound = taken(pattern)
        engine = Backtracking(node)
        engine.first("a" * 12 if "|" in pattern else "a" * 60)
        assert engine.steps > bound("a" * 60)
