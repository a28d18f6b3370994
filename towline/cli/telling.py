"""What `towline explain` found out, as text: from top to bottom as lines go, in the columns of a terminal.

Room: the front door. Never enters: what happens to lines.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import yaml

from towline.cli.showing import as_json, plain, scalar, worded, wrapped

if TYPE_CHECKING:
    from aggregator.case_config import Given
    from aggregator.explaining import Destination, Event, Explained, Step
    from aggregator.routes_met import RouteMet

_OUTCOMES = {
    "dropped": "dropped by rule {by}",
    "taken": "taken by route {by}, which does not lead here",
    "not taken": "not sent: no route takes it",
}
_OURS = {"towline_level": "level", "towline_at": "time"}  # what every event has, as its record says it
_LABEL_COLUMNS = 9


def told(explained: "Explained", given: "Given", width: int) -> Iterator[str]:
    """All of it, in lines of at most `width` columns, but for names that are longer."""
    yield from worded("stream   ", _stream(given), width)
    for route in explained.routes:
        yield from _route(route, width)
    if not explained.routes:
        yield from worded("routes   ", "there are none: each destination gets every line as it came", width)
    if not explained.destinations:
        yield ""
        yield "No route leads these lines anywhere."
    for several in _alike(explained.destinations):
        yield ""
        yield from _destinations(several, width)


def _stream(given: "Given") -> str:
    pod, origin = given.pod, given.origin
    known = {
        "namespace": pod.namespace,
        "pod": pod.name,
        "workload": pod.workload,
        "container": origin.container,
        "source": origin.source,
        "service": origin.service,
        "path": origin.path,
    }
    labels = [f"{key}={value}" for key, value in pod.labels.items()]
    parts = [f"{key} {value}" for key, value in known.items() if value]
    return plain(", ".join([*parts, *(["labels " + " ".join(labels)] if labels else [])]))


def _route(route: "RouteMet", width: int) -> Iterator[str]:
    name = plain(f"route {route.name}")
    if route.reached:
        what = f"matches, leads to {', '.join(route.to)}"
    else:
        what = f"matches, but {route.why}" if route.matches else f"does not match: {route.why}"
    yield from worded("", f"{name} ({route.key}) {plain(what)}", width)


def _alike(destinations: "Sequence[Destination]") -> "list[list[Destination]]":
    """Destinations on the way to which the same is done are told together."""
    groups: list[list[Destination]] = []
    for one in destinations:
        for group in groups:
            if list(map(_way, group[0].events)) == list(map(_way, one.events)) and group[0].joined_by == one.joined_by:
                group.append(one)
                break
        else:
            groups.append([one])
    return groups


def _way(event: "Event") -> tuple[Any, ...]:
    return event.first_line, event.text, event.routes, event.outcome, event.by, event.record


def _destinations(several: "Sequence[Destination]", width: int) -> Iterator[str]:
    named = " and ".join(f"{one.sink} ({one.type})" for one in several)
    joined = f", lines joined by {', '.join(several[0].joined_by)}" if several[0].joined_by else ""
    yield from worded("", f"== to {named}{joined}", width)
    for events in zip(*(one.events for one in several), strict=True):
        yield ""
        yield from _event(events[0], width)
        yield from _ends(several, events, width)


def _event(event: "Event", width: int) -> Iterator[str]:
    lines = event.text.split("\n")
    last = event.first_line + len(lines) - 1
    yield f"line {event.first_line}" if len(lines) == 1 else f"lines {event.first_line} to {last}"
    for line in lines:
        yield from wrapped("  | ", plain(line), width)
    for tried in event.routes:
        if tried.steps or len(event.routes) > 1:
            yield plain(f"  route {tried.route}")
        for step in tried.steps:
            yield from _step(step, width)


def _ends(several: "Sequence[Destination]", events: "Sequence[Event]", width: int) -> Iterator[str]:
    """What each destination gets of an event."""
    first = events[0]
    if first.outcome != "sent":
        yield from worded("  => ", plain(_OUTCOMES[first.outcome].format(by=first.by)), width)
        return
    for destination, event in zip(several, events, strict=True):
        where = event.sent.where if event.sent is not None else ""
        yield from worded("  => ", plain(f"sent to {destination.sink}: {where}"), width)
        for record in event.sent.records if event.sent is not None else ():
            yield from _record(record, "     ", width)


def _step(step: "Step", width: int) -> Iterator[str]:
    head = f"    {step.kind:<{_LABEL_COLUMNS}} "
    yield from worded(head, plain(_said_of(step)), width)
    sides = [("-", name, value) for name, value in step.removed.items()]
    sides += [("+", name, value) for name, value in step.added.items()]
    for name, (before, after) in step.changed.items():
        if name not in _OURS:
            sides += [("-", name, before), ("+", name, after)]
    for sign, name, value in sorted(sides, key=lambda one: one[1]):
        yield from wrapped(f"      {sign} {plain(name)}: ", plain(scalar(value)), width)


def _said_of(step: "Step") -> str:
    ours = "".join(f", {word} {step.changed[name][1]}" for name, word in _OURS.items() if name in step.changed)
    if step.kind == "parse" and not step.name:
        return f"by {step.by}{ours}" if step.by else f"{' and '.join(step.said)} cannot read it"
    said = flow(step.said)
    if step.kind == "where":
        return f"{said}: {step.result}"
    when = "" if step.when is not False else ", as `when` is not met"
    return f"{step.name}, {said}: {step.result}{ours}{when}"


def flow(values: Any) -> str:
    """Options as YAML in one line."""
    text: str = yaml.safe_dump(values, default_flow_style=True, sort_keys=False, allow_unicode=True, width=1 << 20)
    return text.removesuffix("\n").removesuffix("\n...")


def _record(record: Any, margin: str, width: int) -> Iterator[str]:
    """A member a line, as YAML would have it."""
    if not isinstance(record, Mapping):
        yield from wrapped(margin, as_json(record), width)
        return
    for name, value in record.items():
        head = f"{margin}{plain(str(name))}: "
        if isinstance(value, Mapping) and value:
            yield head.rstrip()
            yield from _record(value, f"{margin}  ", width)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            yield from wrapped(head, as_json(value), width)
        else:
            yield from wrapped(head, plain(scalar(value)), width)
