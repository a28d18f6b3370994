import pytest
from hypothesis import given

from aggregator.case_config import Given
from aggregator.cases import slice_of
from aggregator.condition_config import condition_of
from aggregator.core.findings_logic import can_never_be, fields_of, must_be
from aggregator.core.parsing import Parsing
from aggregator.findings_conditions import asked_fields, formula_of
from aggregator.parser_config import build_parser, ready_parsers
from tests.aggregator.findings_of import CONDITIONS, LINES
from towline.plumbing.place import Place

JSON = Parsing([build_parser("json", ready_parsers()["json"])])


@given(CONDITIONS, LINES)
def test_what_can_never_be_is_never_met_and_what_must_be_always(values, lines):
    met = condition_of(values, Place("c")).met(JSON.apply(slice_of(Given(lines=tuple(lines)))))
    formula = formula_of(values)
    assert not (can_never_be(formula) and any(met))
    assert not (must_be(formula) and not all(met))


NEVER = [
    {"field": "f", "at_least": 5, "below": 5},
    {"field": "f", "equals": "a", "matches": "^b"},
    {"field": "f", "equals": ["a", "b"], "contains": "c"},
    {"field": "f", "equals": 500, "below": 400},
    {"field": "f", "equals": "x", "exists": False},
    {"level": "info", "level_at_least": "error"},
    {"level": [], "not": {"level_at_least": "trace"}},
    {"all": [{"contains": "a"}, {"not": {"contains": "a"}}]},
    {"all": [{"contains": "abc"}, {"not": {"contains": "b"}}]},
    {"all": [{"field": "f", "equals": "a"}, {"field": "f", "equals": "b"}]},
    {"all": [{"field": "f", "at_least": 7}, {"field": "f", "not": {"field": "f", "at_least": 5}, "below": 100}]},
    {"any": [{"field": "f", "at_least": 5, "below": 5}, {"field": "g", "at_least": 5, "below": 5}]},
    {"field": "message", "exists": False},
    {"not": {"matches": ".*"}},
]
POSSIBLE = [
    {"field": "f", "at_least": 5, "below": 6},
    {"field": "f", "equals": ["a", "bc"], "matches": "^b"},
    {"level": "info", "level_at_least": "debug"},
    {"all": [{"field": "f", "contains": "a"}, {"field": "g", "not": {"field": "g", "contains": "a"}, "exists": True}]},
    {"not": {"field": "f", "matches": ".*"}},  # it may not be there, or be an object
    {"all": [{"field": "f", "exists": True}, {"not": {"field": "f", "matches": ".*"}}]},
    {"not": {"field": "f", "at_least": 5}, "all": [{"not": {"field": "f", "below": 5}}]},  # it may be no number
    {"not": {"matches": "^.*$"}},  # of two lines
]


@pytest.mark.parametrize("values", NEVER)
def test_a_contradiction_is_seen(values):
    assert can_never_be(formula_of(values))
    assert must_be(formula_of({"not": values}))


@pytest.mark.parametrize("values", POSSIBLE)
def test_what_may_be_is_no_contradiction(values):
    assert not can_never_be(formula_of(values))
    assert not must_be(formula_of({"not": values}))


def test_of_conditions_with_too_many_alternatives_nothing_is_said():
    pairs = [{"any": [{"contains": f"a{number}"}, {"contains": f"b{number}"}]} for number in range(40)]
    assert not can_never_be(formula_of({"all": [*pairs, {"not": {"contains": "a1"}}]}))


def test_what_a_condition_asks_about_is_known():
    values = {"any": [{"field": "f", "exists": True}, {"not": {"level": "info"}}], "contains": "a"}
    assert fields_of(formula_of(values)) == {"f", "", "message"}
    assert [(name, place.key) for name, place in asked_fields(values, Place("c", "drop"))] == [
        ("f", "drop.any[0].field")
    ]
