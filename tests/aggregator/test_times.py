"""Times as lines say them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.times import Times

READ = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()) * 10**9


def ns(text):
    """Nanoseconds since 1970 of `2026-11-22T03:04:05.678901234`, in UTC; the fraction may be missing."""
    whole, _, fraction = text.partition(".")
    return int(datetime.fromisoformat(whole).replace(tzinfo=UTC).timestamp()) * 10**9 + int(fraction.ljust(9, "0"))


def read(formats, *values, zone=UTC, read_unix_ns=READ):
    times, faults = Times([formats] if isinstance(formats, str) else formats, zone).read(values, read_unix_ns)
    return [None if fault else time for time, fault in zip(times, faults, strict=True)]


@pytest.mark.parametrize(
    ("form", "text", "time"),
    [
        ("%Y-%m-%dT%H:%M:%S.%L", "2026-11-22T03:04:05.678", "2026-11-22T03:04:05.678"),
        ("%Y-%m-%dT%H:%M:%S.%L%z", "2026-11-22T03:04:05.678+0200", "2026-11-22T01:04:05.678"),
        ("%Y-%m-%dT%H:%M:%S.%N%z", "2026-11-22T03:04:05.123456789-03:30", "2026-11-22T06:34:05.123456789"),
        ("%Y-%m-%d %H:%M:%S,%f", "2026-11-22 03:04:05,678901", "2026-11-22T03:04:05.678901"),
        ("%Y-%m-%d %H:%M:%S.%f", "2026-11-22 03:04:05", "2026-11-22T03:04:05"),
        ("%d/%b/%Y:%H:%M:%S %z", "22/Nov/2026:03:04:05 +0000", "2026-11-22T03:04:05"),
        ("%d/%b/%Y:%T %z", "22/NOV/2026:03:04:05 Z", "2026-11-22T03:04:05"),
        ("%a %b %d %H:%M:%S.%f %Y", "Sun Nov 22 03:04:05.000001 2026", "2026-11-22T03:04:05.000001"),
        ("%A, %d %B %Y %I:%M %p", "Sunday, 22 November 2026 03:04 PM", "2026-11-22T15:04:00"),
        ("%I:%M:%S %p %F", "12:00:01 AM 2026-11-22", "2026-11-22T00:00:01"),
        ("%y%m%d %H%M%S", "261122 030405", "2026-11-22T03:04:05"),
        ("%y-%j %R", "70-002 00:00", "1970-01-02T00:00:00"),
        ("%D %T", "11/22/26 03:04:05", "2026-11-22T03:04:05"),
        ("%c", "Sun Nov 22 03:04:05 2026", "2026-11-22T03:04:05"),
        ("%Y-%m-%d", "2026-11-22", "2026-11-22T00:00:00"),
        ("%s", "1795316645", "2026-11-22T03:04:05"),
        ("%s.%L", "1795316645.678", "2026-11-22T03:04:05.678"),
        ("%Y-%m-%d %H:%M:%S %Z", "2026-11-22 03:04:05 UTC", "2026-11-22T03:04:05"),
        ("%H:%M:%S %% %d.%m.%Y", "03:04:05 % 22.11.2026", "2026-11-22T03:04:05"),
        ("%Y-%m-%d %H:%M:%S", "2026-06-30 23:59:60", "2026-07-01T00:00:00"),
        ("rfc3339", "2026-11-22T03:04:05Z", "2026-11-22T03:04:05"),
        ("rfc3339", "2026-11-22t03:04:05.5+02:00", "2026-11-22T01:04:05.5"),
        ("rfc3339", "2026-11-22 03:04:05,678", "2026-11-22T03:04:05.678"),
        ("rfc3339", "2026-11-22 03:04:05.678 UTC", "2026-11-22T03:04:05.678"),
        ("epoch", "1795316645.25", "2026-11-22T03:04:05.25"),
        ("epoch", 1795316645, "2026-11-22T03:04:05"),
        ("epoch", 1795316645.123456, "2026-11-22T03:04:05.123456"),
        ("epoch_ms", 1795316645678, "2026-11-22T03:04:05.678"),
        ("epoch_ms", "1795316645678.5", "2026-11-22T03:04:05.6785"),
        ("epoch_us", 1795316645678901, "2026-11-22T03:04:05.678901"),
        ("epoch_ns", 1795316645678901234, "2026-11-22T03:04:05.678901234"),
        ("auto", "2026-11-22T03:04:05.678Z", "2026-11-22T03:04:05.678"),
        ("auto", "1795316645678", "2026-11-22T03:04:05.678"),
        ("auto", 1795316645, "2026-11-22T03:04:05"),
        ("auto", 1795316645.5, "2026-11-22T03:04:05.5"),
        ("auto", 1795316645678901, "2026-11-22T03:04:05.678901"),
        ("auto", 1795316645678901234, "2026-11-22T03:04:05.678901234"),
        ("%Y%m%d%H%M", 202611220304, "2026-11-22T03:04:00"),
    ],
)
def test_a_time_is_read_as_its_format_says(form, text, time):
    assert read(form, text) == [ns(time)]


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("%Y-%m-%d %H:%M:%S", "2026-02-30 03:04:05"),
        ("%Y-%m-%d %H:%M:%S", "2026-11-22 03:04:05 "),
        ("%Y-%m-%d %H:%M:%S", "1969-12-31 23:59:59"),
        ("%Y-%m-%d %H:%M:%S", "2262-01-01 00:00:00"),
        ("%Y-%m-%d %H:%M:%S", "0000-01-01 00:00:00"),
        ("%Y-%m-%d %H:%M:%S.%f", "2026-11-22 03:04:05.1234567890"),
        ("%Y-%m-%d %H:%M:%S.%f", "2026-11-22 03:04:05.1x"),
        ("%y-%j %R", "26-366 00:00"),
        ("%Y-%m-%d %H:%M:%S %Z", "2026-11-22 03:04:05 CEST"),
        ("rfc3339", "yesterday"),
        ("rfc3339", "2026-11-22T03:04:05Z" * 100),
        ("rfc3339", "\uff12026-11-22T03:04:05Z"),
        ("epoch", "-1"),
        ("epoch", 10**40),
        ("epoch", 1e300),
        ("auto", 12),
        ("auto", 0.25),
        ("auto", "12"),
        ("auto", ""),
        ("auto", True),
        ("auto", []),
        ("auto", {"seconds": 1}),
    ],
)
def test_what_is_no_time_is_a_fault_and_the_read_time_stands(form, text):
    assert Times([form]).read([text], READ) == ([READ], [True])


def test_what_says_no_time_is_no_fault():
    assert Times(["auto"]).read([None, "2026-11-22T03:04:05Z"], READ) == (
        [READ, ns("2026-11-22T03:04:05")],
        [False, False],
    )


@pytest.mark.parametrize(
    ("text", "read_at", "time"),
    [
        ("Nov 22 03:04:05", "2026-11-22T04:00:00", "2026-11-22T03:04:05"),
        ("Dec 31 23:59:59", "2027-01-01T00:00:01", "2026-12-31T23:59:59"),
        ("Jan  1 00:00:01", "2026-12-31T23:59:59", "2027-01-01T00:00:01"),
        ("Feb 29 12:00:00", "2029-02-01T00:00:00", "2028-02-29T12:00:00"),
    ],
)
def test_a_format_without_a_year_means_the_year_that_is_closest_to_the_read_time(text, read_at, time):
    assert read("%b %e %H:%M:%S", text, read_unix_ns=ns(read_at)) == [ns(time)]


def test_the_same_text_means_another_year_for_a_block_that_was_read_in_another():
    times = Times(["%m%d %H:%M:%S.%f"])
    found = [times.read(["1122 03:04:05.5"] * 10, ns(f"{year}-11-22T04:00:00"))[0][0] for year in (2026, 2025, 2026)]
    assert found == [ns(f"{year}-11-22T03:04:05.5") for year in (2026, 2025, 2026)]


def test_a_format_without_a_day_means_the_day_that_is_closest_to_the_read_time():
    assert read("%H:%M:%S", "23:59:59", read_unix_ns=ns("2026-11-22T00:00:10")) == [ns("2026-11-21T23:59:59")]


def test_a_zone_is_that_of_texts_that_say_none_summer_time_included():
    berlin = ZoneInfo("Europe/Berlin")
    assert read("rfc3339", "2026-07-01 12:00:00", "2026-12-01 12:00:00", "2026-12-01 12:00:00Z", zone=berlin) == [
        ns("2026-07-01T10:00:00"),
        ns("2026-12-01T11:00:00"),
        ns("2026-12-01T12:00:00"),
    ]


def test_of_several_formats_the_first_that_fits_counts():
    formats = ["%b %e %H:%M:%S", "rfc3339", "epoch"]
    assert read(formats, "Nov 22 03:04:05", "2026-11-22T03:04:05Z", 1795316645, "no") == [
        *[ns("2026-11-22T03:04:05")] * 3,
        None,
    ]


@pytest.mark.parametrize(
    ("form", "problem"),
    [
        ("%Q", "%Q, which is not known"),
        ("%H:%M %", "which is not known"),
        ("%d %d %H", "says the day twice"),
        ("%f %f", "two fractions"),
        ("%Y %H", "a part of a day"),
        ("%M:%S", "no hour"),
    ],
)
def test_a_format_that_cannot_be_meant_is_refused_with_what_to_write(form, problem):
    with pytest.raises(ValueError, match=problem):
        Times([form])


FORMATS = [
    "%Y-%m-%dT%H:%M:%S.%f%z",
    "%d/%b/%Y:%H:%M:%S %z",
    "%Y%m%d%H%M%S%f",
    "%B %d %Y %I:%M:%S.%f %p",
    "%y-%j %H:%M:%S",
    "%a, %d %b %Y %H:%M:%S %z",
    "%H.%M.%S.%f %d.%m.%Y",
]
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timedelta(minutes=minutes))


@given(st.sampled_from(FORMATS), st.datetimes(datetime(1970, 1, 3), datetime(2068, 12, 31)), ZONES)  # noqa: DTZ001 - the zone is drawn, too
def test_a_time_is_read_as_pythons_own_strptime_reads_it(form, moment, ahead):
    from datetime import timezone

    text = moment.replace(tzinfo=timezone(ahead)).strftime(form)
    wanted = datetime.strptime(text, form)  # noqa: DTZ007 - made aware below where the format has no zone
    aware = wanted if wanted.tzinfo else wanted.replace(tzinfo=UTC)
    since = aware - datetime(1970, 1, 1, tzinfo=UTC)
    assert read(form, text) == [(since // timedelta(microseconds=1)) * 1000]


PIECES = st.one_of(
    st.text("0123456789TZ:.,-+ \n", max_size=30),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["2026-11-22T03:04:05", "2026-11-22T03:04:06", "1999-01-01 00:00:00"]),
        st.sampled_from([".", ",", "", ".5", ".678", ".000001", ".123456789", ".1234567890", ".67 ", "..6", "\n.5"]),
        st.sampled_from(["Z", "+02:00", "", " Z", "Z\n2026-11-22T03:04:05.1Z"]),
    ),
)


@given(
    st.lists(PIECES, max_size=30),
    st.sampled_from(["rfc3339", "auto", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%dT%H:%M:%S.%f"]),
)
def test_a_time_does_not_depend_on_what_stands_beside_it(texts, form):
    assert read(form, *texts) == [time for text in texts for time in read(form, text)]


@given(st.lists(st.integers(0, 10**6), min_size=8, max_size=40), st.integers(1, 9), st.booleans())
def test_lines_of_a_few_seconds_are_read_to_the_digit(millis, digits, is_trimmed):
    texts, wanted = [], []
    for value in millis:
        seconds, fraction = 1795316645 + value // 10**5, f"{value % 10**5 * 7919:09}"[:digits]
        fraction = (fraction.rstrip("0") or "0") if is_trimmed else fraction
        texts.append(f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction}Z")
        wanted.append(seconds * 10**9 + int(fraction.ljust(9, "0")))
    assert read("rfc3339", *texts) == wanted
