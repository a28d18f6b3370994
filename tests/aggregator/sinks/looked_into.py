"""Slices that a route has looked into, made by hand."""

from dataclasses import replace

import orjson

from aggregator.core.events import Details, Texts
from tests.aggregator.sinks.batches import NOW_NS, piece


def events(*fields, times=None, levels=None, notes=None, is_source=False, texts=None, **more):
    """A slice of events with these fields; None for one that nobody could parse. Their texts are their JSON, or `texts`."""
    lines = texts or [b"plain" if one is None else orjson.dumps(one) for one in fields]
    made = piece(lines, **more)
    details = Details(
        fields=list(fields),
        times_unix_ns=times or [made.read_unix_ns] * len(fields),
        levels=levels or [""] * len(fields),
        notes=notes or [None] * len(fields),
        is_source=is_source,
    )
    return replace(made, details=details)


def joined(*texts, **more):
    """Events of several lines each, of which nothing else is known."""
    made = piece(list(texts), **more)
    return replace(made, lines=Texts(texts), ends=made.known_ends())


MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS
TIMES = [NOW_NS - HOUR_NS, NOW_NS, NOW_NS + MINUTE_NS]
