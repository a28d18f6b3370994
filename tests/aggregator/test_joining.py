import pytest

from aggregator.core.joining import Join, Link, Place, join_of, link_after, link_of


@pytest.mark.parametrize(
    ("sequence", "newest", "link"),
    [(1, 0, Link.BEGINS), (2, 1, Link.JOINED), (9, 8, Link.JOINED), (3, 1, Link.BROKEN), (5, 0, Link.BROKEN)],
)
def test_a_number_that_does_not_follow_was_taken_elsewhere(sequence, newest, link):
    assert link_of(sequence, newest) is link


@pytest.mark.parametrize(
    ("shed", "following", "link"),
    [
        (Link.BEGINS, Link.JOINED, Link.BEGINS),
        (Link.BROKEN, Link.JOINED, Link.BROKEN),
        (Link.JOINED, Link.JOINED, Link.JOINED),
        (Link.JOINED, Link.BEGINS, Link.BEGINS),
        (Link.JOINED, Link.BROKEN, Link.BROKEN),
    ],
)
def test_a_snapshot_takes_the_place_of_the_one_that_was_shed(shed, following, link):
    assert link_after(shed, following) is link


KNOWN = Place("r1", 5, 100)


@pytest.mark.parametrize(
    ("known", "said", "link", "join"),
    [
        (None, Place("r1", 1, 1), Link.BEGINS, Join.BEGINS),
        (None, Place("r1", 6, 1), Link.JOINED, Join.UNKNOWN),  # a sink that is new here
        (None, Place("r1", 6, 1), Link.BROKEN, Join.UNKNOWN),
        (KNOWN, Place("r1", 6, 115), Link.JOINED, Join.SAME_RUN),
        (KNOWN, Place("r1", 9, 160), Link.JOINED, Join.SAME_RUN),  # those between were shed
        (KNOWN, Place("r1", 9, 160), Link.BROKEN, Join.UNKNOWN),
        (KNOWN, Place("r1", 5, 100), Link.JOINED, None),
        (KNOWN, Place("r1", 4, 85), Link.BROKEN, None),
        (KNOWN, Place("r2", 1, 120), Link.BEGINS, Join.NEW_RUN),
        (KNOWN, Place("r2", 1, 90), Link.BEGINS, Join.NEW_RUN),  # the clock was set back; a run begins once
        (KNOWN, Place("r2", 3, 120), Link.JOINED, Join.NEW_RUN),
        (KNOWN, Place("r2", 3, 120), Link.BROKEN, Join.UNKNOWN),
        (KNOWN, Place("r0", 7, 90), Link.JOINED, None),  # a late word of the life before
    ],
)
def test_how_a_snapshot_goes_on_from_a_state(known, said, link, join):
    assert join_of(known, said, link) is join
