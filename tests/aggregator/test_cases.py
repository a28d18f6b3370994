"""Cases that are written beside routes: what they say where one does not hold."""

import pytest

from aggregator.cases import problems_of
from aggregator.config import AggregatorConfig
from aggregator.route_config import plans_of
from tests.aggregator.routing import FILE, SINKS
from towline.plumbing.config_file import convert
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place
from towline.plumbing.yaml_file import parse_yaml

ROUTES = """
routes:
  - {name: web, parse: json, rules: [{drop: {contains: health}}], to: [dd]}
  - {to: [out]}
"""


def loaded(case):
    values = {"sinks": {sink: {} for sink in SINKS}, **parse_yaml(f"{ROUTES}tests: [{case}]", FILE, {})}
    return convert(values, AggregatorConfig, Place(FILE))


def problems(case):
    config = loaded(case)
    return problems_of(config.tests, plans_of(config, FILE, SINKS), Place(FILE, "tests"))


@pytest.mark.parametrize(
    "case",
    [
        "{name: a, given: {lines: [x, health]}, expect: {dd: [x], out: [x, health], cw: []}, dropped: {web.0: 1}}",
        '{name: a, given: {lines: "x\\nhealth\\n"}, expect: {dd: [x]}}',
        "{name: a, given: {lines: ['{\"a\": 1}']}, expect: {dd: [{a: 1, b: null, message: null, towline_level: info}]}}",
        "{name: a, given: {lines: [x], read: '2026-02-03T04:05:06.5Z'}, expect: {dd: [{towline_at: '2026-02-03T04:05:06.500000000Z'}]}}",
        "{name: a, given: {lines: [x]}, expect: {dd: [{towline_unparsed: json}]}}",
    ],
)
def test_a_case_that_holds_says_nothing(case):
    assert problems(case) == []


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("{name: a, given: {lines: [x]}, expect: {dd: [y]}}", "a: dd[0].message is to be 'y', and is 'x'"),
        ("{name: a, given: {lines: [x]}, expect: {dd: [{b: 1}]}}", "a: dd[0].b is to be 1, and is None"),
        (
            "{name: a, given: {lines: [x, health]}, expect: {dd: [x, health]}}",
            "a: dd is to get 2 events, and gets 1 event: x",
        ),
        (
            "{name: a, given: {lines: [a, b, c, d]}, expect: {out: []}}",
            "a: out is to get nothing, and gets 4 events: a; b; c; ...",
        ),
        (
            "{name: a, given: {lines: [health]}, dropped: {web.1: 1}}",
            "a: rule web.1 is to drop 1 event, and drops nothing (dropped: web.0 1)",
        ),
    ],
)
def test_a_case_that_does_not_hold_says_where(case, said):
    assert problems(case) == [f"aggregator.yaml: tests[0]: {said}"]


def test_a_case_for_a_sink_that_is_none_is_told():
    assert problems("{name: a, given: {lines: [x]}, expect: {ot: [x]}}") == [
        "aggregator.yaml: tests[0].expect: no sink of lines is named 'ot'. Did you mean out? Use one of: dd, cw, out"
    ]


@pytest.mark.parametrize(
    ("case", "problem"),
    [
        ("{name: a, given: {lines: [x]}}", "tests[0].expect: is missing. Say what reaches which sink"),
        ("{name: a, given: {lines: [x], read: soon}, expect: {dd: []}}", "tests[0].given.read: 'soon' is no time."),
        ("{given: {lines: [x]}, expect: {dd: []}}", "tests[0].name: is missing."),
        ("{name: a, given: {lines: [x], pod: {nam: x}}, expect: {dd: []}}", "tests[0].given.pod.nam: unknown key."),
        (
            "{name: a, given: {lines: [x]}, expect: {dd: [1]}}",
            "tests[0].expect: dd[0] is neither text nor keys and values",
        ),
    ],
)
def test_a_case_that_cannot_be_run_is_refused(case, problem):
    with pytest.raises(ConfigError) as caught:
        loaded(case)
    assert str(caught.value).removeprefix("aggregator.yaml: ").startswith(problem)
