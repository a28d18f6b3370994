"""Rules that cannot do what they say."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.case_config import Given
from aggregator.cases import run_case
from aggregator.findings import findings
from tests.aggregator.findings_of import CONDITIONS, FILE, LINES, config_of, found, of_rules, plans

CLASH = "(what it asks cannot be all at once)"
NO_LEVEL = "(no parser here finds a level, so every line is of level info)"
NOTHING = "so this rule drops nothing. Change it, or remove it"
EVERY = "so this rule drops every line that comes to it. Change it, or remove it"
APP = r"parsers: {app: {type: regex, pattern: '^(?<code>\d+) (?<msg>.*)$'}}"


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        (["drop: {field: a, at_least: 5, below: 4}"], f"[0].drop: is never met {CLASH}, {NOTHING}"),
        (["keep: {field: a, at_least: 5, below: 4}"], f"[0].keep: is never met {CLASH}, {EVERY}"),
        (["drop: {level: info, level_at_least: error}"], f"[0].drop: is never met {CLASH}, {NOTHING}"),
        (["keep: {level_at_least: trace}"], f"[0].keep: is met by every line, {NOTHING}"),
        (["drop: {matches: ''}"], f"[0].drop: is met by every line, {EVERY}"),
        (
            ["drop: {matches: '.*'}", "mask: email"],
            f"[0].drop: is met by every line, {EVERY}. The rules behind it are never asked",
        ),
        (
            ["keep: {level: error}", "drop: {level_at_least: error}"],
            f"[1].drop: is met by every line (behind rule 0.0), {EVERY}",
        ),
        (["keep: {level: error}", "keep: {level: info}"], f"[1].keep: is never met (behind rule 0.0), {EVERY}"),
        (
            ["{name: bad, keep: {level: error}}", "keep: {level_at_least: warning}"],
            f"[1].keep: is met by every line (behind rule bad), {NOTHING}",
        ),
        (["drop: {contains: a}", "drop: {contains: ab}"], f"[1].drop: is never met (behind rule 0.0), {NOTHING}"),
        (["drop: {contains: a}", "drop: {contains: a}"], f"[1].drop: is never met (behind rule 0.0), {NOTHING}"),
        (["drop: {contains: ab}", "drop: {contains: a}"], None),
        (["drop: {contains: a}", "mask: email", "drop: {contains: a}"], None),
        (["keep: {level: error}", "mask: email", "drop: {level: info}"], f"[2].drop: is never met (behind rule 0.0), {NOTHING}"),
        (["keep: {level: error}", "parse: {with: json}", "drop: {level: info}"], None),
        (
            ["keep: {field: a, equals: 1}", "rename: {b: c}", "drop: {field: a, equals: 2}"],
            f"[2].drop: is never met (behind rule 0.0), {NOTHING}",
        ),
        (["keep: {field: a, equals: 1}", "set: {a: 2}", "drop: {field: a, equals: 2}"], None),
        (["keep: {field: a.b, equals: 1}", "set: {a: 2}", "drop: {field: a.b, equals: 2}"], None),
        (["{drop: {contains: x}, when: {level: error}}", "drop: {contains: x, level: error}"], f"[1].drop: is never met (behind rule 0.0), {NOTHING}"),
        (["{drop: {contains: x}, when: {level: error}}", "drop: {contains: x}"], None),
        (
            ["{mask: email, when: {field: a, at_least: 5, below: 4}}"],
            f"[0].when: is never met {CLASH}, so the rule does nothing. Change it, or remove the rule",
        ),
        (["sample: {rate: 1}"], "[0].sample.rate: keeps every line. Write a share below 1, or remove the rule"),
        (
            ["sample: {rate: 0}", "mask: email"],
            "[0].sample.rate: keeps no line, so this rule drops every line that comes to it. Write a share above 0",
        ),
        (["{sample: {rate: 0}, when: {level: debug}}"], None),
    ],
)  # fmt: skip
def test_a_rule_that_does_nothing_or_drops_everything_is_found(rules, problem):
    assert of_rules(*rules) == ([problem] if problem else [])


def test_without_a_parser_that_finds_levels_every_line_is_of_level_info():
    assert of_rules("keep: {level_at_least: error}", parse="[]") == [f"[0].keep: is never met {NO_LEVEL}, {EVERY}"]
    text = "routes: [{to: [a], parse: app, where: {level_at_least: error}}]"
    assert found(f"{APP}\n{text}") == [
        f"routes[0].where: is never met {NO_LEVEL}. Change it, or remove the route: no line goes this way"
    ]
    assert of_rules("parse: {with: json}", "keep: {level_at_least: error}", parse="[]") == []
    assert of_rules("keep: {level_at_least: error}", parse="syslog") == []


def test_where_counts_for_the_rules_behind_it():
    text = "routes: [{to: [a], parse: json, where: {level: error}, rules: [{drop: {level: info}}]}]"
    assert found(text) == [f"routes[0].rules[0].drop: is never met (of the route's `where`), {NOTHING}"]
    text = "routes: [{to: [a], parse: json, where: {matches: ''}}]"
    assert found(text) == ["routes[0].where: is met by every line. Change it, or remove it"]


@pytest.mark.parametrize(
    ("rule", "where"),
    [
        ("drop: {field: status, equals: 5}", ".drop.field"),
        ("drop: {any: [{contains: a}, {not: {field: status, exists: true}}]}", ".drop.any[1].not.field"),
        ("{mask: email, when: {field: status, equals: 5}}", ".when.field"),
        ("mask: {ready: email, fields: status}", ".mask.fields"),
        ("rename: {status: code}", ".rename.status"),
        ("copy: {status: code}", ".copy.status"),
        ("remove: status", ".remove"),
        ("remove: ['st*']", ".remove"),
        ("only: [message, status]", ".only"),
        ("nest: {fields: [status], under: http}", ".nest.fields"),
        ("lift: {field: status}", ".lift.field"),
        ("truncate: {bytes: 100, field: status}", ".truncate.field"),
        ("parse: {field: status, with: json}", ".parse.field"),
        ("sample: {rate: 0.5, by: status}", ".sample.by"),
    ],
)
def test_a_field_that_no_parser_of_the_route_can_find_is_said(rule, where):
    def heard(before="", parse="app"):
        text = f"{APP}\nroutes:\n  - to: [a]\n    parse: {parse}\n    rules:\n{before}      - {rule}\n"
        return [one for one in found(text) if "no line has a field" in one]

    index = "routes[0].rules[0]"
    name = "'st*'" if "st*" in rule else "'status'"
    there = "there can be: code, message, msg. Name another, or find it by a parser"
    assert heard() == [f"{index}{where}: no line has a field {name} here: {there}"]
    assert heard(before="      - set: {status: 5}\n") == []
    assert heard(parse="[app, json]") == []
    assert heard(before="      - parse: {field: msg, with: logfmt}\n") == []


def test_what_a_rule_has_taken_away_is_not_there_any_more():
    gone = "no line has a field 'msg' here: a rule before this one has taken it away. Name another, or put this before that rule"
    test = "drop: {field: msg, contains: x}"
    assert of_rules("rename: {msg: message}", test) == [f"[1].drop.field: {gone}"]
    assert of_rules("remove: msg", test) == [f"[1].drop.field: {gone}"]
    assert of_rules("nest: {fields: [msg], under: app}", test) == [f"[1].drop.field: {gone}"]
    assert of_rules("{rename: {msg: message}, when: {level: info}}", test) == []
    assert of_rules("rename: {msg: message}", "set: {msg: x}", test) == []
    assert of_rules("remove: app.msg", test) == []
    assert of_rules("lift: {field: app}", test) == []
    assert of_rules("only: [code, 'm*']", test) == []
    assert [one for one in of_rules("only: [code]", test) if "msg" in one] == [
        "[1].drop.field: no line has a field 'msg' here: there can be: code, message. Name another, or find it by a parser"
    ]


def test_of_lines_that_nobody_parsed_it_is_said_that_they_are_to_be_parsed():
    assert of_rules("drop: {field: status, equals: 5}", parse="[]") == [
        "[0].drop.field: no line has a field 'status' here: there can be: message. Name another, or `parse` the lines"
    ]


def _rules_of(conditions):
    """Few conditions, often the same again or its contrary: rules meet each other."""
    some = st.sampled_from([*conditions, *({"not": condition} for condition in conditions)])
    kinds = st.sampled_from(["keep", "drop"])
    changes = [
        {"set": {"f": "x"}},
        {"rename": {"f": "g"}},
        {"copy": {"g": "f"}},
        {"remove": "g"},
        {"remove": ["f*"]},
        {"only": ["f", "message"]},
        {"set": {"message": "x"}},
        {"mask": {"pattern": "x", "replacement": "y"}},
        {"parse": {"field": "f", "with": "json", "keep": True}},
        {"truncate": {"bytes": 32}},
    ]
    choices = st.builds(lambda kind, condition: {kind: condition}, kinds, some)
    sometimes = st.builds(lambda kind, condition, when: {kind: condition, "when": when}, kinds, some, some)
    return st.lists(st.one_of(choices, sometimes, st.sampled_from(changes)), min_size=1, max_size=5)


_RULES = st.lists(CONDITIONS, min_size=1, max_size=2).flatmap(_rules_of)


@given(_RULES, LINES, st.sampled_from([[], ["json"], ["own"]]))
def test_a_rule_that_is_said_to_drop_nothing_drops_nothing_and_one_that_drops_everything_everything(
    rules, lines, parse
):
    own = {"own": {"type": "regex", "pattern": r"(?<f>x)|(?<g>\d)"}}
    config = config_of({"parsers": own, "routes": [{"to": ["a"], "parse": parse, "rules": rules}]})
    dropped = run_case(plans(config), Given(lines=tuple(lines))).dropped()
    come = len(lines)
    said = findings(config, FILE)
    for number in range(len(rules)):
        mine = " ".join(one for one in said if re.match(rf"{FILE}: routes\[0\]\.rules\[{number}\]\.", one))
        count = dropped.get(f"0.{number}", 0)
        assert not ("drops nothing" in mine and count)
        assert not ("drops every line" in mine and count < come)
        assert not (".when: is never met" in mine and count)
        come -= count
