"""Room for several texts: who has to go when together they are too much."""

from hypothesis import given
from hypothesis import strategies as st

from collector.core.room import Room


def test_the_largest_goes_and_the_others_stay():
    room = Room(100)
    assert [room.hold(0, 30), room.hold(1, 60), room.hold(2, 20)] == [[], [], [1]]
    assert room.hold(0, 80) == []


def test_one_alone_may_have_all_of_it_and_no_more():
    room = Room(100)
    assert (room.hold(0, 100), room.hold(0, 101)) == ([], [0])


def test_who_leaves_makes_room():
    room = Room(100)
    room.hold(0, 90)
    room.leave(0)
    room.leave(0)
    assert room.hold(1, 90) == []


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(1, 400)), max_size=80))
def test_together_they_never_hold_more_and_nobody_within_its_share_has_to_go(growths):
    room, held, gone = Room(600), {}, set()
    for place, more in growths:
        if place in gone:
            continue
        held[place] = held.get(place, 0) + more
        for one in room.hold(place, held[place]):
            assert held.pop(one) > 100
            gone.add(one)
        assert sum(held.values()) <= 600
