"""What bounds DogStatsD: memory, numbers, time."""

import pytest

from collector.core.statsd import MAX_CHECKS, MAX_EVENT_BYTES, MAX_STAMPED_BYTES, STAMPED_BYTES
from collector.core.statsd_gathering import Gathering
from collector.core.statsd_series import BYTES_OF_A_SERIES, LEAST_BYTES, MAX_SET_VALUES
from tests.collector.counting import NOW, TICK, Counting


@pytest.fixture
def counting():
    return Counting()


def test_a_full_set_says_so_and_begins_anew(counting):
    counting.take(*(f"u:{number}|s" for number in range(MAX_SET_VALUES + 5)))
    assert counting.refused == {"set_limit": 5}
    assert counting.values("u") == {"": MAX_SET_VALUES}
    counting.take("u:new|s")
    assert counting.values("u") == {"": 1}


def test_a_silent_gauge_ends_and_a_silent_count_does_not(counting):
    counting.take("g:1|g", "u:1|s", "c:1|c", "h:1|h")
    for _ in range(20):
        assert set(counting.families()) == {"g", "u", "c", "h"}
    assert set(counting.families()) == {"c", "h"}
    assert counting.table.series == 2
    counting.take("g:2|c")
    assert counting.values("g") == {"": 2}


def test_a_gauge_that_ended_can_come_back(counting):
    counting.take("g:1|g")
    for _ in range(25):
        counting.gather()
    counting.take("g:3|g")
    assert counting.values("g") == {"": 3}


def test_a_gauge_that_speaks_while_its_end_is_written_goes_on(counting):
    counting.take("g:1|g")
    for _ in range(20):
        counting.gather()
    counting.now += TICK
    gathering = Gathering(counting.table, counting.now, NOW * 10**9, fresh=True)
    gathering.step(10)
    counting.take("g:7|g")
    gathering.result()
    assert counting.values("g") == {"": 7}


def test_what_waits_is_bounded(counting):
    event = f"_e{{1,8000}}:t|{'x' * 8000}"
    most_stamped = MAX_STAMPED_BYTES // (STAMPED_BYTES + len("ac|T1"))
    counting.take(*[event] * 200, *["_sc|up|0"] * (MAX_CHECKS + 1), *["a:1|c|T1"] * (most_stamped + 1))
    said = counting.gather()
    assert len(said.events) == MAX_EVENT_BYTES // len(event)
    assert (len(said.checks), len(said.stamped)) == (MAX_CHECKS, most_stamped)
    assert counting.refused == {"pending_limit": 200 - len(said.events) + 2}
    counting.take(event)
    assert len(counting.gather().events) == 1


def test_long_checks_and_long_tags_of_values_with_times_are_bounded_by_their_bytes():
    counting = Counting()
    check, stamped = f"_sc|up|0|m:{'x' * 60_000}", f"a:1:2|c|T1|#id:{'x' * 4000}"
    counting.take(*[check] * 20, *[stamped] * 300)
    said = counting.gather()
    assert (len(said.checks), len(said.stamped)) == (MAX_EVENT_BYTES // len(check), 242)
    assert counting.refused == {"pending_limit": 20 - len(said.checks) + 300 - 121}
    before = counting.refused["pending_limit"]
    counting.take(check, stamped)
    assert (len(counting.gather().checks), counting.refused["pending_limit"]) == (1, before)


@pytest.mark.parametrize("letter", ["c", "g", "h", "d", "ms"])
@pytest.mark.parametrize("number", ["nan", "inf", "-inf", "1e309"])
def test_what_is_not_finite_is_refused_whether_or_not_the_series_is_known(counting, letter, number):
    counting.take(f"a:{number}|{letter}", f"a:1|{letter}", f"a:{number}|{letter}", f"a:2:{number}:3|{letter}")
    assert counting.refused == {"not_finite": 3}
    family = counting.families()["a"]
    assert [s.value for s in family.samples] == ([] if letter in {"h", "d", "ms"} else [1])
    assert [s.sum for s in family.distributions] == ([1] if letter in {"h", "d", "ms"} else [])


def test_a_sum_that_would_not_be_finite_is_refused(counting):
    counting.take("c:1e308|c", "c:1e308|c", "h:1e308|h", "h:1e308|h", "c:-1e308|c", "c:-1e308|c")
    assert counting.refused == {"not_finite": 3}
    assert counting.values("c") == {"": 1e308}


def test_a_label_explosion_is_refused_and_what_is_there_goes_on():
    counting = Counting(max_series=100)
    counting.take("old:1|c")
    for first in range(0, 100_000, 1000):
        counting.take(*(f"a:1|c|#id:{number}" for number in range(first, first + 1000)))
    counting.take("old:1|c", "a:1|c|#id:5", "other:1|g")
    assert counting.table.series == 100
    assert counting.refused == {"series_limit": 100_000 - 99 + 1}
    families = counting.families()
    assert families["old"].samples[0].value == 2
    assert {s.labels["id"]: s.value for s in families["a"].samples}["5"] == 2
    assert len(counting.table._known) <= 401


def test_long_tags_are_bounded_together():
    counting = Counting(max_series=100_000)
    counting.take(*(f"a:1|c|#id:{'x' * 4000}{number}" for number in range(10_000)))
    held = counting.table.series
    assert counting.refused == {"memory_limit": 10_000 - held}
    assert BYTES_OF_A_SERIES * 100_000 / 14_000 < held < BYTES_OF_A_SERIES * 100_000 / 12_000


@pytest.mark.parametrize("line", ["a:{}|c|#id:{}", "a{1}:{0}|g", "a:{}|d|#id:{}", "a:{}|s", "a:{0}{0}{0}|s|#id:{1}"])
def test_whatever_is_sent_its_room_is_bounded_and_comes_back(line):
    counting = Counting(max_series=10_000, expire_seconds=1)
    before = counting.table._budgets.bytes.left
    for number in range(12_000):
        counting.take(line.format(number, number))
    budgets = counting.table._budgets
    assert 0 <= budgets.bytes.left < before
    kept = counting.table.series
    for _ in range(3):
        counting.gather(step=500)
    gone = kept - counting.table.series
    assert gone == (0 if "|c" in line or "|d" in line else kept)
    assert (budgets.bytes.left == before) == bool(gone)


def test_distributions_without_room_count_on_in_the_buckets_they_have():
    counting = Counting(max_series=10)
    values = [1.03**power for power in range(-300, 300)]
    for shard in range(10):
        counting.take(*(f"a:{value}|d|#shard:{shard}" for value in values))
    assert counting.table.series == 10
    held = sum(len(one.sketch.positive.counts) for one in counting.table.names["a"].series.values())
    assert held < LEAST_BYTES / 30
    assert counting.table.coarse == 0
    counting = Counting(max_series=100)
    for shard in range(100):
        counting.take(*(f"a:{value}|d|#shard:{shard}" for value in values))
    assert (counting.table.series, counting.refused) == (100, {})
    assert counting.table.coarse > 0
    (family,) = counting.families().values()
    assert {it.count for it in family.distributions} == {600.0}
    assert all(sum(it.positive.values()) == 600 for it in family.distributions)


def test_series_that_end_make_room():
    counting = Counting(max_series=2, expire_seconds=1)
    counting.take("a:1|g|#n:1", "a:1|g|#n:2", "a:1|g|#n:3")
    counting.gather()
    counting.gather()
    counting.take("a:1|g|#n:3")
    assert counting.values("a") == {"n=3": 1}
    assert counting.refused == {"series_limit": 1}


def test_ever_new_spellings_of_a_series_take_no_memory():
    counting = Counting(max_series=2)
    for number in range(100):
        counting.take(f"a:1|c|#x:1|c:container-{number}")
    assert counting.values("a") == {"x=1": 100}
    assert len(counting.table._known) <= 9


def test_values_counted_in_other_buckets_are_counted(counting):
    counting.take("a:1e-300|d", "a:1|d", "a:1e300|d")
    assert counting.table.coarse == 2
