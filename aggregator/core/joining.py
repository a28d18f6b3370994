"""How a pod's snapshot goes on from the one before it: whether what both count may be subtracted.

Room: aggregator core. Never enters: values, sinks, journals.

A collector numbers its snapshots 1, 2, 3, ... in each of its lives (`run`), whichever journal takes them. So a number that does not follow the
last one here was taken by another journal, which counts it; what lies between is not ours to count.
"""

from enum import IntEnum
from typing import NamedTuple


class Chain(NamedTuple):
    """What the journal knew of a run, for one sink, as it took a snapshot. True for ever, whatever becomes of the snapshots before it.

    start: the snapshots of the run from this number up to this one were taken here without a hole; 1: there are no others.
    goes_on: the one that the pod had sent here before this one was of the same run.
    """

    start: int
    goes_on: bool

    def packed(self) -> int:
        """As it stands in the journal's file; 0 is never one."""
        return 2 * self.start + self.goes_on

    @classmethod
    def unpacked(cls, number: int, sequence: int) -> "Chain":
        """Of a snapshot of this number. 0 is what could not be read: nothing is known then of those before it."""
        start, goes_on = divmod(number, 2)
        return cls(start or sequence, goes_on=bool(goes_on))


class Join(IntEnum):
    """How a snapshot goes on from a pod's state."""

    UNKNOWN = 0  # there is no state, or it was elsewhere meanwhile: values are noted, nothing can be subtracted
    BEGINS = 1  # there is no state, and its run begins: only what began at 0 with it is known whole
    SAME_RUN = 2  # the state is of this run
    NEW_RUN = 3  # the state is of the run before: what began at 0 with this run is known whole


class Place(NamedTuple):
    """Which snapshot a pod's state is of."""

    run: str
    sequence: int
    taken_unix_ns: int


def join_of(known: Place | None, said: Place, chain: Chain) -> Join | None:
    """How `said` goes on from `known`; None where it is not newer, and nothing may be made of it."""
    is_whole = chain.start == 1
    if known is None:
        return Join.BEGINS if is_whole else Join.UNKNOWN
    if said.run == known.run:
        if said.sequence <= known.sequence:
            return None
        return Join.SAME_RUN if chain.start <= known.sequence else Join.UNKNOWN
    # Lives have no order but the pod's clock, which may have been set back. A life that is over has one late word at most, as a collector
    # sends one snapshot at a time: two in a row are of a life that goes on.
    if not chain.goes_on and said.taken_unix_ns <= known.taken_unix_ns:
        return None
    return Join.NEW_RUN if is_whole else Join.UNKNOWN
