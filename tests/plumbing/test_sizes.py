import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from towline.plumbing.sizes import parse_duration, parse_size, share_bytes


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("0", 0),
        ("1000", 1000),
        ("1000B", 1000),
        ("2GiB", 2 << 30),
        ("512MiB", 512 << 20),
        ("4 KiB", 4096),
        ("1.5GiB", 3 << 29),
        ("2Gi", 2 << 30),
        ("10MB", 10_000_000),
        ("3kb", 3000),
        ("1TiB", 1 << 40),
        (" 7MiB ", 7 << 20),
    ],
)
def test_a_size_is_read_in_the_units_people_write(text, size_bytes):
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text", ["", "GiB", "2 gigs", "-1", "1e3", "1_000", "0x10", "2GiB!", "1..2", ".5", "2m", "\u0663"]
)
def test_what_is_no_size_is_refused_with_what_to_write(text):
    with pytest.raises(ValueError, match=r"is not a size\. Write bytes"):
        parse_size(text)


@given(st.integers(min_value=0, max_value=1 << 62))
def test_whole_sizes_are_exact_however_large(size_bytes):
    assert parse_size(str(size_bytes)) == size_bytes
    assert parse_size(f"{size_bytes}KiB") == size_bytes * 1024


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("300", 300),
        ("0.3", 0.3),
        ("300s", 300),
        ("250ms", 0.25),
        ("5m", 300),
        ("2h", 7200),
        ("7d", 604800),
        ("1.5h", 5400),
    ],
)
def test_a_duration_is_read_in_the_units_people_write(text, seconds):
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "7 days", "-1s", "1w", "1h30m", "nan", "inf", "1e9"])
def test_what_is_no_duration_is_refused_with_what_to_write(text):
    with pytest.raises(ValueError, match=r"is not a duration\. Write seconds"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("share", "size_bytes"),
    [
        (0.5, 500),
        ("0.25", 250),
        ("50%", 500),
        ("100%", 1000),
        (1, 1000),
        (1.0, 1000),
        ("1", 1000),
        ("100B", 100),
        ("1000 B", 1000),
        ("0.5kB", 500),
    ],
)
def test_a_share_is_a_fraction_or_a_size_with_its_unit(share, size_bytes):
    assert share_bytes(share, 1000) == size_bytes


@pytest.mark.parametrize(
    ("share", "problem"),
    [
        (3.0, "3.0 is more than the whole, or a size without its unit"),
        ("3", "'3' is more than the whole, or a size without its unit"),
        (200, "200 is more than the whole, or a size without its unit"),
        ("536870912", "'536870912' is more than the whole, or a size without its unit"),
        ("150%", "'150%' is more than the whole, or a size without its unit"),
        (math.inf, "inf is more than the whole, or a size without its unit"),
        (0, "0 is no part of anything"),
        (-0.5, "-0.5 is no part of anything"),
        ("0%", "'0%' is no part of anything"),
        ("nan", "'nan' is no part of anything"),
        ("half", "'half' is not a share"),
        ("", "'' is not a share"),
        ("512 MiBs", "'512 MiBs' is not a share"),
    ],
)
def test_a_share_that_is_neither_is_refused_with_both_ways_to_write_it(share, problem):
    with pytest.raises(ValueError, match="Write") as caught:
        share_bytes(share, 1000)
    assert str(caught.value) == f"{problem}. Write a fraction such as 0.5, or a size such as 512MiB"


@pytest.mark.parametrize("share", ["2GiB", "1001B", "0B"])
def test_a_share_larger_than_the_whole_or_of_nothing_is_refused_with_the_whole(share):
    with pytest.raises(
        ValueError, match=f"^'{share}' is not a part of 1000 bytes. Write a smaller size, or a fraction"
    ):
        share_bytes(share, 1000)
