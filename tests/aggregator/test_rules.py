"""What each rule does to events, from its YAML to the records."""

import orjson
import pytest

from tests.aggregator.routing import messages, outcome, own, reached, rules


def json_of(**fields):
    return orjson.dumps(fields).decode()


@pytest.mark.parametrize(
    ("rule", "before", "after"),
    [
        ("rename: {msg: message}", {"msg": "a", "x": 1}, {"message": "a", "x": 1}),
        ("rename: {http.status: code}", {"http": {"status": 500, "url": "/"}}, {"http": {"url": "/"}, "code": 500}),
        ("rename: {nothing: b}", {"a": 1}, {"a": 1}),
        ("copy: {a: b}", {"a": 1}, {"a": 1, "b": 1}),
        ("add: {team: web, a: 2}", {"a": 1}, {"a": 1, "team": "web"}),
        ("add: {http.status: 7}", {"http": {"status": 500}}, {"http": {"status": 500}}),
        ("set: {team: web, a: 2}", {"a": 1}, {"a": 2, "team": "web"}),
        ("set: {http.status: 7}", {"http": {"status": 500, "x": 1}}, {"http": {"status": 7, "x": 1}}),
        ("set: {a.b: 7}", {}, {"a.b": 7}),
        ("set: {who: '{namespace}/{pod} {labels[app]} {replica}'}", {}, {"who": "shop/web-1 web agg-0"}),
        ("remove: [a, 'b_*']", {"a": 1, "b_1": 2, "b_2": 3, "c": 4}, {"c": 4}),
        ("remove: http.headers", {"http": {"headers": 1, "url": "/"}}, {"http": {"url": "/"}}),
        ("only: [a, http.url, 'x*']", {"a": 1, "b": 2, "xx": 3, "http": {"url": "/"}}, {"a": 1, "xx": 3, "http.url": "/"}),
        (
            "nest: {fields: ['http_*'], under: http, remove_prefix: http_}",
            {"http_url": "/", "http_code": 1, "a": 2},
            {"a": 2, "http": {"url": "/", "code": 1}},
        ),
        ("nest: {fields: [a], under: in}", {"a": 1, "in": {"b": 2}}, {"in": {"b": 2, "a": 1}}),
        ("nest: {fields: ['*'], under: in}", {"message": "m", "a": 1}, {"message": "m", "in": {"a": 1}}),
        ("lift: {field: k8s, prefix: k_}", {"k8s": {"a": 1, "b": {"c": 2}}, "z": 0}, {"z": 0, "k_a": 1, "k_b": {"c": 2}}),
        ("lift: {field: a}", {"a": 1}, {"a": 1}),
        ("parse: {field: log, with: json}", {"log": '{"b": 1}', "a": 2}, {"a": 2, "b": 1}),
        ("parse: {field: log, with: logfmt, keep: true}", {"log": "b=1"}, {"log": "b=1", "b": "1"}),
        ("mask: email", {"a": ["x@example.com", 5], "b": {"c": "to x@example.com"}}, {"a": ["[EMAIL]", 5], "b": {"c": "to [EMAIL]"}}),
        ("mask: [credit_card]", {"card": 4111111111111111, "n": 7}, {"card": "[CREDIT_CARD]", "n": 7}),
        ("mask: {ready: email, fields: [a]}", {"a": "x@example.com", "b": "x@example.com"}, {"a": "[EMAIL]", "b": "x@example.com"}),
        ("mask: {pattern: 'ssn=\\d+', replacement: 'ssn=*'}", {"a": "ssn=123"}, {"a": "ssn=*"}),
        ("truncate: {bytes: 32, field: a}", {"a": "x" * 40}, {"a": "x" * 17 + "...TRUNCATED...", "towline_cut": "bytes"}),
        ("truncate: {bytes: 40, field: a}", {"a": "x" * 40}, {"a": "x" * 40}),
        ("truncate: {bytes: 32}", {"message": "é" * 20, "b": 1}, {"message": "é" * 8 + "...TRUNCATED...", "b": 1, "towline_cut": "bytes"}),
    ],
)  # fmt: skip
def test_a_rule_changes_fields(rule, before, after):
    pod = {"namespace": "shop", "name": "web-1", "labels": {"app": "web"}}
    text = rules(rule, parse="json")
    assert reached(text, [json_of(**before)], pod=pod) == [after]
    assert [own(one) for one in outcome(text, [json_of(**before)], pod=pod).records["dd"]] == [after]


@pytest.mark.parametrize(
    ("rule", "after"),
    [
        ("set: {team: web}", {"message": "plain", "team": "web"}),
        ("add: {message: other, team: web}", {"message": "plain", "team": "web"}),
        ("rename: {message: log}", {"log": "plain"}),
        ("copy: {message: log}", {"message": "plain", "log": "plain"}),
        ("remove: [message, '*']", {"message": "plain"}),
        ("only: [a]", {"message": "plain"}),
        ("truncate: {bytes: 32, field: a}", {"message": "plain"}),
        ("mask: {pattern: 'pl', replacement: 'b'}", {"message": "bain"}),
        ("mask: {pattern: 'pl', replacement: 'b', fields: [message]}", {"message": "bain"}),
        ("parse: {with: logfmt}", {"message": "plain", "towline_unparsed": "logfmt"}),
    ],
)
def test_an_event_that_nobody_could_parse_keeps_its_text(rule, after):
    assert reached(rules(rule, parse="json"), ["plain"]) == [{"towline_unparsed": "json", **after}]


def test_a_pattern_that_names_no_message_leaves_the_whole_line_as_the_message():
    text = "parsers: {kv: {type: regex, pattern: '^(?<a>\\w+)=(?<b>\\w+)'}}\n" + rules("remove: [b]", parse="kv")
    assert reached(text, ["x=1 and more"]) == [{"a": "x", "message": "x=1 and more"}]


def test_what_is_parsed_out_of_the_message_leaves_it_as_the_message():
    line = "2026-01-01T00:00:00Z stdout F a=1 b=2"
    (record,) = reached(rules("parse: {with: logfmt}", parse="cri"), [line])
    assert record == {"stream": "stdout", "logtag": "F", "a": "1", "b": "2", "message": "a=1 b=2"}
    (record,) = reached(rules("parse: {with: json}", parse="cri"), [line.replace("a=1 b=2", '{"a": 1}')])
    assert record == {"stream": "stdout", "logtag": "F", "a": 1}


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("drop: {contains: healthz}", ["GET /", "POST /x"]),
        ("keep: {matches: '^GET'}", ["GET /healthz", "GET /"]),
        ("drop: {matches: '^'}", []),
        ("{drop: {matches: '^'}, when: {contains: POST}}", ["GET /healthz", "GET /"]),
        ("{keep: {contains: healthz}, when: {contains: GET}}", ["GET /healthz", "POST /x"]),
        ("{mask: {pattern: 'E', replacement: 'e'}, when: {contains: POST}}", ["GET /healthz", "GET /", "POST /x"]),
        ("{mask: {pattern: 'G', replacement: 'g'}, when: {contains: healthz}}", ["gET /healthz", "GET /", "POST /x"]),
    ],
)
def test_lines_are_chosen_and_keep_their_order(rule, kept):
    assert messages(rules(rule), ["GET /healthz", "GET /", "POST /x"]) == kept


def test_what_is_dropped_is_counted_by_the_rule_that_did_it():
    text = rules("drop: {contains: a}", "{name: no_b, drop: {contains: b}}")
    assert outcome(text, ["a", "ab", "b", "c"]).dropped() == {"0.0": 2, "no_b": 1}


def test_a_mask_leaves_nothing_in_fields_of_an_escaped_text():
    line = '{"a": "x\\u0040example.com", "b": "fine"}'
    assert reached(rules("mask: email", parse="json"), [line]) == [{"a": "[EMAIL]", "b": "fine"}]


def test_a_mask_looks_at_what_other_rules_have_added():
    text = rules("set: {who: 'x@example.com'}", "mask: email", parse="json")
    assert reached(text, ['{"a": 1}']) == [{"a": 1, "who": "[EMAIL]"}]


def test_a_sample_keeps_or_drops_together_what_has_one_value():
    lines = [json_of(id=f"trace-{number % 200}", n=number) for number in range(1000)]
    kept = [one["id"] for one in reached(rules("sample: {rate: 0.3, by: id}", parse="json"), lines)]
    assert 30 <= len(set(kept)) <= 90
    assert len(kept) == 5 * len(set(kept))


def test_a_sample_by_nothing_keeps_a_share_of_lines_that_are_all_alike():
    kept = messages(rules("sample: {rate: 0.3}"), ["the same"] * 1000)
    assert 230 <= len(kept) <= 370
    assert messages(rules("sample: {rate: 0.3}"), ["the same"] * 1000) == kept


@pytest.mark.parametrize(("rate", "kept"), [(0, 0), (1, 100)])
def test_a_sample_of_nothing_and_of_all(rate, kept):
    assert len(messages(rules(f"sample: {{rate: {rate}}}"), [str(n) for n in range(100)])) == kept
