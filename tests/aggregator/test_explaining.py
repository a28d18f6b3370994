"""What is told of lines is what becomes of them."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.case_config import Given
from aggregator.cases import run_case
from aggregator.config import sinks_of
from aggregator.explaining import Asked, explain
from aggregator.registry import SINKS
from tests.aggregator.findings_of import CONDITIONS, LINES, config_of
from tests.aggregator.routing import plans_from
from towline.plumbing.config_file import convert
from towline.plumbing.place import Place
from towline.plumbing.yaml_file import parse_yaml

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
EXAMPLES = [
    pytest.param(text, id=f"{name}-{number}")
    for name in ("rules.md", "routing.md", "multiline.md")
    if (GUIDES / name).exists()
    for number, text in enumerate(re.findall(r"(?ms)^```yaml\n(.*?)^```", (GUIDES / name).read_text()))
    if "routes:" in text and "tests:" in text
]


def asked(values, given, only=()):
    names = list(dict.fromkeys(sink for route in values.get("routes", []) for sink in route["to"])) or ["a"]
    sinks = values.get("sinks") or {name: {"type": "file", "path": "/data/{pod}.jsonl"} for name in names}
    config = config_of({**values, "sinks": sinks})
    return Asked(config, Path("aggregator.yaml"), sinks_of(config, SINKS), given, only)


def told(text, *lines, only=(), **about):
    given = convert({"lines": list(lines), **about}, Given, Place("given"))
    return explain(asked(parse_yaml(text, "aggregator.yaml", {}), given, only))


def records_of(explained):
    return {
        destination.sink: [event.record for event in destination.events if event.outcome == "sent"]
        for destination in explained.destinations
    }


@pytest.mark.parametrize("text", EXAMPLES)
def test_what_is_told_of_the_guides_examples_is_what_becomes_of_them(text):
    values = parse_yaml(text, "guide", {})
    sinks = list(dict.fromkeys(sink for route in values["routes"] for sink in route["to"]))
    for case in convert({"sinks": {sink: {} for sink in sinks}, **values}, type(config_of({})), Place("guide")).tests:
        explained = explain(asked(values, case.given))
        assert records_of(explained) == dict(run_case(plans_from(text, sinks, "replica"), case.given).records)


_ROUTES = st.lists(
    st.fixed_dictionaries(
        {"to": st.sampled_from([["a"], ["b"], ["a", "b"]])},
        optional={
            "parse": st.sampled_from(["json", ["klog", "json"]]),
            "where": CONDITIONS,
            "multiline": st.just("own"),
            "rules": st.lists(
                st.one_of(
                    st.builds(lambda one, when: {"drop": one, "when": when}, CONDITIONS, CONDITIONS),
                    st.sampled_from([
                        {"mask": {"pattern": "x", "replacement": "z"}},
                        {"rate_limit": {"lines_per_second": 2}},
                        {"sample": {"rate": 0.5}},
                        {"rename": {"f": "h"}},
                    ]),
                ),
                max_size=3,
            ),
        },
    ),
    max_size=3,
)  # fmt: skip


@given(st.sampled_from(["all", "first"]), _ROUTES, LINES)
def test_step_by_step_the_same_comes_of_lines_as_at_once(routing, routes, lines):
    values = {"routing": routing, "routes": routes, "multiline": {"own": {"start": "^[{p]"}}}
    given_lines = Given(lines=tuple(lines))
    one = asked(values, given_lines)
    from aggregator.route_config import plans_of

    outcome = run_case(plans_of(one.config, "aggregator.yaml", list(one.sinks), "replica"), given_lines)
    assert records_of(explain(one)) == dict(outcome.records)


TEXT = """
routes:
  - name: web
    match: {container: web}
    parse: [klog, json]
    where: {level_at_least: info}
    rules:
      - {name: health, drop: {field: path, equals: /healthz}}
      - {mask: email, when: {level: error}}
      - rename: {msg: message}
    to: [a]
"""


def test_each_step_tells_what_it_changed():
    explained = told(TEXT, '{"msg": "to a@b.org", "path": "/", "level": "warn"}', origin={"container": "web"})
    (event,) = explained.destinations[0].events
    parse, where, drop, mask, rename = event.routes[0].steps
    assert (parse.by, parse.said, parse.result) == ("json", ["klog", "json"], "changed")
    assert parse.changed == {"towline_level": ("info", "warning")}
    assert parse.removed == {"message": event.text}
    assert parse.added == {"msg": "to a@b.org", "path": "/", "level": "warn"}
    assert (where.said, where.result) == ({"level_at_least": "info"}, "met")
    assert (drop.name, drop.kind, drop.result) == ("health", "drop", "unchanged")
    assert (mask.name, mask.when, mask.result) == ("web.1", False, "unchanged")
    assert (rename.removed, rename.added) == ({"msg": "to a@b.org"}, {"message": "to a@b.org"})
    assert event.outcome == "sent"


def test_a_line_that_is_dropped_tells_by_what():
    explained = told(TEXT, '{"path": "/healthz"}', '{"level": "debug"}', origin={"container": "web"})
    dropped, left = explained.destinations[0].events
    assert (dropped.outcome, dropped.by, dropped.routes[0].steps[-1].result) == ("dropped", "health", "dropped")
    assert (left.outcome, left.routes[0].steps[-1].result) == ("not taken", "not met")
    assert dropped.sent is left.sent is None


def test_a_line_that_another_route_takes_tells_by_which():
    text = "routing: first\nroutes: [{name: audit, where: {contains: audit}, to: [a]}, {to: [b]}]"
    explained = told(text, "audit", "other", only=["b"])
    assert [destination.sink for destination in explained.destinations] == ["b"]
    first, second = explained.destinations[0].events
    assert (first.outcome, first.by) == ("taken", "audit")
    assert (second.outcome, second.by) == ("sent", "1")


def test_joined_lines_are_one_event_with_the_number_of_its_first():
    text = "routes: [{to: [a], multiline: own}]\nmultiline: {own: {indented: true}}"
    explained = told(text, "one", " more", "two")
    assert explained.destinations[0].joined_by == ("own",)
    assert [(event.first_line, event.text) for event in explained.destinations[0].events] == [
        (1, "one\n more"),
        (3, "two"),
    ]


@pytest.mark.parametrize(
    ("match", "why"),
    [
        ("{namespace: shop}", "namespace 'default' is not 'shop'"),
        ("{pod: [a, b]}", "pod 'pod' is not one of 'a', 'b'"),
        ("{namespace: default, container: web}", "container '' is not 'web'"),
        ("{labels: {app: web}}", "the pod has no label app"),
        ("{labels: {tier: web}}", "label tier 'back' is not 'web'"),
    ],
)
def test_a_route_that_does_not_match_tells_the_first_key_that_does_not(match, why):
    explained = told(f"routes: [{{match: {match}, to: [a]}}]", "x", pod={"labels": {"tier": "back"}})
    (route,) = explained.routes
    assert (route.matches, route.reached, route.why) == (False, False, why)
    assert explained.destinations == []


def test_a_route_behind_one_that_takes_everything_tells_so():
    first, all_ = (
        told(f"routing: {routing}\nroutes: [{{name: x, to: [a]}}, {{to: [a]}}, {{to: [b]}}]", "x").routes
        for routing in ("first", "all")
    )
    assert [route.reached for route in first] == [True, False, False]
    assert [route.why for route in first[1:]] == ["route x takes all lines before it"] * 2
    assert [route.reached for route in all_] == [True, False, True]
    assert all_[1].why == "route x takes all lines to a before it"


SINK_TYPES = """
sinks:
  dd: {type: datadog}
  cw: {type: cloudwatch, log_group: '/eks/{namespace}', log_stream: '{pod}'}
  out: {type: file, path: '/data/{pod}.jsonl'}
  counts: {type: log_metrics, rules: [{name: lines_total, type: counter}]}
routes: [{to: [dd, cw, out, counts], parse: json}]
"""


def test_what_each_destination_would_get_is_told_without_any_secret(monkeypatch):
    for name in ("DD_API_KEY", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    explained = told(SINK_TYPES, '{"message": "hi", "code": 7}')
    sent = {destination.sink: destination.events[0].sent for destination in explained.destinations}
    (entry,) = sent["dd"].records
    assert (entry["message"], entry["code"], entry["hostname"]) == ("hi", 7, "pod")
    assert sent["cw"].where == "log group /eks/default, log stream pod"
    assert [json.loads(event["message"]) for event in sent["cw"].records] == [{"message": "hi", "code": 7}]
    assert (sent["out"].where, sent["out"].records[0]["fields"]) == ("/data/pod.jsonl", {"code": 7})
    assert sent["counts"].records == [{"series": "lines_total", "adds": 1.0}]


def test_every_sink_that_takes_lines_can_tell_what_it_would_get():
    from aggregator import previews

    assert set(previews._PREVIEWS) == {name for name, spec in SINKS.items() if spec.takes_lines}


def test_without_routes_lines_go_everywhere_as_they_came():
    explained = told("sinks: {a: {type: file}, b: {type: datadog}}", "x", "y")
    assert explained.routes == []
    assert {destination.sink: len(destination.events) for destination in explained.destinations} == {"a": 2, "b": 2}
    assert all(event.routes == [] for destination in explained.destinations for event in destination.events)
