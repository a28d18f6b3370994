from hypothesis import given
from hypothesis import strategies as st

from collector.core.gathered import MAX_CHARS, MAX_KEPT, NOTHING, Gathered, Merger
from towline.wire.snapshot import Distribution, Event, Family, Sample, Scrape, ServiceCheck, Stamped


def gauge(name, *values, kind="gauge", source="pod"):
    samples = tuple(Sample({"n": str(n)}, value) for n, value in enumerate(values))
    return Family(name=name, type=kind, help="h", source=source, samples=samples)


def scrape(instance, at):
    return Scrape(labels={"job": "web", "instance": instance}, scraped_unix_ns=at, duration_seconds=0.1)


def merged(*parts, max_series=9):
    merger, found = Merger(max_series), NOTHING
    for part in parts:
        found = merger.merge(found, part)
    return found, merger.dropped


def test_a_family_that_changed_its_type_is_only_what_it_is_now():
    now = gauge("a", 3, kind="counter")
    found, _ = merged(Gathered(families=(gauge("a", 1, 2),)), Gathered(families=(now,)))
    assert found.families == (now,)


def test_two_sources_may_use_one_name():
    pods, apps = gauge("a", 1), gauge("a", 2, source="dogstatsd")
    found, _ = merged(Gathered(families=(pods,)), Gathered(families=(apps,)))
    assert sorted(found.families, key=lambda it: it.source) == [apps, pods]


def test_of_two_distributions_of_one_series_the_later_says_everything():
    early, late = (Distribution({"n": "1"}, count, 3.0, 0.0, {4: count}) for count in (1.0, 2.0))
    parts = [
        Gathered(families=(Family(name="d", type="histogram", help="", distributions=(it,)),)) for it in (early, late)
    ]
    assert merged(*parts)[0].families[0].distributions == (late,)


def test_of_two_scrapes_of_one_endpoint_the_later_stays_and_other_endpoints_stay_too():
    found, _ = merged(Gathered(scrapes=(scrape("a", 1), scrape("b", 1))), Gathered(scrapes=(scrape("a", 2),)))
    assert {(it.labels["instance"], it.scraped_unix_ns) for it in found.scrapes} == {("a", 2), ("b", 1)}


def test_what_happened_is_kept_in_order_and_the_oldest_goes_where_there_is_no_room():
    events = [Event(title=str(n), text="", unix_seconds=n) for n in range(MAX_KEPT + 2)]
    checks = [ServiceCheck(name=str(n), status=0, unix_seconds=n) for n in range(2)]
    stamped = [Stamped("m", "gauge", {}, float(n), n) for n in range(2)]
    found, dropped = merged(
        Gathered(events=tuple(events[:-1]), checks=(checks[0],), stamped=(stamped[0],)),
        Gathered(events=(events[-1],), checks=(checks[1],), stamped=(stamped[1],)),
    )
    assert (found.events, found.checks, found.stamped) == (tuple(events[2:]), tuple(checks), tuple(stamped))
    assert dropped == {"events": 2}


def test_what_happened_is_bounded_by_its_length_too():
    long = [Event(title=str(n), text="x" * (MAX_CHARS // 3), unix_seconds=n) for n in range(4)]
    found, dropped = merged(Gathered(events=tuple(long)))
    assert (found.events, dropped) == (tuple(long[2:]), {"events": 2})


def test_series_beyond_the_limit_are_dropped_and_counted_the_newest_staying():
    found, dropped = merged(
        Gathered(families=(gauge("old", 1, 1),)), Gathered(families=(gauge("new", 2),)), max_series=2
    )
    assert [(family.name, len(family.samples)) for family in found.families] == [("new", 1), ("old", 1)]
    assert dropped == {"series": 1}


@given(st.lists(st.lists(st.integers(0, 9), max_size=3), max_size=5))
def test_merging_one_by_one_leaves_the_last_value_of_each_series(moments):
    found, _ = merged(*(Gathered(families=(gauge("a", *values),)) for values in moments))
    expected = {}
    for values in moments:
        expected.update(enumerate(values))
    assert {int(s.labels["n"]): s.value for f in found.families for s in f.samples} == expected
    assert found.is_empty == (not expected)
