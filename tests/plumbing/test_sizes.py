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
    [(0.5, 500), ("0.25", 250), ("50%", 500), (1, 1000), (1.0, 1000), ("100B", 100), (200, 200)],
)
def test_a_share_is_a_fraction_or_a_size(share, size_bytes):
    assert share_bytes(share, 1000) == size_bytes


@pytest.mark.parametrize("share", [0, -0.5, "0%", "150%", "2GiB", 1001, "half"])
def test_a_share_of_nothing_or_of_more_than_there_is_is_refused(share):
    with pytest.raises(ValueError, match=r"Write "):
        share_bytes(share, 1000)
