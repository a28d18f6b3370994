"""What DogStatsD's lines add up to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.core.statsd_gathering import Gathering
from tests.collector.counting import NOW, Counting
from towline.wire.snapshot import Stamped


@pytest.fixture
def counting():
    return Counting()


def test_counts_grow_since_the_run_began(counting):
    counting.take("a:2|c", "a:3|c|@0.5")
    assert counting.values("a") == {"": 8}
    counting.take("a:1|c")
    family = counting.families()["a"]
    assert (family.type, family.source, family.from_zero, family.samples[0].value) == ("counter", "dogstatsd", True, 9)


def test_a_count_without_news_is_said_again(counting):
    counting.take("a:2|c")
    assert [counting.values("a") for _ in range(30)] == [{"": 2}] * 30


def test_what_is_taken_back_goes_as_a_value_with_a_time_of_its_own(counting):
    counting.take("a:5|c|#x:y", "a:-2|c|#x:y", "a:-1|c|#x:y")
    said = counting.gather()
    assert said.families[0].samples[0].value == 5
    assert said.stamped == (Stamped("a", "counter", {"x": "y"}, -3.0, NOW - 1),)
    assert counting.gather().stamped == ()


def test_a_gauge_is_its_last_value(counting):
    counting.take("a:5|g", "a:-2|g")
    assert counting.values("a") == {"": -2}
    assert counting.families()["a"].from_zero is False


def test_series_are_told_apart_by_their_tags_in_any_order(counting):
    counting.take("a:1|c|#x:1,y:2", "a:1|c|#y:2,x:1", "a:1|c|#x:1", "a:1|c")
    assert counting.values("a") == {"x=1,y=2": 2, "x=1": 1, "": 1}


@pytest.mark.parametrize(
    ("letter", "flavour", "unit"), [("h", "histogram", ""), ("ms", "timing", "ms"), ("d", "distribution", "")]
)
def test_distributions_say_what_the_app_sent_them_as(counting, letter, flavour, unit):
    counting.take(f"a:1:2:4|{letter}", f"a:0|{letter}", f"a:-1|{letter}|@0.5")
    family = counting.families()["a"]
    assert (family.type, family.flavour, family.unit, family.from_zero) == ("histogram", flavour, unit, True)
    (one,) = family.distributions
    assert (one.count, one.sum, one.zeros, len(one.positive), one.negative) == (6, 5, 1, 3, {0: 2})


def test_a_timing_and_a_histogram_of_one_name_are_one(counting):
    counting.take("a:1|ms", "a:1|h", "a:1|d")
    assert counting.families()["a"].distributions[0].count == 3


def test_a_name_belongs_to_the_type_it_came_with_first(counting):
    counting.take("a:1|c", "a:1|g", "a:x|s", "a:1|c")
    assert counting.values("a") == {"": 2}
    assert counting.refused == {"type_changed": 2}


def test_a_set_counts_different_values_since_the_last_frozen_snapshot(counting):
    counting.take("u:a|s", "u:b|s", "u:a|s", "u:1|s", "u:1.0|s")
    assert counting.values("u") == {"": 4}
    counting.take("u:a|s", "u:c|s")
    assert counting.values("u", fresh=False) == {"": 5}
    counting.take("u:a|s")
    assert counting.values("u", fresh=True) == {"": 1}
    assert counting.values("u") == {"": 0}


def test_what_comes_between_two_steps_is_said_once(counting):
    counting.take(*(f"a:1|c|#n:{number}" for number in range(10)))
    gathering = Gathering(counting.table, 1.0, NOW * 10**9, fresh=True)
    while not gathering.step(3):
        counting.take("a:1|c|#n:0", "b:1|c", "e:1|g")
    first = {s.labels["n"]: s.value for s in gathering.result().families[0].samples}
    assert first == {str(number): 1 for number in range(10)}
    assert counting.values("a")["n=0"] == 4


def test_values_with_a_time_of_their_own_are_passed_on(counting):
    counting.take("a:1:2|c|@0.5|T1656581400", "b:7|g|#x:y|T1656581401")
    said = counting.gather()
    assert said.families == ()
    assert said.stamped == (
        Stamped("a", "counter", {}, 2.0, 1656581400),
        Stamped("a", "counter", {}, 4.0, 1656581400),
        Stamped("b", "gauge", {"x": "y"}, 7.0, 1656581401),
    )
    assert counting.gather().stamped == ()


def test_events_and_checks_are_said_once(counting):
    counting.take("_e{1,1}:t|x\n_sc|up|0\na:1|c")
    said = counting.gather()
    assert [event.title for event in said.events] == ["t"]
    assert [check.name for check in said.checks] == ["up"]
    assert said.events[0].unix_seconds == NOW
    again = counting.gather()
    assert (again.events, again.checks) == ((), ())


def test_a_malformed_line_does_not_hurt_its_neighbours(counting):
    counting.take(b"a:1|c\n\xff\xfe\nnonsense\na:x|c\na:1|c\n\n_e{9,9}:t|x\na:nan|c\na:1|c|@7\na:1|c")
    assert counting.values("a") == {"": 3}
    assert counting.refused == {"form": 2, "value": 1, "event": 1, "not_finite": 1, "rate": 1}
    assert (counting.table.packets, counting.table.accepted) == (1, 3)


LINES = st.lists(
    st.sampled_from(
        [
            "a:1|c",
            "a:2|c|#x:1",
            "a:3|c|@0.5",
            "b:1|g",
            "b:2|g|#x:1",
            "d:5|d",
            "d:1:2|h",
            "u:x|s",
            "u:y|s",
            "bad",
            "b:1|c",
            "t:1|c|T5",
            "_sc|up|0",
        ]
    ),
    max_size=30,
)


@given(LINES, st.data())
def test_it_does_not_matter_how_lines_come_in_datagrams(lines, data):
    together, apart = Counting(), Counting()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(lines)), max_size=4)))
    packets = ["\n".join(lines[a:b]) for a, b in zip([0, *cuts], [*cuts, len(lines)], strict=True)]
    together.take(*packets)
    apart.take(*lines)
    assert together.gather() == apart.gather()
    assert together.refused == apart.refused
    assert together.table.accepted + sum(together.refused.values()) == len(lines)


@given(LINES, LINES)
def test_counts_do_not_depend_on_when_they_are_gathered(before, after):
    once, twice = Counting(), Counting()
    once.take(*before, *after)
    twice.take(*before)
    twice.gather(fresh=False)
    twice.take(*after)
    assert once.gather(fresh=False).families == twice.gather(fresh=False).families


@given(st.lists(st.binary(max_size=60), max_size=20))
def test_whatever_comes_every_line_is_taken_or_refused(datagrams):
    counting = Counting()
    counting.take(*datagrams)
    lines = sum(bool(line) for datagram in datagrams for line in datagram.split(b"\n"))
    assert counting.table.accepted + sum(counting.refused.values()) == lines
    counting.gather()
