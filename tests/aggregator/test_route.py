"""Who gets which line."""

import pytest

from aggregator.core.route import Plans, Route, Routes
from tests.aggregator.routing import messages, outcome, plans_from, reached
from towline.wire.identity import Origin, Pod

POD = Pod(namespace="shop", name="web-1", uid="u1")
ORIGIN = Origin(path="/var/log/app/a.log")
LINES = ["level=error a", "level=info b", "health c"]


def test_a_stream_is_owed_to_every_sink_that_a_route_names():
    assert Routes([Route(("a", "b"))], ["a", "b", "c"]).owed(POD, ORIGIN) == ("a", "b")


def test_two_routes_that_name_one_sink_owe_it_once():
    assert Routes([Route(("a", "b")), Route(("b", "c"))], ["a", "b", "c"]).owed(POD, ORIGIN) == ("a", "b", "c")


def test_a_pull_sink_is_owed_nothing():
    assert Routes([Route(("page", "a"))], ["a"]).owed(POD, ORIGIN) == ("a",)


def test_without_routes_every_push_sink_is_owed():
    assert Routes([], ["a", "b"]).owed(POD, ORIGIN) == ("a", "b")


def test_a_route_that_asks_for_nothing_makes_no_plan():
    plans = Plans(Routes([Route(("a",)), Route(("a", "b"))], ["a", "b"]))
    assert plans.of("a", POD, ORIGIN) is None
    assert plans.of("b", POD, ORIGIN) is None


def test_routes_of_other_streams_cost_a_stream_nothing():
    others = ", ".join(f"{{match: {{namespace: n{number}}}, parse: json, to: [dd]}}" for number in range(20))
    assert plans_from(f"routes: [{others}, {{to: [dd]}}]").of("dd", POD, ORIGIN) is None


def test_a_plan_is_worked_out_once_for_each_stream():
    plans = plans_from("routes: [{to: [dd], parse: json}]")
    assert plans.of("dd", POD, ORIGIN) is plans.of("dd", POD, ORIGIN)
    assert plans.of("dd", POD, Origin(path="/x")) is not plans.of("dd", POD, ORIGIN)


def test_a_sink_that_no_route_leads_to_any_more_gets_nothing_of_what_it_was_owed():
    plan = plans_from("routes: [{match: {namespace: bank}, to: [dd]}, {to: [cw]}]").of("dd", POD, ORIGIN)
    assert plan is not None
    assert plan.branches == ()


WHERE = "{contains: error}"
TABLE = [
    # Routes as (where, to), the routing, and which lines (0: error, 1: info, 2: health) each sink gets.
    ([(None, "dd")], "all", {"dd": [0, 1, 2]}),
    ([(None, "dd"), (None, "cw")], "all", {"dd": [0, 1, 2], "cw": [0, 1, 2]}),
    ([(None, "dd"), (None, "cw")], "first", {"dd": [0, 1, 2]}),
    ([("error", "dd")], "all", {"dd": [0]}),
    ([("error", "dd"), (None, "cw")], "all", {"dd": [0], "cw": [0, 1, 2]}),
    ([("error", "dd"), (None, "cw")], "first", {"dd": [0], "cw": [1, 2]}),
    ([("error", "dd"), ("level", "dd"), (None, "cw")], "all", {"dd": [0, 1], "cw": [0, 1, 2]}),
    ([("error", "dd"), ("level", "dd"), (None, "cw")], "first", {"dd": [0, 1], "cw": [2]}),
    ([("health", "cw"), (None, "dd")], "first", {"cw": [2], "dd": [0, 1]}),
    ([("health", "cw"), ("error", "out"), (None, "dd")], "first", {"cw": [2], "out": [0], "dd": [1]}),
    ([("level", "dd"), ("error", "dd")], "first", {"dd": [0, 1]}),
    ([("health", "dd"), ("error", "dd")], "all", {"dd": [0, 2]}),
    ([("health", "dd, cw"), ("error", "cw")], "all", {"dd": [2], "cw": [0, 2]}),
    ([(None, "cw"), ("error", "dd")], "first", {"cw": [0, 1, 2]}),
]


@pytest.mark.parametrize(("routes", "routing", "wanted"), TABLE)
def test_each_line_goes_where_its_routes_say(routes, routing, wanted):
    listed = [f"{{to: [{to}]{f', where: {{contains: {where}}}' if where else ''}}}" for where, to in routes]
    text = f"routing: {routing}\nroutes: [{', '.join(listed)}]"
    found = outcome(text, LINES).records
    said = {sink: [LINES.index(one["message"]) for one in records] for sink, records in found.items() if records}
    assert said == wanted


def test_a_line_reaches_a_sink_as_the_first_of_its_routes_made_it():
    text = """
routes:
  - {where: {contains: error}, rules: [{set: {by: first}}], to: [dd]}
  - {parse: logfmt, rules: [{set: {by: second}}], to: [dd]}
"""
    assert [one["by"] for one in reached(text, LINES)] == ["first", "second", "second"]


def test_only_streams_that_match_are_owed():
    text = "routes: [{match: {namespace: shop, labels: {app: web}}, to: [dd]}, {match: {path: '/var/log/*'}, to: [cw]}]"
    plans = plans_from(text)
    web = Pod(namespace="shop", name="w", uid="u", labels={"app": "web"})
    assert plans.routes.owed(POD, ORIGIN) == ()
    assert plans.routes.owed(web, Origin(path="/var/log/a")) == ("dd", "cw")


def test_what_parsers_could_not_read_is_counted_once_however_many_routes_look():
    text = "routes: [{parse: json, where: {field: a, equals: 1}, to: [dd]}, {parse: json, to: [dd]}]"
    tally = outcome(text, ['{"a": 1}', "plain", '{"a": 2}']).tallies["dd"]
    assert {(count.kind, count.by): events for count, events in tally.items()} == {("unparsed", "json"): 1}


def test_lines_are_joined_before_routes_look_at_them():
    text = "routes: [{multiline: java, where: {contains: Caused}, to: [dd]}]"
    trace = [
        "java.lang.IllegalStateException: a",
        "\tat b.C.d(E.java:1)",
        "Caused by: java.io.IOException",
        "\tat f.G.h(I.java:2)",
        "fine",
    ]
    assert messages(text, trace) == ["\n".join(trace[:4])]
