"""The Datadog counterpart's limits, each at the boundary and one above, before anything is judged by it."""

import gzip
import json
import zlib
from pathlib import Path

import pytest
from backports import zstd

from tests.fakes.datadog_intake import check_with_client_models
from tests.fakes.datadog_limits import check_logs, check_series
from tests.fakes.datadog_oracles import OpenApiOracle
from tests.fakes.strict import RefusedError, inflate, parse

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


def entries_of(raw: bytes | str):
    return check_logs(raw.encode() if isinstance(raw, str) else raw, NOW_MS)


def status_of(raw: bytes | str) -> int:
    with pytest.raises(RefusedError) as refused:
        entries_of(raw)
    return refused.value.status


def array_of(size_bytes: int, entries: int = 10) -> bytes:
    """A good array of exactly `size_bytes`."""
    shell = len(json.dumps([{"message": ""}] * entries))
    each, rest = divmod(size_bytes - shell, entries)
    body = json.dumps([{"message": "x" * (each + (rest if n == 0 else 0))} for n in range(entries)]).encode()
    assert len(body) == size_bytes
    return body


def test_five_megabytes_pass_and_one_byte_more_is_too_large():
    assert len(entries_of(array_of(5_000_000))) == 10
    assert status_of(array_of(5_000_001)) == 413


def test_a_thousand_entries_pass_and_one_more_is_too_large():
    assert len(entries_of(json.dumps([{"message": "x"}] * 1000))) == 1000
    assert status_of(json.dumps([{"message": "x"}] * 1001)) == 413


def test_no_entries_at_all_are_refused():
    assert status_of("[]") == 400


def test_an_entry_of_one_megabyte_stays_whole_and_one_byte_more_is_cut():
    whole = entries_of(array_of(1_000_002, entries=1))[0]
    cut = entries_of(array_of(1_000_003, entries=1))[0]
    assert (whole.flags, cut.flags) == ((), ("truncated",))
    assert (whole.size_bytes, cut.size_bytes) == (1_000_000, 1_000_001)
    assert len(json.dumps(cut.entry)) == 1_000_000


def test_a_cut_never_leaves_half_a_character():
    cut = entries_of(json.dumps([{"message": "é" * 500_000}], ensure_ascii=False))[0]
    assert set(cut.entry["message"]) == {"é"}


@pytest.mark.parametrize(
    ("offset_ms", "flags"),
    [
        (-18 * HOUR_MS, ()),
        (-18 * HOUR_MS - 1, ("too_old",)),
        (2 * HOUR_MS, ()),
        (2 * HOUR_MS + 1, ("too_new",)),
    ],
)
def test_what_datadog_would_drop_for_its_age_is_taken_and_flagged(offset_ms, flags):
    assert entries_of(json.dumps([{"message": "x", "timestamp": NOW_MS + offset_ms}]))[0].flags == flags


@pytest.mark.parametrize("timestamp", ["2023-11-14T22:13:20Z", "2023-11-14T22:13:20.123+00:00", "2023-11-14T22:13:20"])
def test_iso_8601_is_a_timestamp(timestamp):
    assert entries_of(json.dumps([{"message": "x", "timestamp": timestamp}]))[0].flags == ()


def test_epoch_seconds_are_taken_for_milliseconds_and_thus_far_too_old():
    assert entries_of(json.dumps([{"message": "x", "timestamp": NOW_MS // 1000}]))[0].flags == ("too_old",)


@pytest.mark.parametrize(
    "raw",
    [
        '{"message": "one object, no array"}',
        '["no object"]',
        "[{}]",
        '[{"message": 1}]',
        '[{"message": null}]',
        '[{"message": "x", "ddtags": ["a:b"]}]',
        '[{"message": "x", "service": 1}]',
        '[{"message": "x", "hostname": null}]',
        '[{"message": "x", "ddsource": {}}]',
        '[{"message": "x", "timestamp": 1.5}]',
        '[{"message": "x", "timestamp": true}]',
        '[{"message": "x", "timestamp": "yesterday"}]',
        '[{"message": "x", "timestamp": -1}]',
        '[{"message": "x", "timestamp": 9223372036854775808}]',
        '[{"message": "x", "n": NaN}]',
        '[{"message": "x", "n": -Infinity}]',
        '[{"message": "x", "n": 1e999}]',
        '[{"message": "x", "message": "y"}]',
        '[{"message": "x", "deep": {"k": 1, "k": 1}}]',
        '[{"message": "x\\ud800"}]',
        '[{"message": "x\\u0000\n"}]',
        b'[{"message": "\xff"}]',
        b'[{"message": "\xed\xa0\x80"}]',
        b'\xef\xbb\xbf[{"message": "x"}]',
        '[{"message": "x"},]',
        '[{"message": "x"} {"message": "y"}]',
        '[{"message": "x"}',
        '[{"message": "x"}] []',
        '[{"message": "x", "deep": ' + "[" * 100_000 + "]" * 100_000 + "}]",
        "",
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_a_bad_body_is_refused(raw):
    assert status_of(raw) == 400


def test_blanks_controls_in_escapes_and_pairs_of_surrogates_are_good_json():
    entry = entries_of('\n [ {"message": "\\ud83d\\ude00 \\u001b[0m \\u0000"} , {"message": ""} ] \n')[0].entry
    assert entry["message"] == "\U0001f600 \x1b[0m \x00"


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstd.compress),
        ("zstd1", zstd.compress),
    ],
)
def test_every_encoding_inflates_up_to_the_cap_and_not_a_byte_further(encoding, compress):
    assert inflate(compress(b"x" * 1000), encoding, 1000) == b"x" * 1000
    with pytest.raises(RefusedError, match="more than 1000 bytes") as refused:
        inflate(compress(b"x" * 1001), encoding, 1000)
    assert refused.value.status == 413


def test_several_members_are_one_body():
    assert inflate(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", 9) == b"ab"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_torn_or_foreign_compressed_body_is_refused(encoding):
    good = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}[encoding](b"x" * 500)
    for bad in (good[:-1], b"not compressed", good + b"tail"):
        with pytest.raises(RefusedError) as refused:
            inflate(bad, encoding, 1000)
        assert refused.value.status == 400


def test_an_unknown_encoding_is_refused_by_name():
    with pytest.raises(RefusedError, match="br is not taken") as refused:
        inflate(b"", "br", 10)
    assert refused.value.status == 415


def series_of(**changes) -> dict:
    good = {"metric": "app.hits", "type": 3, "points": [{"timestamp": NOW_MS // 1000, "value": 1.5}]}
    return {name: value for name, value in (good | changes).items() if value is not ...}


def check_one(series: dict, wire_bytes: int = 100):
    return check_series(json.dumps({"series": [series]}).encode(), wire_bytes, NOW_MS // 1000)


def test_a_good_series_passes_with_all_its_fields():
    full = series_of(type=1, interval=10, tags=["a:b"], resources=[{"type": "host", "name": "h"}], unit="byte")
    assert check_one(full)[0].entry == full


@pytest.mark.parametrize(
    "changes",
    [
        {"metric": ...},
        {"metric": ""},
        {"type": "gauge"},
        {"type": 4},
        {"type": True},
        {"type": 1},
        {"type": 2, "interval": 0},
        {"type": 1, "interval": 1.5},
        {"points": []},
        {"points": ...},
        {"points": [[NOW_MS // 1000, 1]]},
        {"points": [{"timestamp": 1.5, "value": 1}]},
        {"points": [{"timestamp": 1, "value": "1"}]},
        {"points": [{"timestamp": 1, "value": float("nan")}]},
        {"points": [{"timestamp": 1}]},
        {"tags": "a:b"},
        {"tags": [1]},
        {"resources": [{"type": "host"}]},
        {"unit": 1},
        {"host": "v1 had this"},
    ],
    ids=str,
)
def test_a_bad_series_is_refused(changes):
    with pytest.raises(RefusedError) as refused:
        check_one(series_of(**changes))
    assert refused.value.status == 400


@pytest.mark.parametrize("body", [[], {}, {"series": []}, {"series": {}}, {"series": [1]}, {"series": [], "more": 1}])
def test_a_bad_frame_around_series_is_refused(body):
    with pytest.raises(RefusedError) as refused:
        check_series(json.dumps(body).encode(), 10, 0)
    assert refused.value.status == 400


def test_series_may_be_512000_bytes_compressed_and_one_more_is_too_large():
    assert check_one(series_of(), wire_bytes=512_000)
    with pytest.raises(RefusedError) as refused:
        check_one(series_of(), wire_bytes=512_001)
    assert refused.value.status == 413


def test_series_may_be_5242880_bytes_raw_and_one_more_is_too_large():
    raw = json.dumps({"series": [series_of()]}).encode()
    assert check_series(raw + b" " * (5_242_880 - len(raw)), 10, NOW_MS // 1000)
    with pytest.raises(RefusedError) as refused:
        check_series(raw + b" " * (5_242_881 - len(raw)), 10, NOW_MS // 1000)
    assert refused.value.status == 413


def test_ten_thousand_points_pass_and_one_more_is_too_large():
    point = {"timestamp": NOW_MS // 1000, "value": 1}
    assert check_one(series_of(points=[point] * 10_000))
    with pytest.raises(RefusedError) as refused:
        check_one(series_of(points=[point] * 10_001))
    assert refused.value.status == 413


@pytest.mark.parametrize(("offset", "flags"), [(-3600, ()), (-3601, ("too_old",)), (600, ()), (601, ("too_new",))])
def test_points_out_of_time_are_taken_and_flagged(offset, flags):
    points = [{"timestamp": NOW_MS // 1000, "value": 1}, {"timestamp": NOW_MS // 1000 + offset, "value": 1}]
    assert check_one(series_of(points=points))[0].flags == flags


def test_the_clients_models_take_a_good_entry_and_refuse_what_the_intake_refuses():
    good = {"message": "x", "ddsource": "nginx", "timestamp": 1, "nested": {"a": [1, None]}, "status": "info"}
    check_with_client_models([good])
    for bad in ({"ddsource": "x"}, {"message": 1}, {"message": "x", "ddtags": ["a"]}):
        with pytest.raises((TypeError, ValueError)):
            check_with_client_models([good, bad])


@pytest.fixture
def openapi(tmp_path: Path) -> Path:
    """The form of Datadog's document, cut down to what the oracle must be able to follow: references and additional properties."""
    path = tmp_path / "openapi.yaml"
    path.write_text(
        """
openapi: 3.0.0
components:
  schemas:
    HTTPLog: {type: array, items: {$ref: '#/components/schemas/HTTPLogItem'}}
    HTTPLogItem:
      type: object
      additionalProperties: {description: anything}
      required: [message]
      properties: {message: {type: string}, ddtags: {type: string}}
"""
    )
    return path


def test_the_openapi_oracle_takes_a_good_body_and_names_what_is_bad(openapi):
    oracle = OpenApiOracle(openapi)
    oracle.check([{"message": "x", "attribute": 1}], "HTTPLog")
    for bad in ([{"ddtags": "x"}], [{"message": 1}], {"message": "x"}):
        with pytest.raises(RefusedError, match="openapi: HTTPLog"):
            oracle.check(bad, "HTTPLog")


def test_a_parsed_body_is_one_value_and_nothing_more():
    assert parse(b' {"a": [1, 2.5, null]} ') == {"a": [1, 2.5, None]}
    with pytest.raises(RefusedError, match="something follows"):
        parse(b"{} {}")
