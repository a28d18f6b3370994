"""Lines that are JSON objects, sent on as they stand: what we say is put before their last brace, a block at a time.

Room: aggregator sinks, pure. Never enters: the network, clocks. Nothing here writes JSON of an event's fields: that costs more than reading them did.
"""

from collections.abc import Sequence
from itertools import repeat
from operator import contains

import orjson

from aggregator.core.columns import MESSAGE
from aggregator.core.events import Fields, Texts
from aggregator.core.lines import Lines

APP = "app_"  # before the name of an app's own field that would stand in our place
THEIRS = frozenset(("service", "ddsource", "status"))  # an app may say these itself, as texts
RESERVED = frozenset(("hostname", "ddtags", "timestamp")) | THEIRS
INSTEAD = ("msg", "log")  # what loggers call the message
_LINE_FEED = b"\n"


def sendable(lines: Lines | Texts, fields: Sequence[Fields | None]) -> Sequence[bytes] | None:
    """The lines as they can be sent: none says a name that we say, each says its message. None where that takes a closer look.

    All or none: in a block of one app's lines all have the same members.
    """
    events = [one for one in fields if one]
    if len(events) != len(fields):
        return None
    names = names_in(events)
    clashes = names & RESERVED
    message = next((name for name in (MESSAGE, *INSTEAD) if name in names), None)
    if message is None or not clashes.isdisjoint(THEIRS):
        return None
    if not all_say(message, events):
        return None
    renamed = {name: APP + name for name in clashes}
    if message != MESSAGE:
        renamed[message] = MESSAGE
    if not names.isdisjoint(renamed.values()):
        return None
    return _renamed(lines, events, renamed) if renamed else lines


def names_in(events: Sequence[Fields]) -> set[str]:
    """All that any of them has."""
    return set().union(*events)


def all_say(name: str, events: Sequence[Fields]) -> bool:
    """Whether each has a text of that name."""
    return set(map(type, [one.get(name) for one in events])) == {str}


def spliced(lines: Sequence[bytes], ends: Sequence[bytes], times_unix_ns: Sequence[int]) -> list[bytes]:
    """Each line without its last brace, its end, its time in milliseconds, and the brace: with commas between lines, in parts."""
    parts = [b"},"] * (4 * len(lines))
    parts[0::4] = [line[:-1] for line in lines]
    parts[1::4] = ends
    parts[2::4] = stamps_of(times_unix_ns)
    parts[-1] = b"}"
    return parts


def stamps_of(times_unix_ns: Sequence[int]) -> list[bytes]:
    """Times in milliseconds, as JSON."""
    return orjson.dumps([time // 1_000_000 for time in times_unix_ns])[1:-1].split(b",")


def _renamed(lines: Lines | Texts, events: Sequence[Fields], names: dict[str, str]) -> Sequence[bytes] | None:
    """The lines with members renamed; None where a name may stand for something else, too.

    A name in quotes that stands in the block as often as there are lines, all of which have a member of that name, is that member
    (unless a line spells it with escapes).
    """
    raw = lines.text()
    if b"\\" in raw and b"\\u00" in raw:  # a single byte is found much faster than two
        return None
    for name, new in names.items():
        token = b'"%b"' % name.encode()
        parts = raw.split(token)  # and joined: half of what it costs to replace it
        if len(parts) - 1 != len(events) or sum(map(contains, events, repeat(name))) != len(events):
            return None
        raw = (b'"%b"' % new.encode()).join(parts)
    texts = raw.split(_LINE_FEED)
    return texts if len(texts) == len(events) else None
