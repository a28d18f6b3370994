import hashlib
import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.text import decode_each
from aggregator.sinks.cloudwatch.config import CloudWatchConfig
from aggregator.sinks.cloudwatch.names import Names
from aggregator.sinks.cloudwatch.payload import MAX_EVENT_BYTES, make_payload
from tests.aggregator.sinks.batches import NOW_NS, ORIGIN, POD, batch_of, piece
from tests.fakes.cloudwatch_limits import check_request
from towline.wire.identity import Origin, Pod

HOUR_NS = 3600 * 10**9


def calls_of(*pieces, event_ids=False):
    """Each call's events, judged by the counterpart's limits."""
    payload = make_payload(batch_of(*pieces), "/eks/shop/web", "web/agg-0", event_ids=event_ids)
    forms = [orjson.loads(one.body.content) for one in payload.requests]
    for form, one in zip(forms, payload.requests, strict=True):
        check_request("PutLogEvents", form, NOW_NS // 1_000_000)
        assert hashlib.sha256(one.body.content).hexdigest() == one.body.sha256
        assert sum(map(len, one.indexes)) == len(form["logEvents"])
    return payload, [form["logEvents"] for form in forms]


def test_a_batch_is_one_call_in_the_order_of_time():
    late, early = piece([b"late 1", b"late 2"]), piece([b"early"], read_unix_ns=NOW_NS - HOUR_NS)
    payload, (events,) = calls_of(late, early)
    assert [one["message"] for one in events] == ["early", "late 1", "late 2"]
    assert payload.requests[0].lines(0, 3) == [2, 0, 1]
    assert (payload.group, payload.stream) == ("/eks/shop/web", "web/agg-0")


@given(st.text(max_size=600))
def test_names_made_of_a_path_are_ones_that_cloudwatch_takes(path):
    names, origin = Names("/logs/{path}", "{ip}{path}", "agg-0"), Origin(path=path)
    assert re.fullmatch(r"/logs/[A-Za-z0-9._#-]{1,506}", names.group(POD, origin))
    assert re.fullmatch(r"[A-Za-z0-9._#-]{1,512}", names.stream(POD, origin))


def test_an_empty_line_is_one_blank():
    _, (events,) = calls_of(piece([b"", b"\r", b"a", b"", b""]))
    assert [one["message"] for one in events] == [" ", " ", "a", " ", " "]


@pytest.mark.parametrize(
    "line", [b"x" * (MAX_EVENT_BYTES + 1), b"x" * 1_048_576, "é".encode() * 524_288, b"\xff" * 1_048_576]
)
def test_an_event_that_is_too_large_goes_in_parts(line):
    payload, calls = calls_of(piece([b"before", line, b"after"]))
    events = [one["message"] for events in calls for one in events]
    assert "".join(events[1:-1]) == line.decode("utf-8", "replace")
    assert (events[0], events[-1]) == ("before", "after")
    assert list(dict.fromkeys(index for one in payload.requests for index in one.lines(0, 10))) == [0, 1, 2]


def test_bytes_that_grow_when_replaced_are_counted_as_they_are_sent():
    _, calls = calls_of(piece([b"\xff" * 1000] * 1000))
    assert [len(events) for events in calls] == [346, 346, 308]


def test_more_than_a_day_goes_in_several_calls():
    pieces = [piece([b"x"], read_unix_ns=NOW_NS - hours * HOUR_NS) for hours in (0, 23, 24, 30, 60)]
    _, calls = calls_of(*pieces)
    assert [len(events) for events in calls] == [1, 3, 1]


def test_more_events_than_a_call_may_hold_go_in_several():
    _, calls = calls_of(piece([b""] * 10_001))
    assert [len(events) for events in calls] == [10_000, 1]


def test_an_id_travels_in_the_message():
    one = piece([b"a", b"\x7f"], start=7)
    _, (events,) = calls_of(one, event_ids=True)
    assert [orjson.loads(event["message"]) for event in events] == [
        {"evt_id": event_id, "message": text} for event_id, text in zip(one.event_ids(), ("a", "\x7f"), strict=True)
    ]


@given(st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=20))
def test_every_line_is_an_event(lines):
    _, (events,) = calls_of(piece(lines))
    assert [one["message"] for one in events] == decode_each(lines, " ")
    assert make_payload(batch_of(piece(lines)), "g", "s", event_ids=False) == make_payload(
        batch_of(piece(lines)), "g", "s", event_ids=False
    )


NASTY = st.one_of(st.sampled_from(["", "a:b*c", "aws/x", "é" * 300, "x" * 600, "../.."]), st.text(max_size=40))


@given(NASTY, NASTY, NASTY)
def test_names_always_keep_cloudwatchs_rules(namespace, workload, container):
    pod = Pod(namespace=namespace, name="p", uid="u", workload=workload)
    names = Names("/{namespace}/{workload}", "{container}", "agg-0")
    origin = Origin(path="/x", container=container)
    form = {"logGroupName": names.group(pod, origin), "logStreamName": names.stream(pod, origin)}
    check_request("CreateLogStream", form, 0)


def test_the_default_names_are_those_of_the_readme():
    names = Names(CloudWatchConfig().log_group, CloudWatchConfig().log_stream, "agg-0")
    assert (names.group(POD, ORIGIN), names.stream(POD, ORIGIN)) == ("/eks/shop/web", "web/agg-0")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"region": "Frankfurt"}, "region: is not the name of a region"),
        ({"retention_days": 2}, r"retention_days: 2 is not allowed\. Use one of: 1, 3, 5"),
        ({"log_group": "aws/x"}, "log_group: starts with aws/"),
        ({"log_group": "a b"}, r"log_group: holds characters that CloudWatch refuses\. Use letters"),
        ({"log_group": ""}, "log_group: is empty"),
        ({"log_stream": "a:b"}, r"log_stream: holds characters that CloudWatch refuses\. Use ASCII"),
        ({"log_stream": "{date}"}, r"log_stream: there is no field \{date\}\. Use: namespace"),
        ({"endpoint_url": "localhost"}, "endpoint_url: is not an http or https URL"),
        ({"endpoint_url": "http://169.254.169.254"}, "endpoint_url: is a link-local address"),
    ],
)
def test_options_are_checked_at_the_start(wrong, message):
    with pytest.raises(ValueError, match=message):
        CloudWatchConfig(**wrong)
