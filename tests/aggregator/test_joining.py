import pytest

from aggregator.core.joining import Chain, Join, Place, join_of

KNOWN = Place("r1", 5, 100)
LATE = False  # the pod's snapshot before it was of another run
ON = True


@pytest.mark.parametrize(
    ("known", "said", "chain", "join"),
    [
        (None, Place("r1", 1, 1), Chain(1, LATE), Join.BEGINS),
        (None, Place("r1", 6, 1), Chain(1, ON), Join.BEGINS),  # those before it were shed
        (None, Place("r1", 6, 1), Chain(6, ON), Join.UNKNOWN),  # a sink that is new here, or another aggregator before
        (None, Place("r1", 7, 1), Chain(6, ON), Join.UNKNOWN),
        (KNOWN, Place("r1", 6, 115), Chain(1, ON), Join.SAME_RUN),
        (KNOWN, Place("r1", 9, 160), Chain(5, ON), Join.SAME_RUN),  # those between were shed
        (KNOWN, Place("r1", 9, 160), Chain(7, ON), Join.UNKNOWN),  # 6 was taken elsewhere, 7 and 8 were shed
        (KNOWN, Place("r1", 9, 160), Chain(9, ON), Join.UNKNOWN),
        (KNOWN, Place("r1", 6, 90), Chain(1, ON), Join.SAME_RUN),  # the clock was set back
        (KNOWN, Place("r1", 5, 100), Chain(1, ON), None),
        (KNOWN, Place("r1", 4, 85), Chain(4, ON), None),
        (KNOWN, Place("r2", 1, 120), Chain(1, LATE), Join.NEW_RUN),
        (KNOWN, Place("r2", 3, 120), Chain(1, ON), Join.NEW_RUN),
        (KNOWN, Place("r2", 3, 120), Chain(2, ON), Join.UNKNOWN),
    ],
)
def test_how_a_snapshot_goes_on_from_a_state(known, said, chain, join):
    assert join_of(known, said, chain) is join


@pytest.mark.parametrize("sequence", [1, 7])
def test_a_late_word_of_a_life_that_is_over_is_passed_over(sequence):
    assert join_of(KNOWN, Place("r0", sequence, 90), Chain(1, LATE)) is None


def test_a_life_that_goes_on_is_no_late_word_whatever_the_clock_says():
    assert join_of(KNOWN, Place("r2", 1, 90), Chain(1, LATE)) is None  # nobody can tell yet
    assert join_of(KNOWN, Place("r2", 2, 92), Chain(1, ON)) is Join.NEW_RUN


@pytest.mark.parametrize("chain", [Chain(1, LATE), Chain(1, ON), Chain(7, ON), Chain(1 << 53, LATE)])
def test_a_chain_comes_out_of_the_journal_as_it_went_in(chain):
    assert Chain.unpacked(chain.packed(), 1 << 53) == chain
    assert 0 < chain.packed() < 1 << 63


def test_a_chain_that_cannot_be_read_starts_at_its_own_snapshot():
    assert Chain.unpacked(0, 9) == Chain(9, LATE)
