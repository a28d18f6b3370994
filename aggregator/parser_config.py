"""Options of one entry of `parsers:`, the ready ones, and the parsers that they make.

Room: aggregator. Never enters: lines. docs/guides/parsers.md shows all of it.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, timedelta, timezone, tzinfo
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from aggregator.core.parser import Meaning, Parser
from aggregator.core.parsers_found import Reader
from aggregator.core.parsers_json import JsonReader
from aggregator.core.parsers_logfmt import LogfmtReader
from aggregator.core.parsers_pattern import PatternReader
from aggregator.core.parsers_types import CONVERSIONS
from aggregator.core.regexes import Regex, compile_regex
from aggregator.core.times import Times
from towline.plumbing.config_file import convert
from towline.plumbing.place import Place
from towline.plumbing.yaml_file import read_yaml

ParserType = Literal["regex", "json", "logfmt"]
FieldType = Literal["string", "integer", "float", "boolean", "hex", "structured_data"]
Names = str | tuple[str, ...]

_READY = Path(__file__).with_name("parsers.yaml")
_OFFSET = re.compile(r"([+-])([01]\d):?([0-5]\d)", re.ASCII)


class TimeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where an event's own time stands, and how it is written.

    field: a name, or a list: the first that is there.
    format: of strptime, or rfc3339, epoch, epoch_ms, epoch_us, epoch_ns, auto; or a list: the first that fits.
    zone: of times that say none: UTC, +02:00, Europe/Berlin.
    keep: whether the field stays.
    """

    field: Names
    format: Names = "auto"
    zone: str = "UTC"
    keep: bool = False

    def __post_init__(self) -> None:
        if not all(names_of(self.field)) or not names_of(self.field):
            raise ValueError("field: names nothing. Write the name of the field that says the time")
        try:
            zone_of(self.zone)
        except ValueError as error:
            raise ValueError(f"zone: {error}") from None
        try:
            self.times()
        except ValueError as error:
            raise ValueError(f"format: {error}") from None

    def times(self) -> Times:
        """What reads them."""
        formats = names_of(self.format)
        if not formats or not all(formats):
            raise ValueError("is empty. Write a format such as %Y-%m-%d %H:%M:%S, or auto")
        return Times(formats, zone_of(self.zone))


class ParserConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One parser.

    type: regex, json or logfmt.
    pattern: of type regex: its named groups become fields; or a list: the first that is found in the line.
    ignore_case: of type regex.
    time: without it, an event's time is that at which it was read.
    level: the field that says how bad it is; a name, or a list: the first that is there.
    priority: the field that holds syslog's number, which says the level where nothing else does.
    message: the field that becomes `message`; a name, or a list: the first that is there.
    types: what a field's text is turned into; of regex and logfmt.
    skip_empty: fields whose text is empty are left out; of regex and logfmt.
    """

    type: ParserType
    pattern: Names = ()
    ignore_case: bool = False
    time: TimeConfig | None = None
    level: Names = ()
    priority: str = ""
    message: Names = ()
    types: Mapping[str, FieldType] = {}
    skip_empty: bool = False

    def __post_init__(self) -> None:
        if self.type == "regex":
            _check_groups(self)
            return
        if self.pattern:
            raise ValueError(f"pattern: is of type regex, and this is {self.type}. Remove it, or set type to regex")
        if self.ignore_case:
            raise ValueError(f"ignore_case: is of type regex, and this is {self.type}. Remove it")
        if self.type == "json" and (self.types or self.skip_empty):
            key = "types" if self.types else "skip_empty"
            raise ValueError(f"{key}: JSON says of each member what it is. Remove it")

    def regexes(self) -> list[Regex]:
        """The patterns, compiled. Raises ValueError."""
        return [compile_regex(pattern, ignore_case=self.ignore_case) for pattern in names_of(self.pattern)]


def names_of(said: Names) -> tuple[str, ...]:
    """A name, or several, as several."""
    return (said,) if isinstance(said, str) else said


def zone_of(text: str) -> tzinfo:
    """The zone that `UTC`, `+02:00` or `Europe/Berlin` names. Raises ValueError."""
    if text in {"UTC", "GMT", "Z"}:
        return UTC
    match = _OFFSET.fullmatch(text)
    if match:
        ahead = timedelta(hours=int(match[2]), minutes=int(match[3]))
        return timezone(-ahead if match[1] == "-" else ahead)
    try:
        return ZoneInfo(text)
    except (ValueError, KeyError, OSError):  # not a name, not known, a folder of names
        raise ValueError(
            f"no zone is named {text!r}. Write UTC, an offset such as +02:00, or a name such as Europe/Berlin"
        ) from None


def build_parser(name: str, config: ParserConfig) -> Parser:
    """The parser of this configuration; its name is what lines that it cannot read are noted and counted by."""
    time = config.time
    meaning = Meaning(
        time=names_of(time.field) if time else (),
        times=time.times() if time else None,
        keep_time=time is None or time.keep,
        level=names_of(config.level),
        priority=config.priority,
        message=names_of(config.message),
    )
    digest = hashlib.blake2b(msgspec.json.encode(config), digest_size=8).hexdigest()
    return Parser(name, f"{name}:{digest}", _reader(config, () if meaning.keep_time else meaning.time), meaning)


@cache
def ready_parsers() -> Mapping[str, ParserConfig]:
    """Those that need no configuration, by name: parsers.yaml beside this file, in the form that users write."""
    place = Place(str(_READY))
    return {name: convert(values, ParserConfig, place.child(name)) for name, values in read_yaml(_READY, {}).items()}


def _reader(config: ParserConfig, left_out: Iterable[str]) -> Reader:
    conversions = {name: CONVERSIONS[kind] for name, kind in config.types.items()}
    if config.type == "json":
        return JsonReader()
    if config.type == "logfmt":
        return LogfmtReader(conversions, skip_empty=config.skip_empty)
    return PatternReader(config.regexes(), conversions, left_out=left_out, skip_empty=config.skip_empty)


def _check_groups(config: ParserConfig) -> None:
    """Each name that an option says must be a group: a misspelt one would never be found, and never say so."""
    if not names_of(config.pattern):
        raise ValueError("pattern: is missing, and type regex needs one. Write its named groups as (?<name>...)")
    try:
        regexes = config.regexes()
    except ValueError as error:
        raise ValueError(f"pattern: {error}") from None
    if not all(regex.names for regex in regexes):
        raise ValueError("pattern: has no named group, so no field comes of it. Write (?<name>...)")
    groups = dict.fromkeys(name for regex in regexes for name in regex.names)
    said = {
        "time.field": names_of(config.time.field) if config.time else (),
        "level": names_of(config.level),
        "priority": names_of(config.priority) if config.priority else (),
        "message": names_of(config.message),
        "types": tuple(config.types),
    }
    for key, names in said.items():
        for name in names:
            if name not in groups:
                raise ValueError(
                    f"{key}: the pattern has no group {name!r} (it has: {', '.join(groups)}). Write (?<{name}>...) in it"
                )
