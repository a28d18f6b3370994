"""JSON members that one event has for itself, whatever the destination.

Room: aggregator core. Never enters: vendors, sockets, clocks.
"""

from collections.abc import Iterator

import orjson

from aggregator.core.events import CUT, TIME, UNPARSED
from aggregator.core.records import Slice

EVENT_ID, PARTIAL, CONTINUES = "evt_id", "towline_partial", "towline_continues"
OWN = frozenset((EVENT_ID, PARTIAL, CONTINUES, UNPARSED, CUT, TIME))  # all of these names


def has_own_members(piece: Slice, *, event_ids: bool) -> bool:
    """Whether any event of `piece` needs members that its neighbours do not share."""
    return event_ids or piece.partial or piece.continues or (piece.details is not None and any(piece.details.notes))


def own_members(piece: Slice, *, event_ids: bool) -> Iterator[bytes]:
    """For each event, with a comma before each member: its id, whether it is only a part of a line, what was noted of it."""
    last = len(piece) - 1
    ids = piece.event_ids() if event_ids else None
    notes = piece.details.notes if piece.details is not None else None
    for index in range(len(piece)):
        own = b',"evt_id":"%b"' % ids[index].encode() if ids else b""
        if piece.partial and index == last:
            own += b',"towline_partial":true'
        if piece.continues and index == 0:
            own += b',"towline_continues":true'
        if notes is not None and (noted := notes[index]):
            own += b"," + orjson.dumps(noted)[1:-1]
        yield own
