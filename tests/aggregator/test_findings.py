"""Routes, parsers and multiline rules that nothing comes to."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.case_config import Given, OriginGiven, PodGiven
from aggregator.cases import run_case, slice_of
from aggregator.config import load
from aggregator.core.match import Match
from aggregator.findings import findings
from aggregator.findings_routes import covers
from aggregator.registry import SINKS
from aggregator.route_config import MatchConfig, names_of
from tests.aggregator.findings_of import CONDITIONS, FILE, LINES, config_of, found, plans

ROOT = Path(__file__).parents[2]
FILES = sorted([*ROOT.glob("config/base/aggregator*.yaml"), *ROOT.glob("config/examples/**/*aggregator*.yaml")])


@pytest.mark.parametrize(
    ("routing", "routes", "problem"),
    [
        (
            "first",
            ["{to: [a]}", "{to: [b]}"],
            "routes[1]: no line is left for this route: routes[0] takes them before it. Put it before, or remove it",
        ),
        (
            "first",
            ["{name: all, match: {pod: '*'}, to: [a]}", "{match: {pod: web}, to: [b]}"],
            "routes[1]: no line is left for this route: route all (routes[0]) takes them before it. Put it before, or remove it",
        ),
        (
            "first",
            [
                "{parse: json, where: {level: error}, to: [a]}",
                "{parse: json, where: {not: {level: error}}, to: [a]}",
                "{parse: json, to: [b]}",
            ],
            "routes[2]: no line is left for this route: routes[0] and routes[1] take them before it. Put it before, or remove it",
        ),
        (
            "all",
            ["{to: [a, b]}", "{match: {namespace: x}, to: [a]}"],
            "routes[1]: does nothing, as a has all of its lines already: routes[0] takes them before it. Put it before, or remove it",
        ),
        (
            "all",
            ["{match: {namespace: [x, y]}, to: [a]}", "{match: {namespace: y, pod: z}, to: [a, b]}"],
            "routes[1].to: a has all of these lines already: routes[0] takes them before this route. Remove a here, or put this route before",
        ),
        (
            "all",
            ["{where: {contains: a}, to: [a]}", "{where: {contains: ab}, to: [a]}"],
            "routes[1]: does nothing, as a has all of its lines already: routes[0] takes them before it. Put it before, or remove it",
        ),
    ],
)
def test_a_route_that_no_line_comes_to_is_found(routing, routes, problem):
    assert problem in found(f"routing: {routing}\nroutes: [{', '.join(routes)}]")


@pytest.mark.parametrize(
    ("routing", "routes"),
    [
        ("first", ["{match: {pod: web}, to: [a]}", "{to: [b]}"]),
        ("first", ["{where: {contains: a}, to: [a]}", "{where: {contains: b}, to: [b]}"]),
        ("first", ["{where: {contains: a}, to: [a]}", "{parse: json, where: {contains: a}, to: [b]}"]),
        ("first", ["{match: {path: '/var/*'}, to: [a]}", "{match: {path: '/var/*.log'}, to: [b]}"]),
        ("first", ["{match: {path: '*'}, to: [a]}", "{match: {path: '/var/a.log'}, to: [b]}"]),
        ("first", ["{match: {labels: {app: '*'}}, to: [a]}", "{to: [b]}"]),
        ("all", ["{to: [a]}", "{to: [b]}"]),
        ("all", ["{match: {pod: web}, rules: [{mask: email}], to: [a]}", "{to: [a]}"]),
    ],
)
def test_of_a_route_that_something_may_come_to_nothing_is_said(routing, routes):
    assert found(f"routing: {routing}\nroutes: [{', '.join(routes)}]") == []


def test_what_no_route_names_is_found():
    text = (
        "parsers: {mine: {type: json}, inner: {type: json}}\nmultiline: {ours: {indented: true}, used: {json: true}}\n"
    )
    routes = "routes: [{to: [a], multiline: used, rules: [{parse: {with: [logfmt, inner]}}]}]"
    assert found(text + routes) == [
        "parsers.mine: no route uses it. Name it in a route's `parse`, or in a rule `parse`, or remove it",
        "multiline.ours: no route uses it. Name it in a route's `multiline`, or remove it",
    ]


def test_a_parser_that_is_never_asked_is_found():
    text = "parsers: {any: {type: regex, pattern: '^(?<message>.*)$'}}\n"
    assert found(text + "routes: [{to: [a], parse: [json, any, nginx]}]") == [
        "routes[0].parse: nginx is never asked, as any before it reads every line. Put it before, or remove it"
    ]
    assert found(text + "routes: [{to: [a], parse: [json, json, any]}]") == [
        "routes[0].parse: names json twice. The second is never asked: remove it"
    ]


def test_a_multiline_that_is_never_asked_is_found():
    text = "routes: [{name: x, multiline: java, where: {contains: a}, to: [a, b]}, {multiline: [go, java], to: [a]}]"
    (said,) = found(text)
    assert said.startswith(
        "routes[1].multiline: is never asked: all of its lines are joined as route x (routes[0]) says"
    )
    assert found(text.replace("[go, java]", "java")) == []
    assert found(text.replace("to: [a, b]", "to: [b]")) == []
    assert found(text.replace("name: x,", "match: {pod: x},")) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_of_the_files_that_we_ship_nothing_is_said(file):
    env = {"AWS_REGION": "eu-west-1", "DD_API_KEY": "key"}
    assert findings(load(file, SINKS, env), str(file)) == []


_GLOBS = st.lists(st.sampled_from(["web", "w*", "*", "**", "web-?", "web-1", "/a/*", "/a/b", "[w]eb"]), max_size=2)
_WORDS = st.sampled_from(["web", "web-1", "w", "", "/a/b", "/a/b/c"])
_MATCHES = st.builds(
    lambda values, labels: MatchConfig(
        **{key: tuple(globs) for key, globs in values.items()},
        labels={key: tuple(globs) for key, globs in labels.items() if globs},
    ),
    st.fixed_dictionaries({}, optional={"pod": _GLOBS, "namespace": _GLOBS, "container": _GLOBS, "path": _GLOBS}),
    st.fixed_dictionaries({}, optional={"app": _GLOBS, "tier": _GLOBS}),
)
_STREAMS = st.builds(
    lambda words, labels: slice_of(
        Given(
            lines="x",
            pod=PodGiven(name=words[0].replace("/", ""), namespace=words[1].replace("/", ""), labels=labels),
            origin=OriginGiven(container=words[2], path=words[3]),
        )
    ),
    st.tuples(_WORDS, _WORDS, _WORDS, _WORDS),
    st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(["web", "web-1", ""])),
)


def made(config):
    keys = ("namespace", "pod", "container", "path")
    values = {key: names_of(getattr(config, key)) for key in keys}
    return Match({key: names for key, names in values.items() if names}, dict(config.labels))


@given(_MATCHES, _MATCHES, _STREAMS)
def test_a_route_that_covers_another_matches_all_that_it_matches(earlier, later, piece):
    if covers(earlier, later) and made(later).matches(piece.pod, piece.origin):
        assert made(earlier).matches(piece.pod, piece.origin)


_ROUTES = st.lists(
    st.fixed_dictionaries(
        {"to": st.sampled_from([["a"], ["b"], ["a", "b"]]), "parse": st.sampled_from([[], ["json"]])},
        optional={"where": CONDITIONS, "match": st.sampled_from([{"pod": "pod"}, {"pod": "p*"}, {"namespace": "x"}])},
    ),
    min_size=1,
    max_size=4,
)


@given(st.sampled_from(["all", "first"]), _ROUTES, LINES)
def test_nothing_goes_by_a_route_of_which_that_is_said(routing, routes, lines):
    marked = [{**route, "rules": [{"set": {"by": str(number)}}]} for number, route in enumerate(routes)]
    config = config_of({"routing": routing, "routes": marked})
    gone = {
        (record["by"], sink)
        for sink, records in run_case(plans(config), Given(lines=tuple(lines))).records.items()
        for record in records
    }
    for problem in findings(config, FILE):
        place = problem.split(": ")[1]
        number = place.removeprefix("routes[").partition("]")[0]
        if ".to" in place:
            idle = problem.split(": ")[2].partition(" has all")[0].split(", ")
            assert not gone & {(number, sink) for sink in idle}
        elif place == f"routes[{number}]" or "no line goes this way" in problem:
            assert number not in {by for by, _ in gone}
