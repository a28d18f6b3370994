"""Tags to routes: which files' lines pass which filters, and go to which outputs.

Room: fluent_bit. Never enters: what filters and outputs do.

A line goes to a sink by the first route that leads there, so routes of narrower paths stand before those of wider ones: `cells`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from towline.fluent_bit.context import Context, Rule
from towline.fluent_bit.filters import Filter, parse_rule
from towline.fluent_bit.inputs import Lines
from towline.fluent_bit.model import Section
from towline.fluent_bit.names import MESSAGE, name_of
from towline.fluent_bit.outputs import Output
from towline.fluent_bit.tags import STAR, Tagged, UnclearError, meet

NEVER = "towline_no_such_field"


@dataclass(frozen=True, slots=True)
class Cell:
    """Files that pass the same filters, but for those of cells before it."""

    glob: str
    filters: tuple[Filter, ...] = ()


@dataclass(slots=True)
class Body:
    """What routes do to lines."""

    multiline: list[str] = field(default_factory=list)
    parse: list[str] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)


@dataclass(slots=True)
class Reached:
    """Where an input's lines go: `routes`; `files`: for each of its paths, those patterns of it that an output's own keys are for."""

    routes: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)


def routes_of(
    lines: Lines, filters: Sequence[Filter], outputs: Sequence[Output], context: Context, taken: set[str]
) -> Reached:
    """The routes of one input, in their order. `taken`: names of routes that are given already."""
    reached = Reached()
    for tagged in lines.tagged:
        cells = _cells(tagged, filters, context)
        for cell in cells:
            body = _body(lines, cell, context)
            for output in outputs:
                if not output.takes_lines:
                    continue
                globs = _meet(output.section, tagged, context, within=cell.glob)
                if globs:
                    _add(reached.routes, globs, body, output)
                    _own(reached.files, globs, output, context)
    reached.routes = _merged(reached.routes)
    _leave_out(lines, reached.routes)
    base = lines.section.text("alias") or lines.tag.replace(STAR, "")
    for route in reached.routes:
        name = name_of(base, taken, "route")
        taken.add(name)
        route["name"] = name
    reached.routes = [_ordered(route) for route in reached.routes]
    return reached


def _cells(tagged: Tagged, filters: Sequence[Filter], context: Context) -> list[Cell]:
    cells = [Cell(tagged.glob)]
    for one in filters:
        made: list[Cell] = []
        for cell in cells:
            globs = [cell.glob] if one.always else _meet(one.section, tagged, context, within=cell.glob)
            made += [Cell(glob, (*cell.filters, one)) for glob in globs]
            if cell.glob not in globs:
                made.append(cell)
        cells = made
    return cells


def _meet(section: Section, tagged: Tagged, context: Context, *, within: str) -> list[str]:
    """The path patterns, of the files of `within`, whose lines a filter or an output is for."""
    try:
        return _match(section, tagged._replace(glob=within))
    except (UnclearError, re.error) as error:
        context.report.section(
            section, "refused", f"Match {error}. Match whole tags, or give the files inputs of their own"
        )
        return []


def _match(section: Section, tagged: Tagged) -> list[str]:
    expression = section.text("match_regex")
    if not expression:
        return meet(tagged, section.text("match").strip())
    tag = tagged.before + tagged.after
    if tagged.has_path or STAR in tag:
        if expression in {".*", ".+", "^.*$", "^.*"}:
            return [tagged.glob]
        raise UnclearError("is by Match_Regex, and a tag holds the path")
    return [tagged.glob] if re.search(expression, tag) else []


def _body(lines: Lines, cell: Cell, context: Context) -> Body:
    """Filters in their order. A parser of the line, and what joins lines, come first in a route: so they must come first here."""
    body = Body(list(lines.joins), list(lines.parse), [*lines.rules, *context.parsers.rules_after(lines.parse)])
    before = len(body.rules)
    for one in cell.filters:
        is_first = len(body.rules) == before and not body.parse
        if one.joins and (not is_first or body.multiline):
            context.report.section(
                one.section, "refused", "joins lines that were parsed or changed before. Put it first"
            )
        body.multiline += one.joins
        if one.parse and is_first:
            body.parse = list(one.parse)
        elif one.parse:
            body.rules.append(parse_rule(MESSAGE, one.parse))
        body.rules += one.rules
    return body


def _add(routes: list[dict[str, Any]], globs: list[str], body: Body, output: Output) -> None:
    """A route more, or one that is there already and leads to one sink or path more."""
    made: dict[str, Any] = {"match": {"path": list(globs)}} if globs != [""] else {}
    for key, value in (("multiline", body.multiline), ("parse", body.parse), ("rules", [*body.rules, *output.rules])):
        if value:
            made[key] = list(value)
    for route in routes:
        if {key: value for key, value in route.items() if key != "to"} == made:
            route["to"] = list(dict.fromkeys([*route["to"], output.name]))
            return
    routes.append({**made, "to": [output.name]})


def _merged(routes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours that differ in their paths only become one."""
    made: list[dict[str, Any]] = []
    for route in routes:
        before = made[-1] if made else {}
        if before and {**before, "match": None} == {**route, "match": None} and "match" in before and "match" in route:
            paths = [*before["match"]["path"], *route["match"]["path"]]
            made[-1] = {**before, "match": {"path": list(dict.fromkeys(paths))}}
        else:
            made.append(route)
    return made


def _own(files: dict[str, dict[str, Any]], globs: Sequence[str], output: Output, context: Context) -> None:
    for glob in globs:
        own = files.setdefault(glob, {})
        for key, value in output.own.items():
            if own.setdefault(key, value) != value:
                problem = f"gives its lines another {key} than an output before it. Give both the same"
                context.report.section(output.section, "refused", problem)


def _leave_out(lines: Lines, routes: list[dict[str, Any]]) -> None:
    """A route before all others takes the lines of files that are another input's, and drops them."""
    sinks = list(dict.fromkeys(name for route in routes for name in route["to"]))
    if lines.dropped and sinks:
        drop = {"drop": {"not": {"field": NEVER, "exists": True}}}
        routes.insert(0, {"match": {"path": list(dict.fromkeys(lines.dropped))}, "rules": [drop], "to": sinks})


def _ordered(route: dict[str, Any]) -> dict[str, Any]:
    """As people read it. One name stands for a list of one."""
    made: dict[str, Any] = {}
    for key in ("name", "match", "multiline", "parse", "rules", "to"):
        if key in route:
            value = route[key]
            made[key] = value[0] if key in {"multiline", "parse"} and len(value) == 1 else value
    return made
