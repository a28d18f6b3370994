"""The aggregator's options: names, types, defaults. config/base/aggregator.yaml shows them all.

Room: aggregator. Never enters: sinks themselves (the registry is passed in), files but the configuration.
"""

import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import msgspec

from aggregator.case_config import CaseConfig
from aggregator.multiline_config import MultilineConfig
from aggregator.parser_config import ParserConfig
from aggregator.route_config import RouteConfig, plans_of, unknown_sinks
from aggregator.sink import SinkOptions, Spec
from towline.plumbing.address import parse_listen
from towline.plumbing.config_file import build_component, convert
from towline.plumbing.errors import ConfigError
from towline.plumbing.logs import Level
from towline.plumbing.place import Place, raise_if_any
from towline.plumbing.sizes import PositiveSeconds, PositiveSize, Seconds, share_bytes
from towline.plumbing.yaml_file import read_yaml

_SINK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")  # it becomes a metric label and part of the journal's rows


class HttpConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where collectors, Prometheus and people come in: /v1/*, /metrics, /status, /healthz, /readyz.

    listen: `host:port`.
    max_body_bytes: of one request; larger ones get 413.
    header_timeout_seconds: for a request's head to arrive.
    body_timeout_seconds: for its body to arrive.
    """

    listen: str = "0.0.0.0:8080"
    max_body_bytes: PositiveSize = 16 << 20
    header_timeout_seconds: PositiveSeconds = 10
    body_timeout_seconds: PositiveSeconds = 30

    def __post_init__(self) -> None:
        try:
            parse_listen(self.listen)
        except ValueError as error:
            raise ValueError(f"listen: {error}") from None


class JournalConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is stored until every destination has it.

    path: the journal's file; its folder must be writable, and durable where losing stored data matters.
    max_bytes: all that the journal may occupy, log, reserve and a set-aside file included.
    """

    path: str = "/var/lib/towline/journal.db"
    max_bytes: PositiveSize = 2 << 30


class AuthConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may ship.

    mode: `none` (whoever reaches the port) or `static_token` (whoever knows one of the tokens).
    token_files: files with one token each, read again when they change; several, so that tokens can be replaced one by one.
    """

    mode: Literal["none", "static_token"] = "none"
    token_files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.mode == "static_token" and not self.token_files:
            raise ValueError("token_files: is missing, and mode is static_token. Name at least one file")
        if not all(self.token_files):
            raise ValueError("token_files: holds a name that is empty. Name a file, or remove it")
        if self.mode == "none" and self.token_files:
            raise ValueError(
                "token_files: would not be read, as mode is none. Set mode to static_token, or remove them"
            )


class MarksConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is remembered of streams.

    keep: how long the aggregator runs without hearing of a pod before it forgets the pod's marks.
    """

    keep: PositiveSeconds = 7 * 86400


class DrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long leaving may take, after SIGTERM. Keep it below the pod's terminationGracePeriodSeconds.

    grace_seconds: for what is stored to be delivered.
    """

    grace_seconds: Seconds = 300


class AggregatorConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole of aggregator.yaml.

    sinks: destinations by name. `type` says which; `share`, `when_full` and `event_id` are every sink's options, the rest
        are the type's own. `sinks_of` converts them.
    parsers: how lines of one's own are read, by name, beside the ready ones.
    multiline: how lines of one's own are joined, by name, beside the ready ones.
    routing: `all` (each route that matches a line leads it on) or `first` (only the first).
    routes: what goes to which sinks; without any, every push sink gets everything.
    tests: cases that the routes are to pass: `towline test` runs them.
    log_level: of the aggregator's own log, on stderr.
    """

    http: HttpConfig = HttpConfig()
    journal: JournalConfig = JournalConfig()
    auth: AuthConfig = AuthConfig()
    sinks: Mapping[str, Any]
    parsers: Mapping[str, ParserConfig] = {}
    multiline: Mapping[str, MultilineConfig] = {}
    routing: Literal["all", "first"] = "all"
    routes: tuple[RouteConfig, ...] = ()
    tests: tuple[CaseConfig, ...] = ()
    marks: MarksConfig = MarksConfig()
    drain: DrainConfig = DrainConfig()
    log_level: Level = "info"


@dataclass(frozen=True, slots=True)
class SinkConfig:
    """One destination of the configuration, converted but not built: `spec.build(config, surroundings)` makes the sink."""

    name: str
    options: SinkOptions
    spec: Spec[Any, Any]
    config: Any  # of type `spec.config`


def load(path: Path, registry: Mapping[str, Spec[Any, Any]], env: Mapping[str, str] | None = None) -> AggregatorConfig:
    """Read aggregator.yaml and check all that it says, sinks included. Raises ConfigError, which holds every problem, one a line.

    What it only points to (secrets) is looked at when its parts are built (parts.py).
    """
    place = Place(str(path))
    values = read_yaml(path, os.environ if env is None else env)
    problems: list[str] = []
    config: AggregatorConfig | None = None
    try:
        config = convert(values, AggregatorConfig, place)
        problems += _route_problems(config, place) + _idle_route_problems(config, registry, place)
    except ConfigError as error:
        problems.append(str(error))
    if isinstance(values.get("sinks"), dict):
        try:
            _convert_sinks(values["sinks"], registry, place, config.journal.max_bytes if config else sys.maxsize)
        except ConfigError as error:
            problems.append(str(error))
    raise_if_any(problems)
    return cast("AggregatorConfig", config)


def sinks_of(
    config: AggregatorConfig, registry: Mapping[str, Spec[Any, Any]], file: str = "aggregator.yaml"
) -> dict[str, SinkConfig]:
    """The destinations by name, in the order of the file, each converted by its row of `registry`. Raises ConfigError."""
    return _convert_sinks(config.sinks, registry, Place(file), config.journal.max_bytes)


def _convert_sinks(
    sinks: Mapping[str, Any], registry: Mapping[str, Spec[Any, Any]], file: Place, journal_bytes: int
) -> dict[str, SinkConfig]:
    place = file.child("sinks")
    problems: list[str] = []
    converted: dict[str, SinkConfig] = {}
    for name, values in sinks.items():
        try:
            sink = _convert_sink(name, values, registry, place.child(name))
            problems += _sink_problems(sink, place.child(name), journal_bytes)
            converted[name] = sink
        except ConfigError as error:
            problems.append(str(error))
    problems += _second_problems(converted.values(), place)
    if not sinks:
        problems.append(place.says("names no destination. Add one, such as out: {type: file, path: /data/{pod}.jsonl}"))
    raise_if_any(problems)
    return converted


def _convert_sink(name: str, values: Any, registry: Mapping[str, Spec[Any, Any]], place: Place) -> SinkConfig:
    """Split a sink's options into every sink's and its type's own, and convert both."""
    common = [key for key in SinkOptions.__struct_fields__ if key != "type"]
    own = {key: value for key, value in values.items() if key not in common} if isinstance(values, dict) else values
    spec, component = build_component(own, registry, place, common)
    shared = {key: value for key, value in values.items() if key in SinkOptions.__struct_fields__}
    return SinkConfig(name, convert(shared, spec.options, place), spec, component)


def _sink_problems(sink: SinkConfig, place: Place, journal_bytes: int) -> list[str]:
    problems = []
    if not _SINK_NAME.fullmatch(sink.name):
        problems.append(place.says("is not a name for a sink. Use up to 63 letters, digits, - and _"))
    try:
        share_bytes(sink.options.share, journal_bytes)
    except ValueError as error:
        problems.append(place.child("share").says(str(error)))
    return problems


def _second_problems(sinks: Iterable[SinkConfig], place: Place) -> list[str]:
    """Where there are two of a type of which there can be one."""
    first: dict[str, str] = {}
    return [
        place.child(sink.name).says(
            f"is the second of type {sink.options.type}, and there is room for one: it would do nothing. Remove it, or {first[sink.options.type]}"
        )
        for sink in sinks
        if sink.spec.is_single and first.setdefault(sink.options.type, sink.name) != sink.name
    ]


def _route_problems(config: AggregatorConfig, place: Place) -> list[str]:
    problems = unknown_sinks(config.routes, config.sinks, place)
    try:
        plans_of(config, place.file, config.sinks)
    except ConfigError as error:
        problems.append(str(error))
    return problems


def _idle_route_problems(config: AggregatorConfig, registry: Mapping[str, Spec[Any, Any]], place: Place) -> list[str]:
    """Where a route leads to nobody who takes what follows routes."""
    types = {name: str(values.get("type")) for name, values in config.sinks.items() if isinstance(values, dict)}
    idle = {name: kind for name, kind in types.items() if kind in registry and not registry[kind].takes_lines}
    return [
        place.child("routes")
        .item(index)
        .child("to")
        .says(
            f"leads to nobody who takes lines: {', '.join(f'{name} (type {idle[name]})' for name in route.to)}. "
            "Such sinks get the metrics of every pod, without a route. Name one that takes lines, or remove the route"
        )
        for index, route in enumerate(config.routes)
        if route.to and idle.keys() >= set(route.to)
    ]
