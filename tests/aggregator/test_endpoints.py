"""What of a pod's endpoints a snapshot shows, and what that means for a series that is seen for the first time."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.book import book_of, text_of
from aggregator.core.deltas import advance
from aggregator.core.endpoints import ANY_FAMILY, NOT_SCRAPED, endpoint_of
from aggregator.core.joining import Join
from aggregator.core.opening import OpenLimits, open_snapshot
from aggregator.core.relabel import LabelTexts
from towline.wire.identity import Pod
from towline.wire.snapshot import Family, Sample, Scrape, SnapshotRequest

POD = Pod(namespace="shop", name="web-1", uid="u")
WEB, OTHER = {"job": "web", "instance": "10.0.0.1:8080"}, {"job": "web", "instance": "10.0.0.1:9090"}
NAME = 'instance="10.0.0.1:8080",job="web"'
HITS = "# TYPE hits_total counter\nhits_total 500\n"
WHOLE = '# TYPE took histogram\ntook_bucket{le="+Inf"} 7\ntook_sum 9\ntook_count 7\n'
BROKEN = "# TYPE took histogram\ntook_sum 9\n"


def up(text, labels=WEB):
    body = text.encode()
    return Scrape(
        labels=labels, scraped_unix_ns=0, duration_seconds=0.1, up=True, codec="none", length=len(body), body=body
    )


def down(error, labels=WEB):
    return Scrape(labels=labels, scraped_unix_ns=0, duration_seconds=0.1, error=error)


def statsd(**values):
    return [counter_of("dogstatsd", name, value, from_zero=True) for name, value in values.items()]


def counter_of(source, name, value, **more):
    return Family(name=name, type="counter", help="", source=source, samples=(Sample({}, value),), **more)


def opened(*scrapes, families=(), max_series=1000):
    request = SnapshotRequest(
        journal="j",
        pod=msgspec.Raw(b""),
        run="r",
        sequence=1,
        taken_unix_ns=0,
        interval_seconds=15.0,
        families=tuple(families),
        scrapes=scrapes,
    )
    return open_snapshot(POD, request, OpenLimits(max_series=max_series))


def counted(*snapshots, first=Join.UNKNOWN, last=Join.SAME_RUN):
    """What the last of these snapshots counted, by row name; None where that is not known."""
    state, joins = None, [first, *[Join.SAME_RUN] * (len(snapshots) - 2), last]
    for snapshot, join in zip(snapshots, joins, strict=True):
        deltas, book = advance(book_of(state), snapshot, join)
        state = text_of(book)
    return {
        row.name: delta
        for family, counts in zip(snapshots[-1].families, deltas.rows, strict=True)
        for row, delta in zip(family.rows, counts, strict=False)
    }


@pytest.mark.parametrize("error", ["timed_out", "status_500", "too_large", "too_many_series", "no_answer", "not_text"])
def test_an_app_whose_first_scrape_failed_counts_from_where_it_is_first_seen(error):
    assert counted(opened(down(error)), opened(up(HITS))) == {"hits_total": None}
    assert counted(opened(down(error)), opened(up(HITS)), opened(up(HITS.replace("500", "503")))) == {"hits_total": 3}


def test_an_app_that_was_not_there_yet_counts_from_zero():
    assert counted(opened(down("refused")), opened(up(HITS))) == {"hits_total": 500}
    assert counted(opened(down("refused")), opened(down("timed_out")), opened(up(HITS))) == {"hits_total": 500}


def test_a_series_that_an_app_has_since_it_was_seen_counts_from_zero():
    assert counted(opened(up("x 1\n")), opened(up(HITS))) == {"hits_total": 500}
    assert counted(opened(up("x 1\n")), opened(down("timed_out")), opened(up(HITS))) == {"hits_total": 500}


def test_an_endpoint_that_is_new_counts_from_where_it_is_first_seen():
    both = opened(up("x 1\n"), up(HITS, OTHER))
    assert counted(opened(up("x 1\n")), both) == {"hits_total": None}


def test_a_scrape_that_cannot_be_unpacked_shows_nothing():
    spoiled = msgspec.structs.replace(up(HITS), codec="zstd")
    assert counted(opened(spoiled), opened(up(HITS))) == {"hits_total": None}


def test_a_series_that_there_was_no_room_for_did_not_begin_when_there_is():
    pages = [f"# TYPE old_total counter\nold_total {value}\n{HITS}" for value in (10, 14, 15)]
    snapshots = [opened(up(pages[0]), max_series=4), opened(up(pages[1])), opened(up(pages[2] + "new_total 3\n"))]
    assert snapshots[0].seen == {NOT_SCRAPED: frozenset(), NAME: {"hits_total"}}
    assert counted(*snapshots[:2]) == {"old_total": 4, "hits_total": None}
    assert counted(*snapshots) == {"old_total": 1, "hits_total": 0}


def test_a_text_that_was_not_read_to_its_end_leaves_all_families_open():
    long = "".join(f'x{{at="{number}"}} 1\n' for number in range(5000)) + "y 1\n" * 5000
    assert opened(up(long), max_series=10).seen[NAME] >= {ANY_FAMILY}


def test_what_was_refused_stays_open_while_scrapes_fail():
    snapshots = [opened(up("x 1\n" + HITS), max_series=4), opened(down("timed_out")), opened(up(HITS))]
    assert counted(*snapshots) == {"hits_total": None}


def test_a_histogram_that_was_not_whole_did_not_begin_when_it_is():
    assert opened(up(BROKEN + HITS)).seen[NAME] == {"took"}
    assert set(counted(opened(up(BROKEN)), opened(up(WHOLE + HITS))).values()) == {None, 500}


def test_lines_that_are_wrong_in_themselves_leave_nothing_open():
    snapshots = [opened(up('x 1\nhits 1 2 3\nlong{a="%s"} 1\n' % ("b" * 20_000))), opened(up(HITS))]
    assert sorted(+snapshots[0].refused) == ["malformed", "too_long"]
    assert counted(*snapshots) == {"hits_total": 500}


def test_what_the_pod_measures_and_was_refused_did_not_begin_when_it_is_not():
    pod = [counter_of("pod", "old_total", 4), counter_of("pod", "hits_total", 500)]
    assert counted(opened(families=pod, max_series=1), opened(families=pod)) == {"old_total": 0, "hits_total": None}


def test_what_began_with_a_run_that_was_all_taken_here_counts_whole_even_if_it_was_refused_at_first():
    first = opened(down("timed_out"), families=statsd(one=1, two=7), max_series=4)
    assert [family.name for family in first.families if family.kind == "counter"] == ["one_total"]
    second = opened(down("timed_out"), families=statsd(one=2, two=9))
    assert counted(first, second, first=Join.BEGINS) == {"one_total": 1, "two_total": 9}


def test_what_another_aggregator_counted_is_not_counted_by_a_series_that_was_not_to_be_seen_at_the_change():
    before, change, after = up(HITS), down("timed_out"), up(HITS.replace("500", "900"))
    _, book = advance(None, opened(before), Join.UNKNOWN)
    _, book = advance(book, opened(change), Join.UNKNOWN)
    deltas, book = advance(book_of(text_of(book)), opened(after), Join.SAME_RUN)
    assert [counts for counts in deltas.rows if counts] == [(None,)]
    deltas, _ = advance(book, opened(up(HITS.replace("500", "901"))), Join.SAME_RUN)
    assert [counts for counts in deltas.rows if counts] == [(1,)]


def test_of_two_endpoints_of_one_name_nothing_is_certain_while_one_fails():
    assert opened(up(HITS), down("timed_out")).seen[NAME] == {ANY_FAMILY}
    assert counted(opened(up("x 1\n"), down("timed_out")), opened(up("x 1\n"), up(HITS))) == {"hits_total": None}


def test_a_sum_without_a_count_before_is_not_taken_for_new():
    negative = "# TYPE took summary\ntook_sum -9\ntook_count 7\n"
    assert counted(opened(up(negative)), opened(up(negative.replace("-9", "9"))))["took_sum"] is None


def test_a_book_that_cannot_be_read_is_none_from_which_anything_counts():
    deltas, _ = advance(book_of("x"), opened(families=statsd(one=500)), Join.SAME_RUN)
    assert deltas.rows == ((None,),)


texts = st.text(st.sampled_from('ab"\\\n,={}'), max_size=12)


@given(st.dictionaries(st.sampled_from(["job", "instance", "zone", "a"]), texts), st.dictionaries(texts, texts))
def test_a_series_says_who_exposed_it_whatever_the_app_calls_it(own, labels):
    own = {"job": "web", "instance": "10.0.0.1:8080"} | {name: value for name, value in own.items() if value}
    written = LabelTexts(own)
    asked = written.of([(name or "x", value) for name, value in labels.items()])
    assert endpoint_of(asked) == endpoint_of(written.own) == endpoint_of(f"hits_total{{{asked}")
