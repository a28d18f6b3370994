"""Lines of DogStatsD, one by one."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.core.statsd_parse import (
    MAX_FIELDS_BYTES,
    MAX_NAME_BYTES,
    Fields,
    MalformedError,
    labels_of,
    parse_check,
    parse_event,
    parse_metric,
)
from towline.wire.snapshot import Event, ServiceCheck

NOW = 1_700_000_000


def refusal(parse, *arguments):
    with pytest.raises(MalformedError) as caught:
        parse(*arguments)
    return caught.value.reason


@pytest.mark.parametrize(
    ("letter", "kind"),
    [
        (b"c", "counter"),
        (b"g", "gauge"),
        (b"s", "set"),
        (b"h", "histogram"),
        (b"ms", "timing"),
        (b"d", "distribution"),
    ],
)
def test_every_type_has_its_letter(letter, kind):
    assert parse_metric(b"page.views:1|" + letter) == (b"page.views", [b"1"], letter, Fields(kind, 1.0, {}, 0))


def test_tags_become_labels_in_the_order_of_their_names():
    fields = parse_metric(b"a:1|c|#env:prod,az:eu-1,canary,url:http://x:80").fields
    assert list(fields.labels.items()) == [("az", "eu-1"), ("canary", ""), ("env", "prod"), ("url", "http://x:80")]


def test_a_key_that_is_there_twice_keeps_both_values():
    assert labels_of(["team:b", "team:a", "team:b"]) == {"team": "a,b"}


def test_what_clients_tell_an_agent_is_no_label():
    line = b"a:1|c|#dd.internal.entity_id:uid-1,env:x,,|c:ci-1,in-2|e:it-false,cn-web|card:low|zz:new"
    assert parse_metric(line).fields == Fields("counter", 1.0, {"env": "x"}, 0)


def test_a_sample_rate_says_for_how_many_a_value_stands():
    assert parse_metric(b"a:1|h|@0.25").fields.weight == 4.0
    assert parse_metric(b"a:1|g|@0.25").fields.weight == 1.0


def test_several_values_share_a_line_and_empty_ones_are_none():
    assert parse_metric(b"a:1:2.5::-3|d").values == [b"1", b"2.5", b"-3"]


def test_the_value_of_a_set_may_hold_colons():
    assert parse_metric(b"users:alice:7|s").values == [b"alice:7"]


def test_a_sign_is_part_of_a_gauge():
    assert parse_metric(b"a:+3|g").values == [b"+3"]
    assert parse_metric(b"a:-3|g").values == [b"-3"]


def test_counts_and_gauges_have_times_of_their_own():
    assert parse_metric(b"a:1|c|T1656581400").fields.unix_seconds == 1656581400
    assert parse_metric(b"a:1|g|#x:y|T1656581400").fields.unix_seconds == 1656581400
    assert parse_metric(b"a:1|h|T1656581400").fields.unix_seconds == 0


def test_invalid_utf8_is_replaced():
    assert parse_metric(b"a:1|c|#k\xff:\xfe").fields.labels == {"k\ufffd": "\ufffd"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"gibberish", "form"),
        (b"a:1", "form"),
        (b":1|c", "form"),
        (b"a:|c", "form"),
        (b"a|c", "form"),
        (b"a:1|", "type"),
        (b"a:1|x", "type"),
        (b"a:1|C", "type"),
        (b"a:one|c", "value"),
        (b"a:1:two|c", "value"),
        (b"a::|c", "value"),
        (b"a:nan|g", "not_finite"),
        (b"a:inf|c", "not_finite"),
        (b"a:-Infinity|h", "not_finite"),
        (b"a:1e309|d", "not_finite"),
        (b"a:1e308|c|@0.01", "not_finite"),
        (b"a:1|c|@0", "rate"),
        (b"a:1|c|@2", "rate"),
        (b"a:1|c|@-1", "rate"),
        (b"a:1|c|@nan", "rate"),
        (b"a:1|c|@half", "rate"),
        (b"a:1|c|@1e-300", "rate"),
        (b"a:1|c|Tsoon", "timestamp"),
        (b"a:1|c|T0", "timestamp"),
        (b"a:1|c|T-5", "timestamp"),
        (b"a:1|c|T99999999999999999999999999999", "timestamp"),
        (b"a" * (MAX_NAME_BYTES + 1) + b":1|c", "too_long"),
        (b"a:1|c|#" + b"t" * MAX_FIELDS_BYTES, "too_long"),
    ],
)
def test_a_malformed_metric_has_its_reason(line, reason):
    assert refusal(parse_metric, line) == reason


def test_an_event_has_all_its_fields():
    title, text = b"disk | full", "line one\\nline two ü".encode()
    line = b"_e{%d,%d}:%s|%s|d:1656581400|h:db1|k:disk|p:low|s:cron|t:error|#env:prod,x|c:ci-1" % (
        len(title),
        len(text),
        title,
        text,
    )
    assert parse_event(line, NOW) == Event(
        title="disk | full",
        text="line one\nline two ü",
        unix_seconds=1656581400,
        hostname="db1",
        aggregation_key="disk",
        priority="low",
        source_type="cron",
        alert_type="error",
        tags=("env:prod", "x"),
    )


def test_an_event_without_fields_has_now_and_the_defaults():
    assert parse_event(b"_e{1,0}:t|", NOW) == Event(title="t", text="", unix_seconds=NOW)
    assert parse_event(b"_e{1,1}:t|x|d:soon|p:high|t:odd", NOW) == Event(title="t", text="x", unix_seconds=NOW)


@pytest.mark.parametrize(
    "line",
    [
        b"_e{",
        b"_e{1,1}",
        b"_e{0,1}:|x",
        b"_e{1}:t|x",
        b"_e{a,1}:t|x",
        b"_e{-1,1}:t|x",
        b"_e{1,1:t|x",
        b"_e{5,5}:t|x",
        b"_e{1,1}:tXx",
        b"_e{1,1}:t|xtra",
        b"_e{99999999999999999999,1}:t|x",
    ],
)
def test_an_event_whose_lengths_do_not_fit_is_refused(line):
    assert refusal(parse_event, line, NOW) == "event"


def test_a_check_has_all_its_fields_and_its_message_may_hold_bars():
    line = b"_sc|db up|2|d:1656581400|h:db1|#env:prod|m:refused | m\\:twice\\nsaid|c:ci-1|card:low"
    assert parse_check(line, NOW) == ServiceCheck(
        name="db up",
        status=2,
        unix_seconds=1656581400,
        hostname="db1",
        message="refused | m:twice\nsaid",
        tags=("env:prod",),
    )


def test_a_check_without_fields_is_now():
    assert parse_check(b"_sc|up|0", NOW) == ServiceCheck(name="up", status=0, unix_seconds=NOW)


@pytest.mark.parametrize("line", [b"_sc|", b"_sc|up", b"_sc||0", b"_sc|up|4", b"_sc|up|ok", b"_sc|up|"])
def test_a_check_without_name_or_status_is_refused(line):
    assert refusal(parse_check, line, NOW) == "check"


LINES = st.one_of(
    st.binary(max_size=80),
    st.lists(
        st.sampled_from([b"a", b"1", b":", b"|", b"c", b"h", b"#", b"@", b",", b"T", b"_e{1,1}", b"_sc", b"\xff"])
    ).map(b"".join),
)


@given(LINES)
def test_whatever_comes_is_taken_or_refused_for_a_reason(line):
    for parse, more in ((parse_metric, ()), (parse_event, (NOW,)), (parse_check, (NOW,))):
        try:
            parse(line, *more)
        except MalformedError as error:
            assert error.reason  # noqa: PT017 - either outcome is right


WORDS = st.text(st.characters(exclude_characters=",|\n:", exclude_categories=("Cs",)), min_size=1, max_size=8).filter(
    lambda word: not word.startswith("dd.internal.")
)


@given(
    values=st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=4),
    tags=st.dictionaries(WORDS, WORDS, max_size=4),
    letter=st.sampled_from(["c", "g", "h", "ms", "d"]),
)
def test_what_a_client_writes_is_what_is_read(values, tags, letter):
    line = f"n.a_m-e:{':'.join(map(repr, values))}|{letter}"
    if tags:
        line += "|#" + ",".join(f"{key}:{value}" for key, value in tags.items())
    metric = parse_metric(line.encode())
    assert [float(value) for value in metric.values] == values
    assert metric.fields.labels == tags
    assert all(math.isfinite(float(value)) for value in metric.values)
