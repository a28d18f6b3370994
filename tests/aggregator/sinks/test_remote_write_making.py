"""A pod's snapshots as series: order kept, ends marked, and after a crash the same bytes again."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.series import Row
from aggregator.sinks.remote_write import making as module
from aggregator.sinks.remote_write.encoding import STALE
from aggregator.sinks.remote_write.state import state_of
from tests.aggregator.sinks.to_remote_write import NOW, START_MS, family, gauges, making, read, snapshot
from towline.wire.identity import Pod
from towline.wire.snapshot import Stamped

END_NS = (START_MS + 60_000) * 1_000_000


def ended(made):
    return sorted(labels["__name__"] for labels, _, value in read(made) if struct.pack("<d", value) == STALE)


def alive(made):
    return {labels["__name__"]: value for labels, _, value in read(made) if struct.pack("<d", value) != STALE}


def test_a_snapshot_becomes_a_sample_of_its_time_for_each_row():
    rows = [
        Row("lat_bucket", 'le="0.1"', "3"),
        Row("lat_bucket", 'le="+Inf"', "4"),
        Row("lat_sum", "", "0.5"),
        Row("lat_count", "", "4"),
    ]
    said = snapshot(15, family("lat", *rows, kind="histogram"), family("up", ('instance="i:1",job="app"', "1")))
    mine = {"namespace": "shop", "pod": "web-0", "instance": "web-0", "job": "towline"}
    time = START_MS + 15_000
    assert read(making().make(said, None, NOW)) == [
        ({**mine, "__name__": "lat_bucket", "le": "0.1"}, time, 3.0),
        ({**mine, "__name__": "lat_bucket", "le": "+Inf"}, time, 4.0),
        ({**mine, "__name__": "lat_sum"}, time, 0.5),
        ({**mine, "__name__": "lat_count"}, time, 4.0),
        ({**mine, "__name__": "up", "instance": "i:1", "job": "app"}, time, 1.0),
    ]


def test_external_labels_are_on_each_series_that_has_none_of_its_own():
    said = snapshot(0, family("a", ('cluster="own"', "1")), family("b", ("", "2")))
    clusters = [labels["cluster"] for labels, _, _ in read(making(cluster="main").make(said, None, NOW))]
    assert clusters == ["own", "main"]


def test_a_series_that_is_not_in_the_next_snapshot_ends_there():
    sink = making()
    first = sink.make(gauges(0, a=1, b=2), None, NOW)
    second = sink.make(gauges(15, b=2), first.state, NOW)
    assert (alive(second), ended(second)) == ({"b": 2.0}, ["a"])
    assert {time for _, time, _ in read(second)} == {START_MS + 15_000}
    third = sink.make(gauges(30, b=2), second.state, NOW)
    assert (alive(third), ended(third)) == ({"b": 2.0}, [])


def test_all_series_end_a_millisecond_after_their_last_sample_and_only_once():
    sink = making()
    made = sink.make(gauges(0, a=1, b=2), None, NOW)
    over = sink.end("u0", made.state, END_NS)
    assert ended(over) == ["a", "b"]
    assert sink.end("u0", made.state, END_NS) == over == making().end("u0", made.state, END_NS)
    assert {time for _, time, _ in read(over)} == {START_MS + 1}
    assert sink.end("u0", over.state, END_NS).fragments == ()


def test_a_goodbye_comes_after_the_last_samples_by_the_same_way():
    sink = making()
    last = sink.make(gauges(0, a=1, b=2), None, NOW)
    over = sink.end("u0", last.state, (START_MS + 1) * 1_000_000)
    assert ended(over) == ["a", "b"]
    assert {fragment.route for fragment in over.fragments} == {fragment.route for fragment in last.fragments}


def test_a_silent_pod_of_many_series_ends_in_a_few_parts():
    values = {f"g{number}": 1 for number in range(1200)}
    sink = making()
    over = sink.end("u0", sink.make(gauges(0, **values), None, NOW).state, END_NS)
    assert [fragment.points for fragment in over.fragments] == [500, 500, 200]
    assert set(ended(over)) == set(values)


def test_a_pod_that_comes_back_after_its_silence_goes_on_with_what_it_took_meanwhile():
    sink = making()
    over = sink.end("u0", sink.make(gauges(0, a=1), None, NOW).state, END_NS)
    back = sink.make(gauges(15, a=2), over.state, NOW)  # taken before it was ended, delivered after
    assert (alive(back), ended(back)) == ({"a": 2.0}, [])


def test_ends_that_no_receiver_would_take_any_more_are_not_sent():
    sink = making()
    state = sink.make(gauges(0, a=1), None, NOW).state
    assert sink.end("u0", state, END_NS + 3600 * 10**9).fragments == ()


@pytest.mark.parametrize("at_seconds", [0, -1, 14.9])
def test_a_snapshot_that_is_not_newer_is_counted_and_changes_nothing(at_seconds):
    sink = making()
    first = sink.make(gauges(15, a=1), None, NOW)
    made = sink.make(gauges(at_seconds, a=1, b=2), first.state, NOW)
    assert (made.fragments, made.state, made.dropped) == ((), first.state, {"out_of_order": 2})


def test_a_snapshot_that_is_too_old_is_counted_and_what_vanished_with_it_ends_later():
    sink = making()
    first = sink.make(gauges(0, a=1, b=2), None, NOW)
    late = sink.make(gauges(15, b=2), first.state, NOW._replace(too_old=True))
    assert (late.fragments, late.dropped) == ((), {"too_old": 1})
    assert ended(sink.make(gauges(30, b=2), late.state, NOW)) == ["a"]
    over = sink.end("u0", late.state, END_NS)
    assert {(labels["__name__"], time) for labels, time, _ in read(over)} == {
        ("a", START_MS + 15_001),
        ("b", START_MS + 15_001),
    }


def test_a_pod_of_which_nothing_could_be_sent_has_no_state():
    made = making().make(gauges(0, a=1), None, NOW._replace(too_old=True))
    assert (made.state, making().end("u0", made.state, END_NS).fragments) == ("", ())


def test_values_with_a_time_of_their_own_are_counted():
    stamped = (Stamped("s", "gauge", {}, 1.0, 1_790_000_000),) * 3
    assert making().make(snapshot(0, stamped=stamped), None, NOW).dropped == {"stamped": 3}


def test_nan_and_infinity_are_values_and_no_ends():
    made = making().make(gauges(0, a="NaN", b="+Inf", c="-Inf"), None, NOW)
    values = alive(made)
    assert (str(values["a"]), values["b"], values["c"]) == ("nan", float("inf"), float("-inf"))
    assert ended(made) == []


def test_a_state_that_cannot_be_read_is_none():
    for text in ("", "x", "12:", "12:!!", "12:aGVsbG8=", ":", "-1:x"):
        assert state_of(text).last_unix_ms == 0
        assert alive(making().make(gauges(0, a=1), text, NOW)) == {"a": 1.0}


def test_a_thousand_series_take_few_bytes_in_the_journal():
    rows = [(f'code="{n % 7}",path="/api/{n}"', str(n)) for n in range(1000)]
    state = making().make(snapshot(0, family("http_requests_total", *rows, kind="counter")), None, NOW).state
    assert len(state) < 8_000


snapshots = st.lists(
    st.dictionaries(st.sampled_from("abcdefg"), st.sampled_from([0, 1, 2.5]), max_size=7), min_size=1, max_size=8
)


@given(snapshots, st.data())
def test_after_any_crash_the_same_snapshot_gives_the_same_bytes_and_the_ends_match_what_was_alive(told, data):
    sink, state, living = making(), None, set()
    for number, values in enumerate(told):
        said = gauges(15 * number, **values)
        made = sink.make(said, state, NOW)
        if data.draw(st.booleans()):
            sink = making()  # another process
        again = sink.make(said, state, NOW)
        assert (again.fragments, again.state) == (made.fragments, made.state)
        assert alive(made) == values
        assert set(ended(made)) == living - values.keys()
        state, living = made.state, set(values)
    assert set(ended(sink.end("u0", state, END_NS))) == living


def test_more_series_than_are_kept_prepared_are_made_all_the_same(monkeypatch):
    monkeypatch.setattr(module, "MAX_PREPARED_BYTES", 1500)
    sink, fresh = making(), making()
    pods = [Pod(namespace="shop", name=f"web-{n}", uid=f"u{n}") for n in range(4)]
    for at_seconds in (0, 15, 30):
        for pod in pods:
            said = gauges(at_seconds, pod=pod, a=1, b=2)
            assert sink.make(said, None, NOW).fragments == fresh.make(said, None, NOW).fragments
        fresh = making()


def test_the_silence_of_a_pod_does_not_end_the_series_of_its_successor():
    sink = making()
    old, new = (Pod(namespace="shop", name="web-0", uid=uid) for uid in ("u1", "u2"))
    before = sink.make(gauges(0, pod=old, a=1), None, NOW)
    after = sink.make(gauges(15, pod=new, a=5), None, NOW)
    assert sink.end("u1", before.state, END_NS).fragments == ()
    assert ended(sink.end("u2", after.state, END_NS)) == ["a"]


def test_a_late_goodbye_does_not_end_the_series_of_a_successor():
    sink = making()
    old, new = (Pod(namespace="shop", name="web-0", uid=uid) for uid in ("u1", "u2"))
    sink.make(gauges(15, pod=new, a=5), None, NOW)
    late = sink.make(gauges(0, pod=old, a=1), None, NOW)
    assert sink.end("u1", late.state, END_NS).fragments == ()
