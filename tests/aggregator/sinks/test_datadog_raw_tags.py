"""DogStatsD tags reach Datadog as the app sent them, also where the page can show only one of two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.opening import OpenLimits, open_snapshot
from aggregator.sinks.datadog.raw_tags import as_said
from tests.aggregator.sinks.batches import POD
from tests.aggregator.sinks.datadog_points import SECOND, Telling, request, said
from tests.fakes.datadog_points import COUNT
from towline.wire.snapshot import Distribution, Family, Sample, Stamped

DASH, SCORE = {"my-tag": "a"}, {"my_tag": "a"}


def spread(name, flavour, *sketches):
    return said(name, "histogram", flavour=flavour, distributions=sketches)


def sketch(labels, count):
    return Distribution(labels, count, 2.0 * count, 0.0, {35: count})


def test_names_without_values_with_dashes_or_of_the_pods_own_labels_go_as_they_are():
    telling = Telling()
    tags = {"my-tag": "x.y", "flag": "", "namespace": "theirs", "pod": "p", "Ünï": "1", "kube_namespace": "lie"}
    telling.tell(request(families=(said("hits", "counter", (tags, 2)),)))
    assert telling.series("hits") == [(COUNT, 2, ["flag", "my-tag:x.y", "namespace:theirs", "pod:p", "Ünï:1"])]


def test_two_tags_that_are_one_label_are_two_series_each_exact():
    telling = Telling()
    for number, (one, other) in enumerate([(1, 10), (3, 15), (3, 40)]):
        families = (
            said("hits", "counter", (DASH, one), (SCORE, other)),
            said("depth", "gauge", (DASH, one), (SCORE, other)),
            spread("took", "histogram", sketch(DASH, one), sketch(SCORE, other)),
            spread("size", "distribution", sketch(DASH, one), sketch(SCORE, other)),
        )
        telling.tell(request(second=SECOND + 15 * number, sequence=number + 1, families=families))
    points = telling.points
    for tag, total in (("my-tag:a", 3), ("my_tag:a", 40)):
        assert points.count("hits", tag) == points.count("took.count", tag) == total
        assert points.last("depth", tag) == total
        assert len(points.of_distribution("size", tag)) == total


def test_two_names_that_are_shown_as_one_are_two_metrics_each_exact():
    telling = Telling()
    for number, (one, other) in enumerate([(5, 1), (7, 100)]):
        families = (said("page.views", "counter", (DASH, one)), said("page-views", "counter", (DASH, other)))
        telling.tell(request(second=SECOND + 15 * number, sequence=number + 1, families=families))
    assert (telling.points.count("page.views"), telling.points.count("page_views")) == (7, 100)


def test_what_is_taken_back_is_the_same_series():
    telling = Telling()
    counted = said("stock", "counter", ({"b-c": "2", "a": "", "d": "1,2"}, 10))
    taken = Stamped("stock", "counter", {"d": "1,2", "a": "", "b-c": "2"}, -4, SECOND)
    telling.tell(request(families=(counted,), stamped=(taken,)))
    assert telling.series("stock") == [(COUNT, 6, ["a", "b-c:2", "d:1", "d:2"])]


@pytest.mark.parametrize("labels", [{"t" * 9000: "x"}, {"t": "x" * 9000}])
def test_tags_that_are_too_long_are_refused_alone(labels):
    telling = Telling()
    telling.tell(request(families=(said("hits", "counter", (labels, 1), (DASH, 2)),)))
    assert telling.series("hits") == [(COUNT, 2, ["my-tag:a"])]


def test_no_more_series_go_than_the_page_shows():
    samples = [({"n-n": str(number)}, 1.0) for number in range(100)]
    sketches = [sketch({"n-n": str(number)}, 1.0) for number in range(100)]
    families = (said("hits", "counter", *samples), spread("size", "distribution", *sketches))
    snapshot = request(families=families)
    opened = as_said(open_snapshot(POD, snapshot, OpenLimits(max_series=146)))
    assert [len(family.rows) + len(family.spreads) for family in opened.families] == [100, 2]


def test_what_cannot_be_a_distribution_is_not_sent_though_the_page_refused_it_before():
    telling = Telling()
    telling.tell(request(families=(spread("size", "distribution", sketch(DASH, -1.0), sketch(SCORE, 2.0)),)))
    assert len(telling.points.of_distribution("size", "my_tag:a")) == 2
    assert telling.points.of_distribution("size", "my-tag:a") == []


TAGS = st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=3)


@given(st.lists(st.tuples(TAGS, st.integers(1, 9)), max_size=6, unique_by=lambda one: str(sorted(one[0].items()))))
def test_whatever_the_tags_are_every_count_arrives_once(samples):
    telling = Telling(judged=False)
    for number in (1, 2):
        families = (said("hits", "counter", *((tags, number * value) for tags, value in samples)),)
        telling.tell(request(second=SECOND + 15 * number, sequence=number, families=families))
    assert telling.points.count("hits") == 2 * sum(value for _, value in samples)


def test_the_page_and_what_pods_measure_are_as_they_were():
    families = (
        said("hits", "counter", (DASH, 1), (SCORE, 2)),
        Family(name="load", type="gauge", help="", samples=(Sample({"a": "b"}, 1.0),)),
    )
    opened = open_snapshot(POD, request(families=families), OpenLimits())
    rows = {family.name: [row.labels for row in family.rows] for family in opened.families}
    assert rows == {"hits_total": ['my_tag="a"'], "load": ['a="b"']}
    assert opened.refused == {"duplicate": 1}
    assert [bool(family.raw) for family in opened.families] == [False, True]
