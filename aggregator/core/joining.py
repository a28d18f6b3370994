"""How a pod's snapshot goes on from the one before it: whether what both count may be subtracted.

Room: aggregator core. Never enters: values, sinks, journals.

A collector numbers its snapshots 1, 2, 3, ... in each of its lives (`run`), whichever journal takes them. So a number that does not follow the
last one here was taken by another journal, which counts it; what lies between is not ours to count.
"""

from enum import IntEnum
from typing import NamedTuple


class Link(IntEnum):
    """What the journal saw when it took a snapshot. The numbers stand in its file."""

    BROKEN = 0  # the one before it was taken elsewhere
    JOINED = 1  # the one before it in its run was taken here as well
    BEGINS = 2  # it is the first of its run, or what was shed before it goes back to the first


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


def link_of(sequence: int, newest: int) -> Link:
    """How a new snapshot follows `newest`, the last one of its run that was taken here (0: none)."""
    if sequence == 1:
        return Link.BEGINS
    return Link.JOINED if sequence == newest + 1 and newest else Link.BROKEN


def link_after(shed: Link, following: Link) -> Link:
    """How a snapshot follows what was taken, once the one before it is shed: a break stays a break, and a begin goes on to its successor."""
    return shed if following is Link.JOINED else following


def join_of(known: Place | None, said: Place, link: Link) -> Join | None:
    """How `said` goes on from `known`; None where it is not newer, and nothing may be made of it."""
    if known is None:
        return Join.BEGINS if link is Link.BEGINS else Join.UNKNOWN
    if said.run == known.run:
        if said.sequence <= known.sequence:
            return None
        return Join.UNKNOWN if link is Link.BROKEN else Join.SAME_RUN
    # A run begins once; later ones of another run than the newest can only be told by the pod's clock.
    if link is not Link.BEGINS and said.taken_unix_ns <= known.taken_unix_ns:
        return None
    return Join.UNKNOWN if link is Link.BROKEN else Join.NEW_RUN
