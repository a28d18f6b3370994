"""Events with fields, as lines of a file."""

import orjson
from hypothesis import given
from hypothesis import strategies as st

from aggregator.sinks.file.payload import LineMaker, rfc3339
from tests.aggregator.sinks.batches import NOW_NS, POD, batch_of, piece
from tests.aggregator.sinks.looked_into import TIMES, events, joined
from tests.aggregator.sinks.test_datadog_events import FIELDS


def lines_of(*pieces, event_ids=False):
    return [orjson.loads(line) for line in LineMaker(event_ids=event_ids).make(batch_of(*pieces)).splitlines()]


def own(line):
    return {key: line[key] for key in ("timestamp", "level", "message", "fields") if key in line}


def test_fields_are_one_member_and_the_message_is_not_among_them():
    (line,) = lines_of(events({"message": "GET /", "code": 200}, times=TIMES[:1], levels=["error"]))
    assert own(line) == {
        "timestamp": rfc3339(TIMES[0]),
        "level": "error",
        "message": "GET /",
        "fields": {"code": 200},
    }
    assert (line["pod"], line["container"]) == (POD.name, "nginx")


def test_an_object_that_says_no_message_has_none():
    (line,) = lines_of(events({"a": 1}, is_source=True))
    assert own(line) == {"timestamp": rfc3339(NOW_NS), "fields": {"a": 1}}


def test_a_message_that_is_no_text_stays_a_field():
    (line,) = lines_of(events({"message": [1]}))
    assert own(line) == {"timestamp": rfc3339(NOW_NS), "fields": {"message": [1]}}


def test_what_nobody_could_parse_is_its_text_and_says_so():
    (line,) = lines_of(events(None, notes=[{"towline_unparsed": "json"}]))
    assert own(line) == {"timestamp": rfc3339(NOW_NS), "message": "plain"}
    assert line["towline_unparsed"] == "json"


def test_events_of_several_lines_stay_one_line_of_the_file():
    assert [line["message"] for line in lines_of(joined(b"a\n\tb", b"c"), piece([b"d"]))] == ["a\n\tb", "c", "d"]


@given(st.lists(st.none() | FIELDS, min_size=1, max_size=6), st.booleans())
def test_every_event_is_a_line(several, event_ids):
    one = events(*several)
    found = lines_of(one, event_ids=event_ids)
    assert len(found) == len(several)
    for fields, line in zip(several, found, strict=True):
        said = {**line.get("fields", {}), **({"message": line["message"]} if "message" in line else {})}
        assert said == ({"message": "plain"} if fields is None else fields)
    if event_ids:
        assert [line["evt_id"] for line in found] == one.event_ids()
