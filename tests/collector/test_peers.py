from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from collector.core.peers import Peers, by_preference

ADDRESSES = [f"10.0.0.{number}" for number in range(1, 6)]


def peers(*addresses):
    made = Peers(pod_uid="u", failover_seconds=120)
    made.resolved(addresses)
    made.choose(0.0)
    return made


def test_pods_spread_over_the_addresses():
    first = Counter(by_preference(f"uid-{number}", ADDRESSES)[0] for number in range(1000))
    assert min(first.values()) > 120


def test_an_address_that_goes_moves_only_those_who_preferred_it():
    for number in range(200):
        before = by_preference(f"uid-{number}", ADDRESSES)
        after = by_preference(f"uid-{number}", ADDRESSES[:-1])
        assert [one for one in before if one != ADDRESSES[-1]] == after


def test_the_order_of_name_resolution_does_not_matter():
    assert by_preference("u", ADDRESSES) == by_preference("u", ADDRESSES[::-1] + ADDRESSES)


def test_the_preferred_address_is_chosen_first():
    assert peers(*ADDRESSES).current == by_preference("u", ADDRESSES)[0]


def test_nothing_resolved_is_nothing_chosen():
    assert Peers(pod_uid="u", failover_seconds=120).choose(0.0) == ""


def test_a_name_that_resolves_to_nothing_for_once_forgets_nothing():
    made = peers(*ADDRESSES)
    made.resolved([])
    assert len(made.addresses) == 5


def test_an_address_that_vanished_from_name_resolution_is_kept_until_it_is_silent():
    made = peers("a", "b")
    kept = made.current
    made.resolved(["c", "d"])
    assert made.choose(1000.0) == kept
    made.silent(1000.0)
    assert made.choose(1120.0) in ("c", "d")


def test_a_single_address_is_kept_however_silent_it_is():
    made = peers("a")
    made.silent(0.0)
    assert made.choose(10_000.0) == "a"
    assert made.silent_since == 0.0


def test_a_new_peer_begins_with_a_clean_sheet():
    made = peers("a", "b")
    made.silent(0.0)
    made.heard(1.0, leaving=True)
    made.silent(2.0)
    made.choose(200.0)
    assert (made.silent_since, made.leaving_since) == (None, None)


def test_silence_begins_with_the_first_silent_request():
    made = peers("a", "b")
    made.silent(5.0)
    made.silent(100.0)
    assert made.silent_since == 5.0


def test_in_a_drain_a_silent_or_leaving_peer_goes_at_once_and_one_that_answers_stays():
    made = peers("a", "b")
    first = made.current
    assert made.choose(0.0, draining=True) == first
    made.silent(0.0)
    second = made.choose(0.0, draining=True)
    assert second != first
    made.heard(0.0, leaving=True)
    assert made.choose(0.0, draining=True) == first


@given(st.lists(st.sampled_from(ADDRESSES), min_size=1, unique=True))
def test_in_a_drain_every_address_is_tried_before_one_is_tried_again(addresses):
    made = peers(*addresses)
    tried = [made.current]
    for now in range(len(addresses) - 1):
        made.silent(float(now))
        tried.append(made.choose(float(now), draining=True))
    assert sorted(tried) == sorted(addresses)
