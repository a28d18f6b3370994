"""Which events of a case are compared with which, and what one case leaves to the next."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.case_results import placed_cases, result_of
from aggregator.cases import problems_of
from aggregator.route_config import plans_of
from tests.aggregator.findings_of import FILE, SINKS, config_of
from towline.plumbing.place import Place

CALM = {"to": ["a"], "rules": [{"name": "calm", "rate_limit": {"lines_per_second": 1}}]}
ONE_OF_TWO = {"given": {"lines": ["x", "y"], "pod": {"uid": "one"}}, "expect": {"a": ["x"]}, "dropped": {"calm": 1}}


def test_what_a_rate_limit_remembers_of_one_case_is_forgotten_before_the_next():
    config = config_of({"routes": [CALM], "tests": [{"name": name, **ONE_OF_TWO} for name in ("first", "second")]})
    plans = plans_of(config, FILE, SINKS)
    assert problems_of(config.tests, plans, Place(FILE, "tests")) == []
    assert [result_of(one, plans, config.routes).holds for one in placed_cases(config.tests, FILE) * 2] == [True] * 4


def differences(wanted, lines):
    case = {"name": "x", "given": {"lines": lines}, "expect": {"a": wanted}}
    config = config_of({"routes": [{"to": ["a"]}], "tests": [case]})
    (placed,) = placed_cases(config.tests, FILE)
    found = result_of(placed, plans_of(config, FILE, SINKS), config.routes).differences
    return [
        (one.number, one.wanted and one.wanted.get("message"), one.found and one.found.get("message")) for one in found
    ]


@pytest.mark.parametrize(
    ("wanted", "lines", "told"),
    [
        (["a", "b", "c"], ["a", "c"], [(2, "b", None)]),
        (["a", "c"], ["a", "b", "c"], [(2, None, "b")]),
        (["a", "b", "c"], ["a", "x", "c"], [(2, "b", "x")]),
        (["a", "b", "c", "d"], ["a", "x", "d"], [(2, "b", "x"), (3, "c", None)]),
        ([], ["a"], [(1, None, "a")]),
        (["a"], ["b", "a", "a"], [(1, None, "b"), (3, None, "a")]),
    ],
)
def test_events_that_are_as_expected_keep_their_partners(wanted, lines, told):
    assert sorted(differences(wanted, lines)) == sorted(told)


WORDS = st.lists(st.sampled_from("abc"), max_size=6)


@given(WORDS, WORDS.filter(bool))
def test_where_nothing_is_said_the_events_are_as_expected_and_what_is_said_accounts_for_all(wanted, lines):
    found = differences(wanted, lines)
    assert (found == []) is (wanted == lines)
    missing = sum(one[2] is None for one in found)
    extra = sum(one[1] is None for one in found)
    assert len(wanted) - missing == len(lines) - extra
