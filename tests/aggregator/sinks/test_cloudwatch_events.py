"""Events with fields, as log events of CloudWatch."""

import hashlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.sinks.cloudwatch.payload import make_payload
from tests.aggregator.sinks.batches import NOW_NS, batch_of, piece
from tests.aggregator.sinks.looked_into import HOUR_NS, TIMES, events, joined
from tests.aggregator.sinks.test_datadog_events import FIELDS
from tests.fakes.cloudwatch_limits import check_request


def calls_of(*pieces, event_ids=False):
    """Each call's events, judged by the counterpart's limits, and the lines that they are of."""
    payload = make_payload(batch_of(*pieces), "/eks/shop/web", "web/agg-0", event_ids=event_ids)
    calls = []
    for one in payload.requests:
        form = orjson.loads(one.body.content)
        check_request("PutLogEvents", form, NOW_NS // 1_000_000)
        assert hashlib.sha256(one.body.content).hexdigest() == one.body.sha256
        calls.append((form["logEvents"], [index for run in one.indexes for index in run]))
    return calls


def messages_of(*pieces, event_ids=False):
    return [one["message"] for call, _ in calls_of(*pieces, event_ids=event_ids) for one in call]


def test_a_line_that_is_an_object_is_sent_as_it_stands():
    text = b'{"a": 1.50,  "b":"\\u00e9"}'
    assert messages_of(events(orjson.loads(text), texts=[text], is_source=True)) == [text.decode()]


def test_fields_are_an_object():
    assert messages_of(events({"message": "GET /", "code": 200}, texts=[b"GET / 200"])) == [
        '{"message":"GET /","code":200}'
    ]


@pytest.mark.parametrize("is_source", [True, False])
def test_what_nobody_could_parse_is_an_object_only_where_there_is_more_to_say_of_it(is_source):
    notes = [None, {"towline_unparsed": "json"}]
    found = messages_of(events(None, None, notes=notes, texts=[b"plain", b"raw"], is_source=is_source))
    assert found == ["plain", '{"message":"raw","towline_unparsed":"json"}']


def test_ids_are_members_and_an_apps_own_are_kept():
    one = events({"evt_id": "app's"}, None, {}, is_source=True)
    found = [orjson.loads(message) for message in messages_of(one, event_ids=True)]
    assert [entry.pop("evt_id") for entry in found] == one.event_ids()
    assert found == [{"app_evt_id": "app's"}, {"message": "plain"}, {}]


def test_events_are_in_the_order_of_their_own_times_and_keep_their_places():
    first = events(*[{"n": n} for n in range(3)], times=TIMES[::-1], is_source=True)
    ((found, lines),) = calls_of(first, piece([b"x", b"y"], read_unix_ns=NOW_NS - HOUR_NS // 2))
    assert [one["message"] for one in found] == ['{"n":2}', "x", "y", '{"n":1}', '{"n":0}']
    assert lines == [2, 3, 4, 1, 0]


def test_events_further_apart_than_a_day_go_in_calls_of_their_own():
    times = [NOW_NS, NOW_NS - 30 * HOUR_NS, NOW_NS - 29 * HOUR_NS]
    calls = calls_of(events({"n": 0}, {"n": 1}, {"n": 2}, times=times, is_source=True))
    assert [lines for _, lines in calls] == [[1, 2], [0]]


def test_a_time_that_cloudwatch_would_refuse_is_that_of_reading_and_says_so():
    times = [NOW_NS - 20 * 24 * HOUR_NS, NOW_NS + 3 * HOUR_NS]
    ((found, _),) = calls_of(events({"n": 0}, {"n": 1}, times=times, is_source=True))
    assert [one["timestamp"] for one in found] == [NOW_NS // 1_000_000] * 2
    assert [orjson.loads(one["message"])["towline_time"] for one in found] == ["too_old", "too_new"]


def test_events_of_several_lines_are_one_message():
    assert messages_of(joined(b"a\n\tb", b"c")) == ["a\n\tb", "c"]


@given(st.lists(st.none() | FIELDS, min_size=1, max_size=6), st.booleans(), st.booleans(), st.data())
def test_every_event_arrives_once_in_chronological_calls(several, is_source, event_ids, data):
    times = [NOW_NS - data.draw(st.integers(0, 40)) * HOUR_NS for _ in several]
    calls = calls_of(events(*several, times=times, is_source=is_source), event_ids=event_ids)
    assert sorted(line for _, lines in calls for line in lines) == list(range(len(several)))
    for found, lines in calls:
        for one, line in zip(found, lines, strict=True):
            assert one["timestamp"] == times[line] // 1_000_000
            fields = several[line]
            if fields is None:
                assert "plain" in one["message"]
            else:
                said = orjson.loads(one["message"])
                assert all(said[key] == value for key, value in fields.items() if key != "evt_id")
