"""Events that a route has looked into, as messages of CloudWatch: JSON objects of their fields, which Logs Insights reads.

Room: aggregator sinks, pure. Never enters: the network, clocks.
"""

from collections.abc import Iterator
from dataclasses import replace

from aggregator.core.columns import MESSAGE
from aggregator.core.events import Fields
from aggregator.core.json_of import json_of
from aggregator.core.members import OWN, has_own_members, own_members
from aggregator.core.own_time import Span
from aggregator.core.records import Slice
from aggregator.core.text import decode_each

APP = "app_"  # before the name of an app's own field that would stand in our place
_DAY_NS = 24 * 3600 * 10**9
_SPAN = Span(
    before_ns=14 * _DAY_NS - 120 * 10**9, after_ns=(2 * 3600 - 120) * 10**9
)  # PutLogEvents; less the way there


def messages_of(piece: Slice, *, event_ids: bool) -> Iterator[tuple[int, str]]:
    """Of each event its time and what is sent: its fields as an object, else its text as it is, unless there is more to say of it."""
    piece = replace(
        _SPAN.within(piece), partial=False, continues=False
    )  # lines are sent as they are, parts of them, too
    details, texts = piece.known_details(), decode_each(piece.lines)
    owns = own_members(piece, event_ids=event_ids) if has_own_members(piece, event_ids=event_ids) else None
    for time_unix_ns, fields, text in zip(details.times_unix_ns, details.fields, texts, strict=True):
        own = next(owns) if owns is not None else b""
        if not own and (fields is None or details.is_source):
            yield time_unix_ns, text
        else:
            said = _unclashing({MESSAGE: text} if fields is None else fields)
            head = json_of(said)[:-1]
            yield time_unix_ns, b"".join((head, own if said else own[1:], b"}")).decode()


def _unclashing(fields: Fields) -> Fields:
    """The fields, those that are called as ours are under another name."""
    if OWN.isdisjoint(fields):
        return fields
    return {f"{APP}{name}" if name in OWN else name: value for name, value in fields.items()}
