import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.buckets import BOUNDS
from aggregator.core.opening import Opener, OpenLimits
from tests.aggregator.exposing import (
    APP,
    CART,
    bare,
    both,
    distribution,
    family,
    opened,
    opened_text,
    page,
    push,
    rows_of,
    scrape,
    sketch,
    snapshot,
)
from towline.wire.snapshot import SKETCH_GAMMA, Distribution, Event, Family, Sample, ServiceCheck, Stamped


def of_dogstatsd(name, *samples, kind="counter"):
    return family(name, *samples, kind=kind, help_text="", source="dogstatsd", from_zero=True)


def index_of(value):
    return math.ceil(math.log(value) / math.log(SKETCH_GAMMA))


def test_what_the_pod_measured_keeps_its_names_and_says_whence_it_is():
    (one,) = (
        one for one in opened(family("a_bytes", ({"x": "1"}, 2.5), unit="bytes")).families if one.name == "a_bytes"
    )
    assert (one.kind, one.help, one.unit, one.said, one.source, one.from_zero) == (
        "gauge",
        "Some help.",
        "bytes",
        "a_bytes",
        "pod",
        False,
    )
    assert [tuple(row) for row in one.rows] == [("a_bytes", 'x="1"', "2.5", "")]


@pytest.mark.parametrize(
    ("said", "kind", "shown"),
    [
        ("page.views", "counter", "page_views_total"),
        ("views_total", "counter", "views_total"),
        ("queue-length", "gauge", "queue_length"),
        ("9lives", "gauge", "_9lives"),
    ],
)
def test_a_dogstatsd_name_becomes_one_that_the_format_allows_and_the_said_one_is_kept(said, kind, shown):
    (one,) = opened(of_dogstatsd(said, ({}, 1), kind=kind)).families
    assert (one.name, one.said, one.source, one.from_zero) == (shown, said, "dogstatsd", True)


def test_tags_become_labels_and_one_without_a_value_is_true():
    (one,) = opened(of_dogstatsd("a", ({"env": "prod", "canary": "", "kube.ns": "x", "pod": "evil"}, 1))).families
    assert one.rows[0].labels == 'canary="true",env="prod",kube_ns="x"'


def test_a_distribution_is_a_classic_histogram_and_its_sketch_is_kept():
    values = [0.004, 0.2, 3.0, 100.0, 100.0, 20_000.0]
    positive = {}
    for value in values:
        positive[index_of(value)] = positive.get(index_of(value), 0) + 1.0
    said = sketch({"way": "x"}, count=8.0, sum=sum(values), zeros=1.0, negative={}, positive=positive)
    (one,) = opened(distribution("took.ms", said, flavour="timing")).families
    assert (one.name, one.kind, one.flavour, one.spreads) == ("took_ms", "histogram", "timing", (('way="x"', said),))
    buckets = {row.labels.split('"')[1]: int(row.value) for row in one.rows if row.name == "took_ms_bucket"}
    assert len(buckets) == len(BOUNDS) + 1
    assert [buckets[bound] for bound in ("0.005", "0.25", "2.5", "5", "50", "100", "10000", "+Inf")] == [
        2,
        3,
        3,
        4,
        4,
        6,
        6,
        7,
    ]
    assert {(row.name, row.labels, row.value) for row in one.rows[-2:]} == {
        ("took_ms_sum", 'way="x"', f"{sum(values)!r}"),
        ("took_ms_count", 'way="x"', "7"),
    }


@pytest.mark.parametrize("bound", BOUNDS)
def test_a_value_that_is_a_bound_counts_as_at_or_below_it(bound):
    (one,) = opened(distribution("d", sketch(count=1.0, sum=bound, positive={index_of(bound): 1.0}))).families
    first = next(row for row in one.rows if row.value == "1")
    assert float(first.labels.split('"')[1]) == bound


def test_counts_in_parts_are_rounded_and_never_shrink():
    shares = dict.fromkeys(range(-50, 400, 7), 1 / 3)
    (one,) = opened(distribution("d", sketch(count=1.0, sum=1.0, positive=shares))).families
    counts = [int(row.value) for row in one.rows if row.name == "d_bucket"]
    assert counts == sorted(counts)


def test_a_distribution_of_negative_values_has_its_buckets_and_no_sum():
    (one,) = opened(distribution("d", sketch(count=2.0, sum=-5.0, negative={10: 2.0}))).families
    assert {(row.name, row.value) for row in one.rows} == {("d_bucket", "2")}


@pytest.mark.parametrize(
    "bad", [{"positive": {1: -1.0}}, {"positive": {1: math.nan}}, {"zeros": math.inf}, {"sum": math.nan, "zeros": 1.0}]
)
def test_a_distribution_that_cannot_be_is_refused(bad):
    told = opened(distribution("d", sketch(**bad), sketch({"x": "1"}, zeros=1.0)))
    assert (len(told.families[0].spreads), told.refused) == (1, {"value": 1})


def test_a_tag_called_le_does_not_spoil_the_buckets():
    told = opened(distribution("d", sketch({"le": "evil", "a": "1", "z": "2"}, zeros=1.0)))
    assert told.families[0].rows[0].labels == 'a="1",le="0.005",z="2"'
    assert told.families[0].spreads[0].labels == 'a="1",z="2"'


def test_the_pods_own_measurements_have_the_first_right_to_the_room():
    told = opened(
        of_dogstatsd("flood", *(({"id": str(number)}, 1) for number in range(100_000))),
        family("memory_bytes", ({}, 1)),
        scrapes=(scrape("a 1\nb 2\n"),),
        limits=OpenLimits(max_series=10),
    )
    assert [len(rows_of(told, name)) for name in ("memory_bytes", "up", "a", "b", "flood_total")] == [1, 1, 1, 1, 4]
    assert told.refused == {"series_cap": 100_000 - 4}


def test_a_text_cannot_take_the_name_of_what_the_pod_measures_under_another_type():
    told = opened(family("a", ({}, 1)), scrapes=(scrape("# TYPE a counter\na 5\n# TYPE up counter\nup 7\n"),))
    assert rows_of(told, "a") == {("a", ""): "1"}
    assert told.refused == {"type_differs": 2}


def test_two_endpoints_share_a_family():
    other = {**APP, "instance": "127.0.0.1:9001"}
    told = opened(scrapes=(scrape("# TYPE a gauge\na 1\n"), scrape("# TYPE a gauge\na 2\n", labels=other)))
    assert sorted(rows_of(told, "a").values()) == ["1", "2"]
    assert len(told.families) == 4


def test_the_same_series_of_two_sources_is_shown_once():
    text = '# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n# TYPE a gauge\na 1\n'
    told = opened(scrapes=(scrape(text), scrape(text)))
    assert len(rows_of(told)) == 4
    assert told.refused == {"duplicate": 3 + 3 + 1}


def up_of(told):
    return list(rows_of(told, "up").values())


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"up": False, "error": "refused"}, {}),
        ({"body": b"not zstd"}, {"body": 1}),
        ({"length": 3}, {"body": 1}),
        ({"length": -1}, {"body": 1}),
        ({"length": 1 << 40}, {"body": 1}),
        ({"codec": "none"}, {"body": 1}),
    ],
)
def test_a_scrape_without_a_whole_answer_is_not_up_and_its_neighbour_is(changes, reason):
    told = opened(scrapes=(scrape("a 1\n", **changes), scrape("b 1\n", labels={"job": "other"})))
    assert (up_of(told), told.refused, len(rows_of(told))) == (["0", "1"], reason, 1)


def test_what_is_not_text_is_not_up():
    told = opened_text(bytes(range(256)) * 20)
    assert (up_of(told), set(told.refused)) == (["0"], {"malformed"})


def test_all_texts_of_a_snapshot_share_the_bytes_that_may_be_unpacked():
    bomb = scrape("#" + " " * 999)
    told = opened(scrapes=(bomb,) * 5, limits=OpenLimits(max_text_bytes=2500))
    assert told.refused["body"] == 3


def test_how_a_scrape_went_is_told_under_its_own_labels():
    told = opened_text("a 1\nb 2\ngarbage\n")
    said = [
        (name, labels, value)
        for name in ("up", "scrape_duration_seconds", "scrape_samples_scraped")
        for (_, labels), value in rows_of(told, name).items()
    ]
    assert [value for _, _, value in said] == ["1", "0.25", "3"]
    assert {labels for _, labels, _ in said} == {'instance="127.0.0.1:9000",job="app"'}


def test_what_is_no_series_is_passed_on_as_it_is():
    stamped = (Stamped("a", "gauge", {}, 1.0, 5),)
    events, checks = (Event(title="t", text="x", unix_seconds=1),), (ServiceCheck(name="c", status=0, unix_seconds=1),)
    told = opened(stamped=stamped, events=events, checks=checks, goodbye=True)
    assert (told.stamped, told.events, told.checks, told.goodbye) == (stamped, events, checks, True)


def test_an_opener_that_has_seen_much_opens_as_a_new_one_does():
    opener = Opener(OpenLimits())
    for number in range(30):
        text = "".join(f'a{{id="{number}-{one}",pad="{"x" * 3000}"}} 1\n' for one in range(200))
        said = snapshot(family("b", ({"n": str(number)}, 1)), scrapes=(scrape(text, labels={"job": str(number)}),))
        assert opener.open(CART, said) == Opener(OpenLimits()).open(CART, said)


wild_labels = st.dictionaries(
    st.sampled_from(["a", "a b", "le", "pod", "job", "__name__", ""]), st.text(max_size=4), max_size=3
)
floats = st.floats(allow_nan=True, allow_infinity=True)
wild_families = st.builds(
    Family,
    name=st.sampled_from(["a", "a.b", "up", "h", "h_count", "", "a_total", "\n"]),
    type=st.sampled_from(["gauge", "counter", "histogram"]),
    help=st.text(max_size=4),
    unit=st.sampled_from(["", "b", "seconds\n"]),
    source=st.sampled_from(["pod", "dogstatsd"]),
    samples=st.lists(st.builds(Sample, wild_labels, floats), max_size=2).map(tuple),
    distributions=st.lists(
        st.builds(
            Distribution,
            wild_labels,
            floats,
            floats,
            floats,
            st.dictionaries(st.integers(-(2**70), 2**70), floats, max_size=2),
            st.dictionaries(st.integers(-500, 500), st.floats(0, 1e6), max_size=3),
        ),
        max_size=2,
    ).map(tuple),
)


@given(st.lists(wild_families, max_size=5), st.integers(1, 60))
def test_whatever_a_pod_sends_the_page_is_one_that_both_parsers_read_alike(families, max_series):
    shown = page(max_series=max_series + 5)
    text = '# TYPE h histogram\nh_bucket{le="+Inf"} 1\nh_sum 1\nh_count 1\n'
    push(shown, CART, *families, scrapes=(scrape(text),), limits=OpenLimits(max_series=max_series))
    lax, strict = both(shown)
    assert bare(lax) == bare(strict)
    assert len(lax) <= max_series


def test_a_snapshot_is_opened_without_being_changed():
    said = snapshot(family("a", ({"pod": "x"}, 1)), scrapes=(scrape("a 1\n"),))
    before = msgspec.msgpack.encode(said)
    Opener(OpenLimits()).open(CART, said)
    assert msgspec.msgpack.encode(said) == before
