"""Cases: lines as an app writes them, and what is to become of them at each destination. docs/design/processing.md shows the form.

Room: aggregator. Never enters: sinks, the journal. What runs here is what the forwarder runs, on one block.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from aggregator.case_config import CaseConfig, Given, unix_ns_of
from aggregator.core.columns import said_by, texts_of
from aggregator.core.events import Count, Tally
from aggregator.core.lines import Lines
from aggregator.core.plan import Plan
from aggregator.core.records import Slice
from aggregator.core.route import Plans
from aggregator.sinks.file.payload import rfc3339
from towline.plumbing.place import Place, closest
from towline.wire.identity import Origin, Pod

LEVEL, TIME = "towline_level", "towline_at"
Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a case's lines, by sink. A record is an event's fields (else its text as `message`), and what we noted of it."""

    records: Mapping[str, Sequence[Record]]
    tallies: Mapping[str, Mapping[Count, int]]

    def dropped(self, sink: str | None = None) -> dict[str, int]:
        """How many each rule dropped, on the way to one sink or to any: where it leads to several, it drops the same for each."""
        found: dict[str, int] = {}
        for tally in self.tallies.values() if sink is None else [self.tallies.get(sink, {})]:
            for count, events in tally.items():
                if count.kind == "dropped":
                    found[count.by] = max(events, found.get(count.by, 0))
        return found


def run_case(plans: Plans, given: Given) -> Outcome:
    """Run lines through the routes, as one block that is all of a stream."""
    piece = slice_of(given)
    pod, origin = piece.pod, piece.origin
    records: dict[str, list[Record]] = {}
    tallies: dict[str, Mapping[Count, int]] = {}
    for sink in plans.routes.owed(pod, origin):
        tally, records[sink] = Tally(), []
        for made in processed(plans.of(sink, pod, origin), piece):
            records[sink] += records_of(made)
            tally = tally.with_all(made.tally)
        tallies[sink] = tally
    return Outcome(records, tallies)


def processed(plan: Plan | None, piece: Slice) -> Iterator[Slice]:
    """The events of a whole stream on the way to one sink."""
    if plan is None:
        yield piece
        return
    events = [piece]
    if plan.joining is not None:
        joined = plan.joining.join(None, piece)
        last = plan.joining.join(joined.open, None).complete if joined.open is not None else ()
        events = [*joined.complete, *last]
    for one in events:
        yield plan.apply(one)


def records_of(piece: Slice) -> list[Record]:
    """Events as a case sees them."""
    details = piece.known_details()
    columns = zip(texts_of(piece), details.fields, details.levels, details.times_unix_ns, details.notes, strict=True)
    return [
        {**said_by(fields, text), **(notes or {}), LEVEL: level or "info", TIME: rfc3339(time)}
        for text, fields, level, time, notes in columns
    ]


def problems_of(cases: Sequence[CaseConfig], plans: Plans, place: Place) -> list[str]:
    """What cases expect and do not get: nothing where all hold. `place`: of the list of cases."""
    problems: list[str] = []
    for index, case in enumerate(cases):
        at = place.item(index)
        unknown = unknown_sinks(case, plans.routes.push_sinks, at)
        problems += unknown or [
            at.says(f"{case.name}: {fault}") for fault in faults_of(case, run_case(plans.anew(), case.given))
        ]
    return problems


def faults_of(case: CaseConfig, outcome: Outcome) -> Iterator[str]:
    """Each difference between what a case expects and what became of its lines, in words."""
    for sink, wanted in case.expect.items():
        found = outcome.records.get(sink, ())
        if len(wanted) != len(found):
            yield f"{sink} is to get {_events(len(wanted))}, and gets {_events(len(found))}{_list_of(found)}"
            continue
        for number, (one, record) in enumerate(zip(wanted, found, strict=True)):
            for key, value in _fields_of(one).items():
                if record.get(key) != value:
                    yield f"{sink}[{number}].{key} is to be {value!r}, and is {record.get(key)!r}"
    dropped = outcome.dropped()
    for rule, count in case.dropped.items():
        if dropped.get(rule, 0) != count:
            known = f" (dropped: {', '.join(f'{one} {events}' for one, events in dropped.items())})" if dropped else ""
            yield f"rule {rule} is to drop {_events(count)}, and drops {_events(dropped.get(rule, 0))}{known}"


def slice_of(given: Given) -> Slice:
    """The lines of a case as a block."""
    whole = given.lines.removesuffix("\n") if isinstance(given.lines, str) else "\n".join(given.lines)
    text = whole.encode("utf-8", "replace") + b"\n"  # YAML can spell what is no text
    return Slice(
        block_id=1,
        stream="0" * 32,
        epoch=0,
        start=0,
        end=len(text),
        lines=Lines(text),
        pod=Pod(**msgspec.structs.asdict(given.pod)),
        origin=Origin(**msgspec.structs.asdict(given.origin)),
        read_unix_ns=unix_ns_of(given.read),
    )


def _fields_of(expected: Any) -> Mapping[str, Any]:
    return expected if isinstance(expected, Mapping) else {"message": expected}


def unknown_sinks(case: CaseConfig, sinks: Collection[str], place: Place) -> list[str]:
    """What is wrong with the names in `expect`."""
    return [
        place.child("expect").says(
            f"no sink of lines is named {name!r}.{closest(name, sinks)} Use one of: {', '.join(sinks)}"
        )
        for name in case.expect
        if name not in sinks
    ]


def _events(count: int) -> str:
    return "nothing" if not count else f"{count} event" + "s" * (count > 1)


def _list_of(records: Sequence[Record]) -> str:
    said = "; ".join(str(record.get("message", "")) or str(dict(record)) for record in records[:3])
    return f": {said}{'; ...' if len(records) > 3 else ''}" if records else ""
