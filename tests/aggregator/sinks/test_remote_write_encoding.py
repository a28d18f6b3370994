"""Series as bytes: what the official protobuf library would have written, whatever the labels are."""

import math
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.exposition_lines import LabelWriter, number
from aggregator.sinks.remote_write import encoding
from aggregator.sinks.remote_write.encoding import (
    STALE,
    SampleTime,
    SeriesWriter,
    Shapes,
    encode_value,
    metadata,
    varint,
)
from tests.fakes import prompb

CONSTANTS = {"instance": "web-0", "job": "towline", "namespace": "shop", "pod": "web-0", "Zone": "a", "zz": "b"}
names = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,6}", fullmatch=True).filter(lambda name: not name.startswith("__"))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
label_sets = st.dictionaries(names | st.sampled_from(["job", "instance", "Zone", "le", "code"]), texts, max_size=6)
values = st.floats(allow_nan=False)


def encoded(shapes, labels_text, value, unix_ms, name="m"):
    time = SampleTime(unix_ms)
    labels = SeriesWriter(shapes, CONSTANTS).labels(name, labels_text)
    return time.before(labels) + value + time.after


def by_the_library(labels, value, unix_ms, name="m"):
    every = {**CONSTANTS, **labels, "namespace": "shop", "pod": "web-0", "__name__": name}
    pairs = [prompb.Label(name=key, value=every[key]) for key in sorted(every) if every[key]]
    one = prompb.TimeSeries(labels=pairs, samples=[prompb.Sample(value=value, timestamp=unix_ms)])
    return prompb.WriteRequest(timeseries=[one]).SerializeToString()


@given(st.lists(st.tuples(label_sets, values, st.integers(1, 2**53)), max_size=5))
def test_the_bytes_are_those_of_the_official_library_for_all_labels_values_and_times(series):
    shapes = Shapes(CONSTANTS)
    for labels, value, unix_ms in series:
        own = {name: text for name, text in labels.items() if text and name not in {"namespace", "pod"}}
        wanted = by_the_library(own, value, unix_ms) if value else None  # the library leaves a zero out, we write it
        got = encoded(shapes, LabelWriter().write(own), encode_value(float(number(value))), unix_ms)
        assert wanted is None or got == wanted
        [one] = prompb.WriteRequest.FromString(got).timeseries
        assert (one.samples[0].value, one.samples[0].timestamp) == (value, unix_ms)


@given(st.lists(label_sets, max_size=4), st.randoms())
def test_labels_in_any_order_are_sent_sorted(sets, choice):
    shapes = Shapes(CONSTANTS)
    for labels in sets:
        own = [(name, text) for name, text in labels.items() if text and name not in {"namespace", "pod"}]
        choice.shuffle(own)
        shuffled = ",".join(LabelWriter().write({name: text}) for name, text in own)
        assert encoded(shapes, shuffled, encode_value(1.0), 7) == by_the_library(dict(own), 1.0, 7)


def test_what_an_endpoint_exposed_is_sent_with_the_labels_it_is_shown_with():
    text = 'code="200",instance="127.0.0.1:9090",job="app",path="a\\\\b\\"\\n"'
    [one] = prompb.WriteRequest.FromString(encoded(Shapes(CONSTANTS), text, encode_value(1.0), 7)).timeseries
    said = {label.name: label.value for label in one.labels}
    assert said == {
        **CONSTANTS,
        "__name__": "m",
        "job": "app",
        "instance": "127.0.0.1:9090",
        "code": "200",
        "path": 'a\\b"\n',
    }


def test_labels_that_never_come_again_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(encoding, "MAX_LEARNED_BYTES", 50_000)
    shapes = Shapes(CONSTANTS)
    tracemalloc.start()
    try:
        for number in range(3_000):
            text = f'a{number}="x{number}",b="{"y" * (number % 100)}{number}"'
            labels = {f"a{number}": f"x{number}", "b": f"{'y' * (number % 100)}{number}"}
            assert encoded(shapes, text, encode_value(1.0), 7, f"m{number}") == by_the_library(
                labels, 1.0, 7, f"m{number}"
            )
        assert tracemalloc.get_traced_memory()[0] < 300_000
    finally:
        tracemalloc.stop()


def test_nothing_that_a_series_says_changes_whose_it_is():
    got = encoded(Shapes(CONSTANTS), 'namespace="other",pod="other"', encode_value(1.0), 7)
    assert got == by_the_library({}, 1.0, 7)


def test_an_empty_label_is_none():
    assert encoded(Shapes(CONSTANTS), 'a="",b="1"', encode_value(1.0), 7) == by_the_library({"b": "1"}, 1.0, 7)


def test_a_stale_marker_is_the_nan_of_the_specification():
    assert struct.unpack("<Q", STALE)[0] == 0x7FF0000000000002
    assert math.isnan(struct.unpack("<d", STALE)[0])
    assert encode_value(math.nan) != STALE


@given(st.integers(0, 2**64 - 1))
def test_varints_are_seven_bits_at_a_time(value):
    encoded = varint(value)
    assert sum((byte & 0x7F) << 7 * place for place, byte in enumerate(encoded)) == value
    assert [byte >> 7 for byte in encoded] == [1] * (len(encoded) - 1) + [0]


@pytest.mark.parametrize(("kind", "type_number"), [("counter", 1), ("gauge", 2), ("histogram", 3), ("unknown", 0)])
def test_metadata_are_the_bytes_of_the_official_library(kind, type_number):
    one = prompb.MetricMetadata(type=type_number, metric_family_name="x_total", help="What é is.", unit="seconds")
    wanted = prompb.WriteRequest(metadata=[one]).SerializeToString()
    assert metadata("x_total", kind, "What é is.", "seconds") == wanted
    assert (
        metadata("x", "unknown", "", "")
        == prompb.WriteRequest(metadata=[prompb.MetricMetadata(metric_family_name="x")]).SerializeToString()
    )
