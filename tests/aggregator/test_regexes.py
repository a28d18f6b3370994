"""Regular expressions of users: what they find, with which engine, and what is refused."""

import re

import pytest
from hypothesis import assume, example, given, settings

from aggregator.core.regex.tree import Choice, Group, Repeat, Row, may_be_empty, parse
from aggregator.core.regexes import compile_regex
from tests.aggregator.regex.patterns import patterns, texts

LONG = 200_000  # characters: an engine that backtracks would be at it for hours


def has_empty_rounds(node):
    match node:
        case Row(parts) | Choice(parts):
            return any(map(has_empty_rounds, parts))
        case Repeat(body):
            return may_be_empty(body) or has_empty_rounds(body)
        case Group(body):
            return has_empty_rounds(body)
    return False


def python_of(pattern):
    return re.compile(pattern.replace("(?m:$)", "(?m:\0)").replace("$", r"\Z").replace("\0", "$"), re.ASCII)


@settings(max_examples=50, deadline=None)
@given(patterns(), texts())
@example("[^a]*", "a\n")
def test_a_pattern_is_found_where_python_finds_it(pattern, text):
    assume(text or r"\B" not in pattern)  # in the empty text Python 3.14 finds it, and 3.11 does not
    assert compile_regex(pattern).search(text) == (python_of(pattern).search(text) is not None)


@settings(max_examples=50, deadline=None)
@given(patterns(), texts())
def test_groups_are_those_that_python_gives(pattern, text):
    assume((text or r"\B" not in pattern) and not has_empty_rounds(parse(pattern, re.ASCII)[1]))
    named = f"(?P<all>{pattern})" if "(?" not in pattern[:3] else pattern
    expected = python_of(named).search(text)
    groups = expected and tuple(expected.groupdict().values())
    assert compile_regex(named).groups(text) == groups
    assert compile_regex(named).all_groups([text, "x", text]) == [groups, compile_regex(named).groups("x"), groups]


@settings(max_examples=50, deadline=None)
@given(patterns(), texts())
def test_every_match_is_replaced_as_python_does_it(pattern, text):
    regex = compile_regex(pattern)
    # Of empty matches, and of rounds of a loop that read nothing, the two engines make different things.
    assume(regex.least_chars and not has_empty_rounds(parse(pattern, re.ASCII)[1]))
    assert regex.sub("<>", text) == python_of(pattern).sub("<>", text)


def test_named_groups_come_in_their_order_and_unnamed_ones_not_at_all():
    regex = compile_regex(r"(\d+)-(?<b>\w)(?P<a>\w)?")
    assert regex.names == ("b", "a")
    assert regex.groups("7-x") == ("x", None)
    assert regex.groups("none") is None


def test_a_class_or_an_escape_that_looks_like_a_group_is_none():
    assert compile_regex(r"\(?<a").search("<a")
    assert compile_regex("[(?<a]b").search("<b")


@pytest.mark.parametrize("text", ["bad 500", "bad 500\n", "bad    500", "bad     500", "é bad 500 日本"])
def test_the_engine_makes_no_difference(text):
    fast = compile_regex(r"bad\s{1,9}(?<code>\d{3})")
    either = compile_regex(r"(?:b|ba|bad)+\s+(?<code>\d+)")
    assert fast.groups(text) == ("500",)
    assert either.groups(text) == ("500",)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("(a+)+$", "a" * LONG + "b"),
        ("(?<x>(a|a)*)b", "a" * LONG),
        (r"\d+ms", "1" * LONG),
        (r"\s+$", " " * LONG + "x"),
        ("x.*y.*z", "xy" * LONG),
        ("token=[^&]*&", "token=" * LONG),
        (r'"(\S+)(?: +([^"]*?)(?: +\S*)?)?" (\S*)$', '"GET' + " " * LONG),
        ("^(.*?,){11}P", "1," * LONG),
        ("[a-z]+@[a-z]+", "a" * LONG),
    ],
)
def test_no_text_holds_up_a_search(pattern, text):
    regex = compile_regex(pattern)
    assert not regex.search(text)
    assert regex.groups(text) is None
    assert regex.sub("", text) == text


def test_what_is_looked_for_far_ahead_of_each_match_is_replaced_with_the_rest_in_the_end(monkeypatch):
    monkeypatch.setattr("aggregator.core.regexes._MAX_LOOKED_AT", 1000)
    regex = compile_regex("a.*?b|a")
    assert regex.sub("-", "a" * 30) == "-" * 30
    assert set(regex.sub("-", "a" * 1000)) == {"-"}


def test_case_is_ignored_for_ascii_letters_only():
    for pattern in ("k+ß", "(?:k|kk)+ß+$"):
        regex = compile_regex(pattern, ignore_case=True)
        assert regex.search("KKß")
        assert not regex.search("\u212aß")  # the Kelvin sign
        assert not regex.search("kẞ")


def test_classes_are_of_ascii():
    for pattern in (r"\d", r"\w", r"(?:\d|\d\d)+$", r"\W\d\W"):
        assert not compile_regex(pattern).search("٣é" if "W" not in pattern else "é٣é")
    assert compile_regex(r"(?:\s|\s\s)+$").search("\v")


def test_the_end_is_the_text_s_end_and_not_that_of_a_line():
    for pattern in ("a$", r"a\Z", "(?:a|aa)+$"):
        assert not compile_regex(pattern).search("a\n")
    assert compile_regex("(?m)a$").search("a\nb")


def test_look_around_works_where_it_is_linear():
    assert compile_regex("^(?!.*DEBUG)").search("INFO") is True
    assert compile_regex("^(?!.*DEBUG)").search("a DEBUG") is False
    assert compile_regex(r"(?<!\d)(\d{3})(?!\d)").sub(r"<\1>", "12 123 1234") == "12 <123> 1234"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(", "not a regular expression: missing ), unterminated subpattern at position 0. Use the syntax"),
        (r"(?P<q>['\"]).*(?P=q)", "back references are not supported. Write out"),
        (r"(a)\1", "back references are not supported. Write out"),
        ("(?=.*a.*b)c", "look-ahead and look-behind are only supported where the search is sure to take linear time"),
        ("(?>a+|b)*c", "atomic groups and possessive repeats are only supported"),
        ("[[:alpha:]]+", r"[:alpha:] is not supported. Write its characters out, as in [A-Za-z]"),
        ("(?:a{1,1000}){1,1000}$", "patterns or counts of this size"),
        ("a{99999999999}", "nested too deeply, or a count in it is too large. Use several"),
        ("(" * 3000 + ")" * 3000, "nested too deeply"),
        ("a" * 10_001, "more than 10000 characters. Use several"),
        ("(?u)a", "not a regular expression"),
        ("(?<a>x)(?<a>y)", "redefinition of group name 'a'"),
    ],
)
def test_what_is_refused_says_what_to_write_instead(pattern, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        compile_regex(pattern)


def test_a_bracket_inside_a_class_stands_for_itself():
    assert compile_regex("[^[]+").groups("ab[") == ()
    assert compile_regex(r"[[\]]").search("]")


def test_a_replacement_may_name_groups():
    regex = compile_regex(r"(?<key>\w+)=(\d+)")
    assert regex.sub(r"\g<key>=*", "a=1 b=2") == "a=* b=*"
    assert regex.sub(r"\2\\1", "a=1") == r"1\1"
    assert regex.sub(r"\g<1>\n", "a=1") == r"a\n"
    assert compile_regex("a(b)?").sub(r"<\1>", "a ab") == "<> <b>"
    assert regex.fault_of(r"\1\g<key>\2") == ""
    assert (
        regex.fault_of(r"\3") == "the pattern has no group '3'. Refer to one that it has, or write \\\\ for a backslash"
    )


def test_the_same_pattern_is_compiled_once():
    assert compile_regex("a+b") is compile_regex("a+b")
