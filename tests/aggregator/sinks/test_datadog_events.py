"""Events with fields, as entries of Datadog's logs intake."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.sinks.datadog.events import MAX_ENTRY_BYTES
from aggregator.sinks.datadog.payload import PayloadMaker
from tests.aggregator.sinks.batches import NOW_NS, POD, batch_of, piece
from tests.aggregator.sinks.looked_into import HOUR_NS, TIMES, events, joined
from tests.fakes.datadog_limits import check_logs

OURS = {"hostname": POD.name, "service": "storefront", "ddsource": "nginx"}


def made(*pieces, event_ids=False):
    payload = PayloadMaker(event_ids=event_ids).make(batch_of(*pieces), "identity")
    return payload, [one.entry for one in check_logs(payload.body, NOW_NS // 1_000_000)]


def entries(*pieces, event_ids=False):
    return made(*pieces, event_ids=event_ids)[1]


def apps(entry):
    """What an entry holds beside what we say of every line."""
    return {key: value for key, value in entry.items() if key not in {*OURS, "ddtags", "timestamp", "status"}}


@pytest.mark.parametrize("is_source", [True, False])
def test_fields_are_attributes_beside_what_we_say_of_the_stream(is_source):
    one = {"message": "hi", "user": {"id": 7}, "tags": ["a"], "none": None}
    (entry,) = entries(events(one, levels=["warning"], times=TIMES[:1], is_source=is_source))
    assert apps(entry) == one
    assert {key: entry[key] for key in OURS} == OURS
    assert (entry["status"], entry["timestamp"]) == ("warn", TIMES[0] // 1_000_000)
    assert "pod_name:" + POD.name in entry["ddtags"]


def test_a_line_that_is_an_object_is_sent_as_it_stands():
    text = b'{"message":"a",  "n": 1.50, "e": "\\u00e9"}'
    payload, _ = made(events(orjson.loads(text), texts=[text], is_source=True))
    assert text[:-1] + b"," in payload.body


@pytest.mark.parametrize("is_source", [True, False])
@pytest.mark.parametrize(
    ("said", "arrives"),
    [
        ({"msg": "a"}, {"message": "a"}),
        ({"log": "a"}, {"message": "a"}),
        ({"message": "a", "msg": "b"}, {"message": "a", "msg": "b"}),
        ({"msg": 5}, {"message": "", "msg": 5}),
        ({"a": 1}, {"message": "", "a": 1}),
        ({}, {"message": ""}),
        ({"message": {"a": 1}}, {"message": '{"a":1}'}),
        ({"message": 5}, {"message": "5"}),
        ({"message": "a", "hostname": "app"}, {"message": "a", "app_hostname": "app"}),
        ({"message": "a", "timestamp": 5, "ddtags": "x:y"}, {"message": "a", "app_timestamp": 5, "app_ddtags": "x:y"}),
        ({"message": "a", "service": 5}, {"message": "a", "app_service": 5}),
        ({"message": "a", "status": 500}, {"message": "a", "app_status": 500}),
        ({"message": "a", "status": "500"}, {"message": "a", "app_status": "500"}),
        ({"message": "a", "hostname": 1, "app_hostname": 2}, {"message": "a", "app_hostname": 2, "app_app_hostname": 1}),
    ],
)  # fmt: skip
def test_names_that_we_need_are_kept_under_others(said, arrives, is_source):
    for entry in entries(events(said, said, is_source=is_source)):
        assert apps(entry) == arrives
        assert {key: entry[key] for key in OURS} == OURS


@pytest.mark.parametrize("is_source", [True, False])
def test_an_app_may_say_its_own_service_source_and_status(is_source):
    said = {"message": "a", "service": "pay", "ddsource": "ruby", "status": "ok"}
    (entry,) = entries(events(said, levels=["error"], is_source=is_source))
    assert {key: entry[key] for key in said} == said
    assert entry["hostname"] == POD.name


def test_a_name_that_also_stands_elsewhere_in_the_lines_is_renamed_where_it_is_the_name():
    said = [{"msg": "a", "kind": "msg"}, {"msg": "b", "in": {"msg": "c"}}, {"msg": 'd "msg"'}]
    for some in (said[:1], said[1:2], said[2:], said):
        found = entries(events(*some, is_source=True))
        assert [apps(one) for one in found] == [
            {"message": one["msg"], **{key: value for key, value in one.items() if key != "msg"}} for one in some
        ]


def test_a_name_that_is_spelled_with_escapes_is_not_overlooked():
    text = b'{"message":"a","h\\u006fstname":"x","in":{"hostname":"y"}}'
    (entry,) = entries(events(orjson.loads(text), texts=[text], is_source=True))
    assert apps(entry) == {"message": "a", "app_hostname": "x", "in": {"hostname": "y"}}
    assert entry["hostname"] == POD.name


def test_what_nobody_could_parse_is_sent_as_its_text_and_says_so():
    notes = [{"towline_unparsed": "json"}, None]
    found = entries(events(None, {"message": "m"}, notes=notes, texts=[b"raw \xff\r", b"{}"], is_source=True))
    assert [apps(one) for one in found] == [{"message": "raw \ufffd", "towline_unparsed": "json"}, {"message": "m"}]


def test_ids_and_parts_are_members_of_their_own():
    one = events({"message": "a", "evt_id": "app's"}, {"message": "b"}, partial=True, is_source=True)
    found = entries(one, event_ids=True)
    assert [entry["evt_id"] for entry in found] == one.event_ids()
    assert [entry.get("towline_partial") for entry in found] == [None, True]
    assert found[0]["app_evt_id"] == "app's"


def test_events_of_several_lines_are_one_message():
    assert [one["message"] for one in entries(joined(b"a\n\tb", b"c\x7f"))] == ["a\n\tb", "c\x7f"]


@pytest.mark.parametrize("is_source", [True, False])
@pytest.mark.parametrize("fields", [{"message": "x" * 1_000_000}, {"message": "m", "a": "é" * 600_000}])
def test_an_over_long_event_is_cut_with_a_mark_and_its_neighbours_are_not(fields, is_source):
    payload, found = made(events({"message": "a"}, fields, {"message": "b"}, is_source=is_source))
    assert payload.truncated == 1
    assert [found[0]["message"], found[2]["message"]] == ["a", "b"]
    assert found[1]["message"].endswith("...TRUNCATED...")
    assert all(len(orjson.dumps(one)) <= MAX_ENTRY_BYTES for one in found)


def test_a_time_that_datadog_would_not_keep_is_that_of_reading_and_says_so():
    times = [NOW_NS - 30 * HOUR_NS, NOW_NS - HOUR_NS, NOW_NS + 5 * HOUR_NS]
    payload, found = made(events(*[{"message": str(n)} for n in range(3)], times=times, is_source=True))
    assert [one["timestamp"] for one in found] == [time // 1_000_000 for time in (NOW_NS, times[1], NOW_NS)]
    assert [one.get("towline_time") for one in found] == ["too_old", None, "too_new"]
    assert (payload.oldest_unix_ns, payload.newest_unix_ns) == (times[1], NOW_NS)


def test_slices_that_nobody_looked_into_go_as_ever_beside_others():
    found = entries(piece([b"a"]), events({"message": "b"}), piece([b"c"]))
    assert [one["message"] for one in found] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("value", "arrives"),
    [(1 << 70, str(1 << 70)), (-(1 << 70), str(-(1 << 70))), ("\ud800", "?"), (1 << 64, str(1 << 64))],
)
def test_what_json_cannot_hold_is_sent_as_text(value, arrives):
    (entry,) = entries(events({"message": "a", "v": value, "n": 1.5}, texts=[b"x"]))
    assert (entry["v"], entry["n"]) == (arrives, 1.5)


def test_a_number_of_any_length_is_sent():
    (entry,) = entries(events({"message": "a", "v": 1 << 40_000}, texts=[b"x"]))
    assert int(entry["v"], 16) == 1 << 40_000


def test_what_is_nested_too_deeply_is_cut():
    deep = value = []
    for _ in range(500):
        value.append(inner := [])
        value = inner
    (entry,) = entries(events({"message": "a", "v": deep}, texts=[b"x"]))
    assert b"...TRUNCATED..." in orjson.dumps(entry["v"])


NAMES = st.sampled_from(
    ["message", "msg", "log", "hostname", "service", "status", "timestamp", "ddtags", "evt_id", "a", "é"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), 1 << 63) | st.text(max_size=8) | st.sampled_from(["msg", '"hostname"', "\x7f"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
FIELDS = st.dictionaries(NAMES, VALUES, max_size=4)


@given(st.lists(st.none() | FIELDS, min_size=1, max_size=6), st.booleans(), st.booleans())
def test_every_event_arrives_with_its_fields_and_what_we_say_stays_ours(several, is_source, event_ids):
    one = events(*several, is_source=is_source)
    payload, found = made(one, event_ids=event_ids)
    assert payload.lines == len(found) == len(several)
    for fields, entry in zip(several, found, strict=True):
        assert (entry["hostname"], entry["timestamp"]) == (POD.name, NOW_NS // 1_000_000)
        assert isinstance(entry["message"], str)
        assert entry["service"] == "storefront" or entry["service"] == fields["service"]
        for key in ("a", "é"):
            assert fields is None or entry.get(key) == fields.get(key)
    if event_ids:
        assert [entry["evt_id"] for entry in found] == one.event_ids()
