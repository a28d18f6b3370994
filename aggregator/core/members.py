"""JSON members that one line has for itself, whatever the destination.

Room: aggregator core. Never enters: vendors, sockets, clocks.
"""

from collections.abc import Iterator

from aggregator.core.records import Slice


def has_own_members(piece: Slice, *, event_ids: bool) -> bool:
    """Whether any line of `piece` needs members that its neighbours do not share."""
    return event_ids or piece.partial or piece.continues


def own_members(piece: Slice, *, event_ids: bool) -> Iterator[bytes]:
    """For each line, with a comma before each member: its id, and whether it is only a part of a line."""
    last = len(piece) - 1
    ids = piece.event_ids() if event_ids else None
    for index in range(len(piece)):
        own = b',"evt_id":"%b"' % ids[index].encode() if ids else b""
        if piece.partial and index == last:
            own += b',"towline_partial":true'
        if piece.continues and index == 0:
            own += b',"towline_continues":true'
        yield own
