"""What a rule may say, and what is said of one that cannot be."""

import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.log_metrics import LogRules
from aggregator.sinks.log_metrics.config import LogMetricsConfig, LogRule, literal_start
from aggregator.sinks.log_metrics.sink import LogMetricsSink
from tests.aggregator.routing import plans_from
from tests.aggregator.sinks.batches import ORIGIN, POD, piece, surroundings
from tests.aggregator.sinks.to_log_metrics import LATENCY, QUEUE, REQUESTS, config_of
from towline.plumbing.errors import ConfigError


def test_a_rule_becomes_what_the_core_knows():
    rule = config_of({**REQUESTS, "source": "nginx*", "per": "workload", "max_series": 5}).rules[0].rule()
    assert (rule.name, rule.type, rule.per, rule.max_series, rule.contains) == (
        "nginx_requests_total",
        "counter",
        "workload",
        5,
        b'" ',
    )
    assert rule.streams["source"].match("nginx-ingress")
    assert not rule.streams["source"].match("my-nginx")


def test_a_histogram_has_the_usual_buckets_and_a_duration_may_be_written_with_its_unit():
    config = config_of({key: value for key, value in LATENCY.items() if key != "buckets"}, expire_seconds="2h")
    assert (config.rules[0].rule().buckets[0], config.expire_seconds) == (0.005, 7200)


def test_a_rule_without_help_gets_one():
    config = config_of({"name": "x_total", "type": "counter"}, QUEUE, {**LATENCY, "help": "How long."})
    assert [rule.rule().help for rule in config.rules] == [
        "Log lines that matched.",
        "Last length in log lines that matched.",
        "How long.",
    ]


WRONG = [
    ({"name": "nginx_requests"}, r"name: a counter's ends in _total. Write nginx_requests_total"),
    ({**QUEUE, "name": "queue_total"}, r"name: only a counter's ends in _total. Write queue\b"),
    ({"name": "2xx_total"}, r"name: '2xx_total' is no metric name"),
    ({"name": "aggregator_lines_total"}, r"name: .* begins as the aggregator's own"),
    ({"match": "(?P<code>"}, r"match: not a regular expression"),
    ({"labels": {"code": "status"}}, r"labels: match has no group 'status' \(it has: code\)"),
    ({"labels": {"pod": "code"}}, r"labels: 'pod' is set by the aggregator"),
    ({"labels": {"bad-name": "code"}}, r"labels: 'bad-name' is no label name"),
    ({"labels": {"code": ""}}, r"labels: 'code' names nothing"),
    ({"labels": {"source": "code"}, "stream_labels": ["source"]}, r"labels: 'source' is set"),
    ({"field": "level"}, r"field: is of a JSON object, and json is false"),
    ({"value": "bytes"}, r"value: match has no group 'bytes'"),
    ({"scale": 0.5}, r"scale: has nothing to multiply"),
    ({"scale": 0}, r"scale: must be a number other than 0"),
    ({"buckets": [1]}, r"buckets: only a histogram has them"),
    ({**LATENCY, "buckets": [1, 0.5]}, r"buckets: must ascend"),
    ({**LATENCY, "buckets": list(range(101))}, r"buckets: are 101"),
    ({**LATENCY, "value": ""}, r"value: is missing, and a histogram needs one"),
    ({"contains": "a\nb"}, r"contains: holds a line end"),
    ({"matches": "x"}, r"matches.*match"),
    ({"type": "summary"}, r"summary"),
    ({"per": "node"}, r"node"),
    ({"max_series": 0}, r"max_series"),
]


@pytest.mark.parametrize(("change", "said"), WRONG)
def test_what_cannot_be_is_refused_with_its_place_and_its_fix(change, said):
    with pytest.raises(ConfigError, match=said) as caught:
        config_of({**({} if "name" in change and "type" in change else REQUESTS), **change})
    assert str(caught.value).startswith("aggregator.yaml: sinks.counts.rules")


def test_a_sink_without_rules_and_two_rules_of_one_name_are_refused():
    with pytest.raises(ConfigError, match=r"aggregator.yaml: sinks.out.rules: holds no rule. Write at least one"):
        LogMetricsSink.build(config_of(), surroundings())
    with pytest.raises(ConfigError, match="'nginx_requests_total' and 'nginx_requests_total' both expose"):
        config_of(REQUESTS, REQUESTS)
    gauge = {**QUEUE, "name": "shop_seconds_count"}
    with pytest.raises(ConfigError, match="'shop_seconds' and 'shop_seconds_count' both expose 'shop_seconds_count'"):
        config_of(LATENCY, gauge)


@pytest.mark.parametrize(
    ("pattern", "start"),
    [
        ("ERROR", "ERROR"),
        ("^ERROR: (?P<what>.*)", "ERROR: "),
        ("colou?r", "colo"),
        ("ab*", "a"),
        ("a{2}", ""),
        (".*ERROR", ""),
        ("(?i)error", ""),
        ("(ERROR)", ""),
        ("ERROR|WARN", ""),
        (r"\[error\]", ""),
        ("", ""),
    ],
)
def test_the_text_that_a_match_begins_with_is_found_where_it_is_plain(pattern, start):
    assert literal_start(pattern) == start


PARTS = st.sampled_from(
    ["a", "b", "?", "*", "+", "{2}", ".", "^", "$", "(a)", "(b|a)", "|", "[ab]", r"\b", r"\.", "(?i)"]
)


@given(st.lists(PARTS, max_size=6).map("".join), st.text(st.sampled_from("abAB."), max_size=8))
def test_a_line_that_matches_always_holds_that_text(pattern, line):
    try:
        found = re.search(pattern, line)
    except re.error:
        return
    assert found is None or literal_start(pattern) in line


@pytest.mark.parametrize(
    ("change", "contains"),
    [
        ({"field": "level"}, b'"level'),
        ({"value": "http.ms"}, b'"http'),
        ({"value": "dur\u00e9e"}, b""),
        ({"value": 'a"b'}, b""),
        ({"field": "level", "contains": "error"}, b"error"),
        ({"value": "ms", "match": "took (?P<ms>.+)", "field": "msg"}, b'"msg'),
        ({"value": "ms", "match": "took (?P<ms>.+)"}, b""),
        ({}, b""),
    ],
)
def test_a_rule_for_fields_looks_only_at_lines_that_name_one_it_needs(change, contains):
    rule = {"name": "x_total", "type": "counter", "json": True, **change}
    made = config_of(rule).rules[0].rule()
    assert (made.contains or made.hint) == contains


GUIDE = (Path(__file__).parents[3] / "docs/guides/metrics-from-logs.md").read_text()


def test_the_guides_table_names_every_option_and_no_other():
    said = {name for cell in re.findall(r"(?m)^\| (`[^|]*) \|", GUIDE) for name in re.findall(r"`(\w+)`", cell)}
    assert said - {"when_full"} == {*LogRule.__struct_fields__, *LogMetricsConfig.__struct_fields__}


def test_the_guides_example_can_be_used():
    example = yaml.safe_load(re.search(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)[1])["sinks"]["counts"]
    del example["type"]
    assert len(config_of(*example["rules"]).rules) == 4


def test_the_guide_names_every_reason_for_which_a_line_is_not_counted():
    sources = (Path(__file__).parents[3] / "aggregator/core" / name for name in ("log_metrics.py", "log_series.py"))
    reasons = re.findall(r'"(value_\w+|max_series|total_\w+)"', "".join(path.read_text() for path in sources))
    assert set(reasons) == {"value_no_number", "value_negative", "max_series", "total_too_large"}
    assert all(reason in GUIDE for reason in reasons)


def test_the_guides_route_gives_its_rule_the_fields_that_it_names():
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)]
    made = next(block for block in blocks if "parse" in block.get("routes", [{}])[0])
    plan = plans_from(yaml.safe_dump({"routes": made["routes"]}), sinks=("counts",)).of("counts", POD, ORIGIN)
    lines = [
        b'10.0.0.1 - - [23/Nov/2026:05:00:00 +0000] "GET /%b HTTP/1.1" 200 6' % path
        for path in (b"healthz", b"a", b"b")
    ]
    rules = [one.rule() for one in config_of(*made["sinks"]["counts"]["rules"]).rules]
    series = LogRules(rules).increments([plan.apply(piece(lines))]).series
    assert {key.labels: it.lines for key, it in series.items()} == {'code="200",method="GET"': 2}
