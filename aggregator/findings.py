"""What works and is hardly what was meant, in parsers, routes and rules: for `towline check`, and for who changes a configuration.

Room: aggregator, above its configuration. Never enters: lines, sinks. Everything said is certain: nothing is guessed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from aggregator.config import AggregatorConfig
from aggregator.findings_routes import idle_joins, unreachable
from aggregator.findings_rules import route_findings
from aggregator.parser_config import ParserConfig, ready_parsers
from aggregator.route_config import names_of
from towline.plumbing.place import Place

_FITS_EVERYTHING = re.compile(r"\^?\(\?P?<\w+>\.\*\)\$?")


def findings(config: AggregatorConfig, file: str) -> list[str]:
    """Each as `file: key: what is wrong. what to do`. Of a configuration that is known to be good."""
    place = Place(file)
    parsers = {**ready_parsers(), **config.parsers}
    lost = unreachable(config, place)
    found = []
    for index, route in enumerate(config.routes):
        at = place.child("routes").item(index)
        if index in lost:
            found.append(lost[index])
        own, _ = route_findings(route, index, parsers, at)
        found += [*_second_parsers(names_of(route.parse), parsers, at.child("parse")), *own]
    return [*found, *idle_joins(config, place), *_unused(config, place)]


def _second_parsers(names: Sequence[str], parsers: Mapping[str, ParserConfig], place: Place) -> Iterator[str]:
    """Parsers that are never asked, as one before them reads everything that they could."""
    for number, name in enumerate(names):
        if name in names[:number]:
            yield place.says(f"names {name} twice. The second is never asked: remove it")
        elif any(_fits_everything(parsers[earlier]) for earlier in names[:number]):
            before = next(earlier for earlier in names[:number] if _fits_everything(parsers[earlier]))
            yield place.says(
                f"{name} is never asked, as {before} before it reads every line. Put it before, or remove it"
            )


def _fits_everything(parser: ParserConfig) -> bool:
    return parser.type == "regex" and any(map(_FITS_EVERYTHING.fullmatch, names_of(parser.pattern)))


def _unused(config: AggregatorConfig, place: Place) -> Iterator[str]:
    """What is written for routes that none of them names."""
    parsers = {name for route in config.routes for name in names_of(route.parse)}
    parsers |= {name for route in config.routes for values in route.rules for name in _parsers_of(values)}
    joins = {name for route in config.routes for name in names_of(route.multiline)}
    for key, written, named, where in (
        ("parsers", config.parsers, parsers, "in a route's `parse`, or in a rule `parse`"),
        ("multiline", config.multiline, joins, "in a route's `multiline`"),
    ):
        for name in written:
            if name not in named:
                yield place.child(key).child(name).says(f"no route uses it. Name it {where}, or remove it")


def _parsers_of(values: Any) -> tuple[str, ...]:
    said = values.get("parse") if isinstance(values, Mapping) else None
    return names_of(tuple(said["with"]) if isinstance(said["with"], list) else said["with"]) if said else ()
