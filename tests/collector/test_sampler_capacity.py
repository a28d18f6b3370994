import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.core.capacity import Capacity, parse_capacity

GIB = 1 << 30


@pytest.mark.parametrize(
    ("text", "capacity"),
    [
        ("0.25vCPU 0.5GB", Capacity(0.25, GIB // 2)),
        ("16vCPU 120GB", Capacity(16, 120 * GIB)),
        (" 1 vcpu  2 gb ", Capacity(1, 2 * GIB)),
        ("0vCPU 0.5GB", None),
        ("0.25vCPU", None),
        ("0.25vCPU 0.5GB and more", None),
        ("", None),
        ("-1vCPU 2GB", None),
        ("1e3vCPU 2GB", None),
        ("9" * 400 + "vCPU 1GB", None),
        ("1vCPU " + "9" * 400 + "GB", None),
    ],
)
def test_the_annotation_is_read_as_fargate_writes_it(text, capacity):
    assert parse_capacity(text) == capacity


@given(st.text(max_size=40))
def test_no_text_is_an_error_and_what_is_no_capacity_is_none(text):
    assert parse_capacity(text) is None or "vcpu" in text.lower()
