"""What is refused in routes, and in which words."""

import pytest

from tests.aggregator.routing import plans_from, rules
from towline.plumbing.errors import ConfigError

KINDS = "keep, drop, mask, sample, rate_limit, parse, rename, copy, add, set, remove, only, nest, lift, truncate"
TESTS = "equals, matches, contains, at_least, below, exists"
OPTIONS = f"field, {TESTS}, level, level_at_least, not, any, all"


def problems(text):
    with pytest.raises(ConfigError) as caught:
        plans_from(text)
    return [line.removeprefix("aggregator.yaml: ") for line in str(caught.value).splitlines()]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("drop", f"is no rule. Write {{KIND: ...}} with one of: {KINDS}"),
        ("{}", "a rule has one kind, and there is none here. Write each as an item of its own"),
        (
            "{drop: {contains: a}, remove: b}",
            "a rule has one kind, and drop and remove are here. Write each as an item of its own",
        ),
        ("dorp: {contains: a}", f".dorp: there is no such rule. Did you mean drop? Use one of: {KINDS}, name, when"),
        ("{drop: {contains: a}, wen: {level: info}}", f".wen: there is no such rule. Did you mean when? Use one of: {KINDS}, name, when"),
        ("{drop: {contains: a}, name: 5}", ".name: is no name. Write text"),
        ("drop: {matchs: a}", f".drop.matchs: unknown key. Did you mean matches? Options of condition: {OPTIONS}"),
        ("drop: {}", f".drop: asks nothing. Use at least one of: {TESTS}, level, level_at_least, not, any, all"),
        ("drop: {field: a}", f".drop.field: nothing is asked of it. Add one of: {TESTS}"),
        ("drop: {field: '', contains: a}", ".drop.field: is empty. Name a field, or remove it to mean the message"),
        ("drop: {contains: ''}", ".drop.contains: is empty, so everything contains it. Write a text"),
        ("drop: {exists: true}", ".drop.exists: asks whether a field is there. Add `field: NAME`"),
        (
            "drop: {field: a, equals: {b: 1}}",
            ".drop.equals: compares with one value, or a list of values. Write text, numbers, true or false",
        ),
        (
            "drop: {level: [error, warnning]}",
            ".drop.level: there is no level 'warnning'. Did you mean warning? Use: trace, debug, info, notice, warning, error, critical, alert, emergency",
        ),
        (
            "drop: {level_at_least: bad}",
            ".drop.level_at_least: there is no level 'bad'. Use: trace, debug, info, notice, warning, error, critical, alert, emergency",
        ),
        ("drop: {any: []}", ".drop.any: is an empty list. List conditions, or remove it"),
        ("drop: {any: [{contains: a}, {field: b}]}", f".drop.any[1].field: nothing is asked of it. Add one of: {TESTS}"),
        ("drop: {not: {field: b}}", f".drop.not.field: nothing is asked of it. Add one of: {TESTS}"),
        ("{drop: {contains: a}, when: {field: b}}", f".when.field: nothing is asked of it. Add one of: {TESTS}"),
        ("mask: {}", ".mask: masks nothing. Name ready masks, or write a pattern"),
        (
            "mask: {ready: email, replacement: x}",
            ".mask.replacement: would not be used, as there is no pattern. Write one",
        ),
        ("sample: {rate: 2}", ".sample.rate: expected a number <= 1.0, got 2. Write a number"),
        ("sample: {by: a}", ".sample.rate: is missing. Add it. Options of sample: rate, by"),
        (
            "rate_limit: {lines_per_second: 0}",
            ".rate_limit.lines_per_second: expected a number > 0.0, got 0. Write a number",
        ),
        ("parse: {field: a, with: []}", ".parse.with: names no parser. Name one, or a list of them"),
        ("rename: [a]", ".rename: names no fields. Write {FROM: TO, ...}"),
        ("set: {}", ".set: gives no fields. Write {NAME: VALUE, ...}"),
        ("remove: []", ".remove: names no fields. Write a name or a glob, or a list of them"),
        ("nest: {fields: a}", ".nest.under: is missing. Add it. Options of nest: fields, under, remove_prefix"),
        ("truncate: {bytes: 10}", ".truncate.bytes: leaves no room for the mark of a cut. Write 32, or more"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_work_is_refused(rule, problem):
    between = "" if problem.startswith(".") else ": "
    assert problems(rules(rule)) == [f"routes[0].rules[0]{between}{problem}"]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("routes: [{parse: jsn, to: [dd]}]", "routes[0].parse: no parser is named 'jsn'. Did you mean json? Use one of: json, "),
        ("routes: [{multiline: jav, to: [dd]}]", "routes[0].multiline: no way to join lines is named 'jav'. Use one of: "),
        ("routes: [{to: [dd], rules: [{mask: emial}]}]", "routes[0].rules[0].mask: there is no mask 'emial'. Use one of: "),
        ("routes: [{to: [dd], rules: [{drop: {matches: '('}}]}]", "routes[0].rules[0].drop.matches: "),
        ("routes: [{to: [dd], where: {field: a}}]", "routes[0].where.field: nothing is asked of it."),
        ("routes: [{to: [dd], match: {pods: a}}]", "routes[0].match.pods: unknown key. Did you mean pod? Options of routes[0].match: "),
        ("routes: [{to: [dd], match: {labels: {app: []}}}]", "routes[0].match.labels.app: names no value."),
        ("routes: [{to: [dd], rules: [{set: {a: '{pot}'}}]}]", "routes[0].rules[0].set.a: there is no field {pot}. Use: "),
        ("routes: [{to: [dd], nam: a}]", "routes[0].nam: unknown key. Did you mean name?"),
        ("routing: last\nroutes: [{to: [dd]}]", "routing: this version knows no 'last'. Use one of: all, first"),
        ("routes: [{to: [dd]}, {name: '0', to: [dd]}]", "routes[1].name: there is another route 0. Give each a name"),
        (
            "routes: [{to: [dd], rules: [{drop: {contains: a}}, {name: '0.0', drop: {contains: b}}]}]",
            "routes[0].rules[1].name: there is another rule 0.0. Give each a name of its own",
        ),
    ],
)  # fmt: skip
def test_a_route_that_cannot_work_is_refused(text, start):
    (found,) = problems(text)
    assert found.startswith(start)


def test_every_problem_of_every_route_is_told():
    text = "routes: [{to: [dd], parse: x, rules: [{a: 1}, {drop: {b: 1}}]}, {to: [dd], where: {}}]"
    assert [line.split(": ")[0] for line in problems(text)] == [
        "routes[0].parse",
        "routes[0].rules[0].a",
        "routes[0].rules[1].drop.b",
        "routes[1].where",
    ]
