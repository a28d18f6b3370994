"""`[PARSER]` sections to entries of `parsers:`. Only those that something names: a parsers file holds dozens.

Room: fluent_bit. Never enters: who names them. Source: Fluent Bit's manual, "Parsers".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from towline.fluent_bit.keys import Keys, words
from towline.fluent_bit.model import Property, Section
from towline.fluent_bit.names import MESSAGE, name_of
from towline.fluent_bit.patterns import Patterns
from towline.fluent_bit.report import Report

# Ours that need no definition.
READY = (
    *("json", "logfmt", "cri", "docker", "syslog", "syslog_rfc3164", "syslog_rfc5424"),
    *("apache", "apache2", "apache_error", "nginx", "klog"),
)
PLAIN_JSON = "json"
_EPOCHS: Mapping[str, str] = {"%s": "epoch", "%s.%L": "epoch", "%s.%N": "epoch"}
_TYPES: Mapping[str, str] = {
    "integer": "integer",
    "int": "integer",
    "float": "float",
    "bool": "boolean",
    "boolean": "boolean",
    "hex": "hex",
    "string": "string",
}
_LEVELS = ("level", "severity", "status")  # where Datadog, too, looks for how bad a line is
_GROUP = re.compile(r"\(\?<([A-Za-z_]\w*)>")
_REST = re.compile(r"(?P<before>.*)\(\?<(?P<name>\w+)>\.(?P<how>[*+])\)\$?", re.DOTALL)
_IGNORED: Mapping[str, str] = {
    "logfmt_no_bare_keys": "a key without a value is taken as it is",
    "time_strict": "a time that does not parse is counted, and the line keeps the time at which it was read",
    "time_system_timezone": "zones are written out: use Time_Offset",
}


@dataclass(slots=True)
class Parsers:
    """The parsers of a configuration, converted when they are first named.

    `lines`: whether a text may hold several lines, as it does where lines are joined.
    """

    sections: Sequence[Section]
    report: Report
    patterns: Patterns
    lines: bool = False
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    after: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _named: dict[str, str] = field(default_factory=dict)

    def use(self, name: str, said_by: tuple[Section, Property]) -> str:
        """The name of our parser for Fluent Bit's `name`; "" where there is none, which is reported."""
        if name in self._named:
            return self._named[name]
        section = next((one for one in self.sections if one.name == name), None)
        if section is not None:
            self._named[name] = self._convert(name, section)
        elif (ready := name.replace("-", "_")) in READY:
            self._named[name] = ready
        else:
            problem = f"no parser is named {name}. Define it in a parsers file, or take the key out"
            self.report.key(*said_by, "refused", problem)
            return ""
        return self._named[name]

    def plain_json(self) -> str:
        """A parser that takes JSON and looks for no time."""
        if PLAIN_JSON not in self.made:
            return PLAIN_JSON
        self.made["plain_json"] = {"type": "json"}
        return "plain_json"

    def rules_after(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """What is to be done to the fields once one of these parsers has found them."""
        return [rule for name in names for rule in self.after.get(name, [])]

    def first_line(self, name: str, said_by: tuple[Section, Property]) -> tuple[str, str]:
        """For `Parser_Firstline`: the pattern that begins an event, and the name of a parser of the whole event ("" where none can be).

        Fluent Bit adds the lines that follow to the last group of the first one's pattern.
        """
        section = next((one for one in self.sections if one.name == name), None)
        used = self.use(name, said_by)
        pattern = str(self.made.get(used, {}).get("pattern", ""))
        if section is None or not pattern:
            if used:
                problem = (
                    f"the parser {name} has no Regex, so no line can be the first. Name a parser with Format regex"
                )
                self.report.key(*said_by, "refused", problem)
            return "", ""
        rest = _REST.fullmatch(pattern)
        if rest is None:
            return pattern, ""
        whole = f"{rest['before']}(?<{rest['name']}>(?s:.{rest['how']}))\\Z"
        other = name_of(f"{name}_lines", self.made, "parser")
        self.made[other] = {**self.made[used], "pattern": whole}
        return pattern, other

    def report_unused(self) -> None:
        """Say of the parsers that nobody named that they were not looked at."""
        for section in self.sections:
            if section.name not in self._named:
                self.report.section(section, "ignored", "no input and no filter names it")

    def _convert(self, name: str, section: Section) -> str:
        keys = Keys(section, self.report, self.patterns.variables)
        kind = keys.text("format").lower()
        made: dict[str, Any] = {"type": kind}
        groups: list[str] | None = None
        if kind == "regex":
            made["pattern"] = _pattern(keys, self.patterns, lines=self.lines)
            groups = _GROUP.findall(made["pattern"])
        elif kind not in {"json", "logfmt"}:
            problem = f"Towline has no parser of format {kind or '(none)'}. Write it as regex"
            self.report.section(section, "refused", problem)
        made.update(_time(keys, groups))
        made["level"] = [one for one in _LEVELS if groups is None or one in groups]
        made["message"] = "log" if groups is None or "log" in groups else ""
        made["types"] = _types(keys, groups)
        made["skip_empty"] = keys.flag("skip_empty_values", default=True) and kind != "json"
        if kind == "json":
            del made["types"]
        made = {key: value for key, value in made.items() if value}
        ours = name_of(name, self.made, "parser")
        self.made[ours] = made
        self.after[ours] = self._decoders(keys)
        keys.finish("refused", _IGNORED)
        return ours

    def _decoders(self, keys: Keys) -> list[dict[str, Any]]:
        """`Decode_Field` and `Decode_Field_As`: JSON within a field."""
        rules = []
        for key in ("decode_field", "decode_field_as"):
            for one in keys.all(key):
                decoder, name, *_ = [*words(one.value, 3), "", ""]
                if decoder != "json" or not name:
                    keys.say(one, "ignored", "JSON is read with its escapes, and other texts stay as they are")
                    continue
                keep = key == "decode_field"
                told = "a rule" if keep else "a rule: its members stand beside the other fields"
                keys.say(one, "mapped", f"{told} `parse: {{with: json}}`")
                rules.append(json_within(MESSAGE if name == "log" else name, self.plain_json(), keep=keep))
        return rules


def json_within(name: str, parser: str, *, keep: bool) -> dict[str, Any]:
    """A rule that reads JSON in a field, where it looks like JSON."""
    rule = {"field": name, "with": parser, "keep": keep}
    return {"parse": rule, "when": {"field": name, "matches": r"^\s*\{"}}


def _pattern(keys: Keys, patterns: Patterns, *, lines: bool) -> str:
    found = keys.all("regex")
    if not found:
        keys.report.section(keys.section, "refused", "has no Regex. Write one")
        return ".*"
    try:
        pattern, found_notes = patterns.ours(found[0].value, lines=lines)
    except ValueError as error:
        keys.say(found[0], "refused", str(error))
        return ".*"
    if not _GROUP.search(pattern):
        keys.say(found[0], "refused", "has no named group, so no field comes of it. Write (?<name>...)")
        return pattern
    same = pattern == found[0].value
    notes = "; ".join(found_notes) or ("" if same else "the same in our syntax")
    keys.say(found[0], "honoured" if same else "mapped", notes)
    return pattern


def _time(keys: Keys, groups: Sequence[str] | None) -> dict[str, Any]:
    """`time:` of a parser. Without a format Fluent Bit reads no time. `groups`: of its pattern, where it has one."""
    written = keys.text("time_format")
    name = keys.text("time_key", "time")
    keep = keys.flag("time_keep")
    zone = keys.text("time_offset", "", "mapped", "time.zone")
    zone = keys.text("time_zone", zone, "mapped", "time.zone")
    if not written or (groups is not None and name not in groups):
        return {}
    time: dict[str, Any] = {"field": name, "format": _EPOCHS.get(written, written)}
    if zone:
        time["zone"] = zone
    if keep:
        time["keep"] = True
    return {"time": time}


def _types(keys: Keys, groups: Sequence[str] | None) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in keys.all("types"):
        pairs = [word.partition(":") for word in one.value.split()]
        unknown = [kind for _, _, kind in pairs if kind.lower() not in _TYPES]
        if unknown:
            keys.say(one, "refused", f"there is no type {unknown[0]}. Use one of: {', '.join(dict.fromkeys(_TYPES))}")
            continue
        found.update((name, _TYPES[kind.lower()]) for name, _, kind in pairs if groups is None or name in groups)
        keys.say(one, "honoured")
    return found
