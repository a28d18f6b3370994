"""Parsers in the way of a block: what they find stands beside the lines, what they cannot read goes on as it came, noted and counted.

Room: aggregator core. Never enters: which parsers there are, sinks. A `Parse` and a `Step` of plan.py.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from aggregator.core.events import TIME, UNPARSED, Count, Details, Fields, Notes, Tally
from aggregator.core.log_fields import field_of
from aggregator.core.parser import Parsed, Parser
from aggregator.core.parsers_found import Source
from aggregator.core.records import Slice

__all__ = ["FieldParsing", "Parsed", "Parser", "Parsing"]

_MESSAGE = "message"


class Parsing:
    """Parsers, tried in their order: the first that fits an event says what it is."""

    def __init__(self, parsers: Sequence[Parser]) -> None:
        """`parsers`: at least one."""
        self._parsers = parsers
        self.name = ",".join(parser.name for parser in parsers)
        self.key = ",".join(parser.key for parser in parsers)

    def apply(self, piece: Slice) -> Slice:
        """The same events with what was found of them."""
        if not len(piece):
            return piece
        found = _first_fit(self._parsers, Source(piece.lines), piece.read_unix_ns)
        tally = Tally(piece.tally)
        notes = found.notes(self.name, tally)
        known = piece.details
        times = found.times_unix_ns
        if known is not None:
            times = [
                before if time == piece.read_unix_ns else time
                for time, before in zip(times, known.times_unix_ns, strict=True)
            ]
            notes = [_both(before, note) for before, note in zip(known.notes, notes, strict=True)]
        details = Details(
            fields=found.fields, times_unix_ns=times, levels=found.levels, notes=notes, is_source=found.is_source
        )
        return replace(piece, details=details, tally=tally)


class FieldParsing:
    """The rule `parse`: the text of a field is parsed, and its members become the event's. `keep`: the field stays, too.

    An event without the field, or whose field is no text, passes untouched. The field `message` is the text of an event that has no fields.
    """

    def __init__(self, field: str, parsers: Sequence[Parser], *, keep: bool = False) -> None:
        self._field = field
        self._parsers = parsers
        self._keep = keep
        self.name = ",".join(parser.name for parser in parsers)

    def apply(self, piece: Slice) -> Slice:
        """The same events; those whose field was parsed with what was found in it."""
        details = piece.known_details()
        said = self._said(piece, details)
        if not said:
            return piece
        found = _first_fit(self._parsers, Source.of(list(said.values())), piece.read_unix_ns)
        tally = Tally(piece.tally)
        notes = list(details.notes)
        fields, times, levels = list(details.fields), list(details.times_unix_ns), list(details.levels)
        for at, (index, note) in enumerate(zip(said, found.notes(self.name, tally), strict=True)):
            inner = found.fields[at]
            if note:
                notes[index] = _both(notes[index], note)
            if inner is not None:
                fields[index] = self._merged(fields[index], inner)
                levels[index] = found.levels[at] or levels[index]
                if found.times_unix_ns[at] != piece.read_unix_ns:
                    times[index] = found.times_unix_ns[at]
        changed = Details(fields=fields, times_unix_ns=times, levels=levels, notes=notes)
        return replace(piece, details=changed, tally=tally)

    def _said(self, piece: Slice, details: Details) -> dict[int, str]:
        """Texts to parse, by the event's number."""
        name, said = self._field, dict[int, str]()
        value: object
        for index, fields in enumerate(details.fields):
            if fields is not None:
                value = field_of(fields, name)
            else:
                value = piece.lines[index].decode("utf-8", "replace") if name == _MESSAGE else None
            if isinstance(value, str):
                said[index] = value
        return said

    def _merged(self, fields: Fields | None, inner: Fields) -> Fields:
        outer = fields or {}
        return {**(outer if self._keep else _without(outer, self._field)), **inner}


class _Found:
    """What several parsers found, together. Those that were asked later fill what was left."""

    def __init__(self, parsed: Parsed, name: str) -> None:
        self.fields = parsed.fields
        self.times_unix_ns = parsed.times_unix_ns
        self.levels = parsed.levels
        self.left = [] if all(self.fields) else [index for index, one in enumerate(self.fields) if one is None]
        self.is_source = parsed.is_source or len(self.left) == len(self.fields)
        self._time_faults: dict[int, str] = {}
        self._note_faults(range(len(self.fields)), parsed, name)

    def add(self, parsed: Parsed, name: str) -> None:
        """What another parser found in the texts that were left."""
        asked = self.left
        for at, index in enumerate(asked):
            self.fields[index] = parsed.fields[at]
            self.times_unix_ns[index] = parsed.times_unix_ns[at]
            self.levels[index] = parsed.levels[at]
        self._note_faults(asked, parsed, name)
        self.left = [index for index in asked if self.fields[index] is None]
        self.is_source = self.is_source and (parsed.is_source or len(self.left) == len(asked))

    def notes(self, name: str, tally: Tally) -> list[Notes | None]:
        """What is noted of each event; counted in `tally`. name: of all parsers that were asked."""
        notes: list[Notes | None] = [None] * len(self.fields)
        unparsed, no_time = {UNPARSED: name}, {TIME: "unparsed"}
        for index in self.left:
            notes[index] = unparsed
        for index in self._time_faults:
            notes[index] = no_time
        tally.note(Count("unparsed", name), len(self.left))
        for parser, events in Counter(self._time_faults.values()).items():
            tally.note(Count("time_unparsed", parser), events)
        return notes

    def _note_faults(self, asked: Sequence[int], parsed: Parsed, name: str) -> None:
        if True in parsed.time_faults:
            faulty = (index for index, fault in zip(asked, parsed.time_faults, strict=True) if fault)
            self._time_faults.update(dict.fromkeys(faulty, name))


def _first_fit(parsers: Sequence[Parser], source: Source, read_unix_ns: int) -> _Found:
    found = _Found(parsers[0].read(source, read_unix_ns), parsers[0].name)
    for parser in parsers[1:]:
        if not found.left:
            break
        found.add(parser.read(source.picked(found.left), read_unix_ns), parser.name)
    return found


def _without(fields: Fields, name: str) -> Fields:
    """Without the field of this name, or path; what others may hold is left as it is."""
    if name in fields or "." not in name:
        return {key: value for key, value in fields.items() if key != name}
    first, _, rest = name.partition(".")
    inner = fields.get(first)
    return {**fields, first: _without(inner, rest)} if isinstance(inner, dict) else fields


def _both(before: Notes | None, note: Notes | None) -> Notes | None:
    return {**before, **note} if before and note else before or note
