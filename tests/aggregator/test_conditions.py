"""Conditions, from their YAML to which lines meet them."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.aggregator.routing import outcome, reached, rules

EVENTS = [
    {"n": 0, "message": "GET /healthz", "status": 200, "level": "debug", "user": {"name": "ann"}},
    {"n": 1, "message": "GET /", "status": "500", "level": "ERROR", "flag": True, "none": None},
    {"n": 2, "message": "POST /pay", "status": 503.5, "level": "warn", "user": {"name": "bob"}, "a.b": 1},
    {"n": 3, "msg": "no message", "status": "n/a", "list": [1]},
]
LINES = [orjson.dumps(event).decode() for event in EVENTS]


def met(condition, lines=LINES):
    return [record["n"] for record in reached(rules(f"keep: {condition}", parse="json"), lines)]


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("{field: status, equals: 500}", [1]),
        ("{field: status, equals: [200, '500']}", [0, 1]),
        ("{field: flag, equals: true}", [1]),
        ("{field: list, equals: ''}", []),
        ("{field: message, equals: GET /}", [1]),
        ("{field: user.name, matches: '^a'}", [0]),
        ("{field: user.name, contains: b}", [2]),
        ("{field: a.b, equals: 1}", [2]),
        ("{field: status, at_least: 500}", [1, 2]),
        ("{field: status, at_least: 500, below: 503}", [1]),
        ("{field: status, below: 1000}", [0, 1, 2]),
        ("{field: none, exists: true}", [1]),
        ("{field: none, exists: false}", [0, 2, 3]),
        ("{field: user, exists: true}", [0, 2]),
        ("{contains: GET}", [0, 1]),
        ("{contains: no message}", [3]),
        ("{matches: '/(healthz|pay)$'}", [0, 2]),
        ("{level: error}", [1]),
        ("{level: [warning, debug]}", [0, 2]),
        ("{level: info}", [3]),
        ("{level_at_least: warn}", [1, 2]),
        ("{level_at_least: info}", [1, 2, 3]),
        ("{level_at_least: info, field: n, below: 3}", [1, 2]),
        ("{not: {contains: GET}}", [2, 3]),
        ("{not: {field: user.name, equals: ann}}", [1, 2, 3]),
        ("{any: [{field: n, equals: 0}, {field: n, equals: 3}]}", [0, 3]),
        ("{all: [{field: n, at_least: 1}, {field: n, below: 3}]}", [1, 2]),
        ("{any: [{level: debug}, {not: {field: user, exists: true}}], field: n, below: 2}", [0, 1]),
    ],
)
def test_events_meet_a_condition(condition, wanted):
    assert met(condition) == wanted


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ("{contains: é}", ["é"]),
        ("{matches: '^.$'}", ["é"]),
        ("{field: message, exists: true}", ["é", "plain", ""]),
        ("{field: message, equals: plain}", ["plain"]),
        ("{field: other, exists: false}", ["é", "plain", ""]),
        ("{field: other, matches: ''}", []),
        ("{level: info}", ["é", "plain", ""]),
        ("{level_at_least: warning}", []),
    ],
)
def test_lines_that_nobody_looked_into_have_a_message_and_are_of_level_info(condition, wanted):
    text = rules(f"keep: {condition}")
    assert [record["message"] for record in reached(text, ["é", "plain", ""])] == wanted


@given(st.lists(st.sampled_from(LINES), min_size=1, max_size=8), st.sampled_from(["{level: error}", "{contains: GET}"]))
def test_what_is_kept_and_what_is_dropped_are_all_lines(lines, condition):
    kept, dropped = (
        outcome(rules(f"{kind}: {condition}", parse="json"), lines).records["dd"] for kind in ("keep", "drop")
    )
    assert len(kept) + len(dropped) == len(lines)
