from hypothesis import given
from hypothesis import strategies as st

from aggregator.core.fairness import FairTurns


def served(turns, sizes, rounds):
    """Who was served how many bytes, each line of `sizes[who]` bytes."""
    totals = dict.fromkeys(sizes, 0)
    for _ in range(rounds):
        who = turns.whose()
        totals[who] += sizes[who]
        turns.spend(who, sizes[who])
    return totals


def test_nobody_waits_in_an_empty_ring():
    assert FairTurns(100).whose() is None


def test_a_pod_is_served_until_its_credit_is_spent_then_the_next():
    turns = FairTurns(100)
    turns.keep(["a", "b"])
    order = []
    for _ in range(8):
        who = turns.whose()
        order.append(who)
        turns.spend(who, 50)
    assert order == ["a", "a", "b", "b", "a", "a", "b", "b"]


@given(st.lists(st.integers(1, 500), min_size=2, max_size=6))
def test_pods_get_equal_bytes_whatever_the_size_of_their_lines(sizes):
    turns = FairTurns(100)
    sizes = {f"pod{index}": size for index, size in enumerate(sizes)}
    turns.keep(sizes)
    totals = served(turns, sizes, 3000)
    assert max(totals.values()) - min(totals.values()) <= 100 + 2 * max(sizes.values())


def test_a_pod_passed_over_keeps_its_place():
    turns = FairTurns(100)
    turns.keep(["a", "b", "c"])
    assert turns.whose() == "a"
    assert turns.whose({"a"}) == "b"
    assert turns.whose() == "a"


def test_nobody_is_next_when_all_are_passed_over():
    turns = FairTurns(100)
    turns.keep(["a"])
    assert turns.whose({"a"}) is None


def test_a_pod_that_left_and_came_back_brings_no_credit():
    turns = FairTurns(100)
    turns.keep(["a", "b"])
    turns.whose()
    turns.leave("a")
    turns.keep(["a", "b"])
    assert turns.whose() == "b"


def test_who_waits_no_more_is_forgotten():
    turns = FairTurns(100)
    turns.keep(["a", "b"])
    turns.keep(["b"])
    assert turns.whose() == "b"
