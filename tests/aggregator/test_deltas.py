import math

import pytest

from aggregator.core import deltas as module
from aggregator.core.book import Book, book_of, text_of
from aggregator.core.deltas import advance
from aggregator.core.joining import Join
from aggregator.core.series import Opened, Row, SeriesFamily, Spread
from towline.wire.identity import Pod
from towline.wire.snapshot import Distribution

POD = Pod(namespace="shop", name="web-1", uid="u")


def opened(*families):
    return Opened(pod=POD, run="r", sequence=1, taken_unix_ns=0, interval_seconds=15.0, families=families)


def counter(*values, **more):
    """One family whose series are named by their place."""
    rows = tuple(Row("hits_total", f'at="{index}"', str(value)) for index, value in enumerate(values))
    return opened(SeriesFamily(name="hits_total", kind="counter", rows=rows, **more))


def counted(book, snapshot, join=Join.SAME_RUN, **more):
    """The first family's deltas, and the book through its text, as it is after a restart."""
    said, after = advance(book, snapshot, join, **more)
    return said.rows[0], book_of(text_of(after))


def after(*snapshots, join=Join.SAME_RUN):
    book = None
    for snapshot in snapshots:
        _, book = advance(book, snapshot, join)
    return book


@pytest.mark.parametrize(
    ("join", "from_zero", "before", "now", "delta"),
    [
        (Join.SAME_RUN, False, 10, 15, 5),
        (Join.SAME_RUN, False, 10, 10, 0),
        (Join.SAME_RUN, False, 10, 4, 4),  # it began again at 0
        (Join.SAME_RUN, True, 10, 15, 5),
        (Join.NEW_RUN, False, 10, 15, 5),  # the app went on, only the collector is new
        (Join.NEW_RUN, True, 10, 15, 15),  # it began at 0 with this run
        (Join.UNKNOWN, False, 10, 15, None),  # it was counted elsewhere
        (Join.UNKNOWN, True, 10, 15, None),
        (Join.SAME_RUN, False, None, 7, 7),  # it began meanwhile
        (Join.NEW_RUN, False, None, 7, 7),
        (Join.UNKNOWN, False, None, 7, None),
        (Join.BEGINS, False, None, 7, None),  # what was before is unknown
        (Join.BEGINS, True, None, 7, 7),
        (Join.UNKNOWN, True, None, 7, None),
    ],
)
def test_what_a_counter_counted_follows_the_table(join, from_zero, before, now, delta):
    book = after(counter(*([] if before is None else [before]), from_zero=from_zero))
    assert counted(book, counter(now, from_zero=from_zero), join)[0] == (delta,)


def test_the_first_snapshot_of_a_pod_only_opens_its_book():
    _, book = counted(None, counter(100), Join.UNKNOWN)
    assert counted(book, counter(101))[0] == (1,)


def test_a_series_that_vanished_and_comes_back_is_not_born():
    book = after(counter(100, 200), counter(100), counter(100))
    assert counted(book, counter(100, 203))[0] == (0, 3)


def test_a_series_of_a_run_that_ended_says_nothing_of_the_next_run():
    _, book = counted(after(counter(50, from_zero=True)), counter(from_zero=True), Join.NEW_RUN)
    assert counted(book, counter(60, from_zero=True))[0] == (60,)


def test_a_book_that_had_to_forget_never_takes_a_series_for_born(monkeypatch):
    monkeypatch.setattr(module, "MAX_VANISHED", 2)
    book = after(counter(*range(10)), counter(0), counter(0))
    assert (book.forgot, len(book.values)) == (True, 3)
    assert counted(book, counter(0, 1, 2, 500))[0] == (0, 0, 0, None)


def test_one_scrape_that_failed_makes_nothing_forgotten(monkeypatch):
    monkeypatch.setattr(module, "MAX_VANISHED", 2)
    book = after(counter(*range(10)), opened())
    assert counted(book, counter(*range(10)))[0] == (0,) * 10


@pytest.mark.parametrize(("value", "reason"), [("NaN", "not_finite"), ("+Inf", "not_finite"), ("-1", "negative")])
def test_what_no_counter_can_be_is_skipped_and_counted_and_its_series_goes_on(value, reason):
    book = after(counter(5))
    said, book = advance(book, counter(value), Join.SAME_RUN)
    assert (said.rows[0], dict(said.skipped)) == ((None,), {reason: 1})
    assert counted(book, counter(7))[0] == (2,)


def test_a_series_said_twice_counts_once():
    rows = (Row("hits_total", "", "5"), Row("hits_total", "", "9"))
    said, _ = advance(Book(), opened(SeriesFamily(name="hits_total", kind="counter", rows=rows)), Join.SAME_RUN)
    assert said.rows[0] == (5, None)


def test_deltas_that_could_not_be_sent_are_part_of_the_next_ones_even_after_a_reset():
    nothing, book = counted(after(counter(10)), counter(50), hold=True)
    nothing_either, book = counted(book, counter(3), hold=True)
    assert (nothing, nothing_either) == ((None,), (None,))
    delta, book = counted(book, counter(5))
    assert delta == (40 + 3 + 2,)
    assert counted(book, counter(6))[0] == (1,)


def test_what_was_held_is_sent_even_where_the_next_snapshot_does_not_follow():
    _, book = counted(after(counter(10)), counter(50), hold=True)
    assert counted(book, counter(900), Join.UNKNOWN)[0] == (40,)


def test_held_deltas_of_series_that_do_not_come_back_are_bounded(monkeypatch):
    monkeypatch.setattr(module, "MAX_VANISHED", 2)
    said, book = advance(Book(), counter(1, 2, 3), Join.SAME_RUN, hold=True)
    assert (len(book.held), said.skipped["held_too_long"]) == (2, 1)


def test_gauges_have_no_deltas():
    gauge = SeriesFamily(name="temp", kind="gauge", rows=(Row("temp", "", "5"),))
    said, book = advance(Book(), opened(gauge), Join.SAME_RUN)
    assert (said.rows, book) == (((),), Book())


def test_the_time_at_which_a_counter_was_made_is_no_count():
    rows = (Row("hits_total", "", "5"), Row("hits_created", "", "1.7e9"))
    said, _ = advance(Book(), opened(SeriesFamily(name="hits_total", kind="counter", rows=rows)), Join.SAME_RUN)
    assert said.rows[0] == (5, None)


def histogram(kind, count, total, bucket=0):
    rows = (
        Row("took_bucket", 'le="1"', str(bucket)),
        Row("took", 'quantile="0.5"', "3"),
        Row("took_sum", "", str(total)),
        Row("took_count", "", str(count)),
    )
    return opened(SeriesFamily(name="took", kind=kind, rows=rows))


def test_buckets_sums_and_counts_of_histograms_are_deltas():
    book = after(histogram("histogram", 4, 10.5, bucket=2))
    assert counted(book, histogram("histogram", 6, 12.0, bucket=3))[0] == (1, None, 1.5, 2)


def test_quantiles_of_summaries_are_no_counts():
    book = after(histogram("summary", 4, 10.5))
    assert counted(book, histogram("summary", 6, 12.0))[0] == (None, None, 1.5, 2)


def test_a_sum_may_fall_where_its_count_did_not():
    book = after(histogram("summary", 4, -10.0))
    assert counted(book, histogram("summary", 5, -12.0))[0][2] == -2.0


def test_a_sum_whose_count_fell_began_again():
    book = after(histogram("summary", 4, 10.0))
    assert counted(book, histogram("summary", 1, 30.0))[0][2] == 30.0


def spread(count, total, positive, **more):
    sketch = Distribution({}, count, total, positive=positive, **more)
    # The rows are the same thing as classic buckets.
    rows = (Row("took_count", "", str(count)),)
    return opened(SeriesFamily(name="took", kind="histogram", rows=rows, spreads=(Spread("", sketch),), from_zero=True))


def spread_delta(book, snapshot, join=Join.SAME_RUN, **more):
    said, book = advance(book, snapshot, join, **more)
    assert said.rows == ((),)
    return said.spreads[0][0], book_of(text_of(book))


def test_a_distribution_counts_what_fell_where_since():
    book = after(spread(3, 6.0, {1: 2.0, 5: 1.0}, zeros=1.0))
    delta, _ = spread_delta(book, spread(5, 16.0, {1: 2.0, 5: 2.0, 9: 1.0}, zeros=2.0))
    assert delta == Distribution({}, 2.0, 10.0, 1.0, {5: 1.0, 9: 1.0}, {})


@pytest.mark.parametrize("join", [Join.NEW_RUN, Join.BEGINS])
def test_a_distribution_is_whole_where_its_run_begins(join):
    book = after(spread(3, 6.0, {1: 3.0})) if join is Join.NEW_RUN else None
    assert spread_delta(book, spread(4, 8.0, {1: 4.0}), join)[0].count == 4


def test_a_distribution_in_which_a_bucket_fell_began_again():
    book = after(spread(3, 6.0, {1: 3.0}))
    assert spread_delta(book, spread(4, 8.0, {2: 4.0}))[0] == Distribution({}, 4, 8.0, 0.0, {2: 4.0}, {})


def test_rounding_of_sampled_counts_is_no_reset():
    total = sum([1 / 0.3] * 1000)
    book = after(spread(total, 6.0, {1: total}))
    delta, _ = spread_delta(book, spread(math.nextafter(total, 0), 6.0, {1: math.nextafter(total, 0)}))
    assert (delta.count, delta.positive) == (0.0, {})


def test_held_distributions_are_merged_into_the_next():
    nothing, book = spread_delta(after(spread(1, 1.0, {1: 1.0})), spread(3, 5.0, {1: 2.0, 2: 1.0}), hold=True)
    delta, _ = spread_delta(book, spread(4, 9.0, {1: 2.0, 2: 2.0}))
    assert (nothing, delta) == (None, Distribution({}, 3.0, 8.0, 0.0, {1: 1.0, 2: 2.0}, {}))


@pytest.mark.parametrize(
    "sketch",
    [Distribution({}, -1, 0.0), Distribution({}, 1, math.nan), Distribution({}, 1, 0.0, positive={1: math.inf})],
)
def test_a_distribution_that_can_be_none_is_skipped(sketch):
    said, _ = advance(
        Book(), opened(SeriesFamily(name="d", kind="histogram", spreads=(Spread("", sketch),))), Join.SAME_RUN
    )
    assert (said.spreads[0], dict(said.skipped)) == ((None,), {"not_finite": 1})


def test_the_book_given_stays_as_it_is():
    book = after(counter(10))
    kept = text_of(book)
    counted(book, counter(20), hold=True)
    assert text_of(book) == kept


@pytest.mark.parametrize("text", ["", None, "x", "AAAA", "KLUv/QRYAQAA"])
def test_a_text_that_is_no_book_is_none(text):
    assert book_of(text) is None


def test_a_book_of_a_thousand_series_is_short():
    rows = tuple(
        Row("http_requests_total", f'path="/api/v1/things/{index}",method="GET",code="200"', repr(index * 7919.123456))
        for index in range(1000)
    )
    _, book = advance(
        Book(), opened(SeriesFamily(name="http_requests_total", kind="counter", rows=rows)), Join.SAME_RUN
    )
    assert len(text_of(book)) < 16_384
