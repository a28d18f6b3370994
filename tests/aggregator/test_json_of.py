"""Fields as JSON: what JSON cannot hold is written all the same, and many at once are written as each alone."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.json_of import json_of, json_of_each

plain = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=5) | st.just("\x7f")
fields = st.dictionaries(st.text(max_size=3), plain | st.lists(plain, max_size=4), max_size=4)


@given(st.lists(fields, max_size=6))
def test_many_are_written_as_each_is_alone(several):
    assert json_of_each(several) == [json_of(one) for one in several]


@pytest.mark.parametrize("value", [["a", "\x7f", "b"], "\x7f", 1 << 80, "\ud800", '","'])
def test_one_that_is_hard_to_tell_from_its_neighbours_or_to_write_spoils_none_of_them(value):
    several = [{"n": 1}, {"a": value}, {"n": 2}]
    assert json_of_each(several) == [json_of(one) for one in several]
    assert [orjson.loads(text).get("n") for text in json_of_each(several)] == [1, None, 2]
