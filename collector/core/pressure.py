"""What to let go of when the volume fills up: Towline never evicts its app (protocol rule 12).

Room: core. Never enters: the file system (what is used is passed in).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

STORED_ABOVE = 0.80  # custody ends at stored: unlinked files are let go without waiting for delivery ...
DELIVERED_BELOW = 0.75  # ... until there is room again
GIVE_UP_ABOVE = 0.90

Level = Literal["delivered", "stored"]


@dataclass(frozen=True, slots=True)
class Backlog:
    """A rotated or unlinked file with bytes that are not stored. `age` sorts older files first; only an unlinked one frees its space."""

    stream_id: str
    epoch: int
    stored: int
    size: int
    unlinked: bool
    age: int


@dataclass(frozen=True, slots=True)
class GivenUp:
    """The range `[start, end)` of (stream, epoch) is not read any more: a gap frame with reason `given_up`."""

    stream_id: str
    epoch: int
    start: int
    end: int


def level_at(used_bytes: int, limit_bytes: int, before: Level) -> Level:
    """How far custody reaches with so much of the volume used; it changes back later than it changed. No limit: always `delivered`."""
    share = used_bytes / limit_bytes if limit_bytes else 0.0
    if share > STORED_ABOVE or (share >= DELIVERED_BELOW and before == "stored"):
        return "stored"
    return "delivered"


def to_give_up(used_bytes: int, limit_bytes: int, backlogs: Iterable[Backlog]) -> list[GivenUp]:
    """The oldest unstored ranges to give up, until the use is at 90 %: of unlinked files first, closing those frees space at once.

    The live file is never given up: without reclaim nothing would be won by it.
    """
    too_much = used_bytes - GIVE_UP_ABOVE * limit_bytes if limit_bytes else 0.0
    given_up: list[GivenUp] = []
    for one in sorted(backlogs, key=lambda one: (not one.unlinked, one.age, one.stream_id)):
        if too_much <= 0:
            break
        if one.stored < one.size:
            given_up.append(GivenUp(one.stream_id, one.epoch, one.stored, one.size))
            too_much -= one.size
    return given_up
