"""`[MULTILINE_PARSER]` sections to entries of `multiline:`.

Room: fluent_bit. Never enters: who names them. Source: Fluent Bit's manual, "Multiline parsing".
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from towline.fluent_bit.keys import Keys, words
from towline.fluent_bit.model import Property, Section
from towline.fluent_bit.names import name_of
from towline.fluent_bit.patterns import Patterns
from towline.fluent_bit.report import Report

READY = ("python", "java", "go", "ruby", "node", "json")
# Of container runtimes: what they write is parsed line by line here.
AS_PARSERS: Mapping[str, str] = {"cri": "cri", "docker": "docker"}
START = "start_state"
_FROM_START = "start"
_ENDED = "ended"  # a state without rules: nothing more belongs to the event
_IGNORED: Mapping[str, str] = {
    "key_content": "the line itself is looked at",
    "key_group": "each file is a stream of its own",
    "buffer": "open events are held by the aggregator",
}
_REFUSED: Mapping[str, str] = {
    "parser": "lines are joined before they are parsed. Name the parser in the input or in a parser filter",
    "key_pattern": "the line itself is looked at. Take it out",
    "negate": "Towline has no negated patterns for it. Write the pattern of the lines that begin an event",
}


@dataclass(slots=True)
class Joins:
    """The multiline parsers of a configuration, converted when they are first named."""

    sections: Sequence[Section]
    report: Report
    patterns: Patterns
    made: dict[str, dict[str, Any]] = field(default_factory=dict)
    _named: dict[str, str] = field(default_factory=dict)

    def use(self, names: str, said_by: tuple[Section, Property]) -> tuple[list[str], list[str]]:
        """Our multiline rules and our parsers for Fluent Bit's list of names."""
        joins: list[str] = []
        parsers: list[str] = []
        for name in filter(None, (part.strip() for part in names.split(","))):
            section = next((one for one in self.sections if one.name == name), None)
            if name in self._named:
                joins.append(self._named[name])
            elif section is not None:
                self._named[name] = self._convert(name, section)
                joins.append(self._named[name])
            elif name in READY:
                joins.append(name)
            elif name in AS_PARSERS:
                parsers.append(AS_PARSERS[name])
            else:
                problem = f"no multiline parser is named {name}. Define it, or take it out"
                self.report.key(*said_by, "refused", problem)
        return joins, parsers

    def first_line(self, name: str, pattern: str, flush_seconds: float) -> str:
        """The rule of an input with `Parser_Firstline`: events begin where the pattern is found."""
        ours = name_of(name, (*self.made, *READY), "lines")
        self.made[ours] = {"start": pattern} | ({"timeout_seconds": flush_seconds} if flush_seconds else {})
        return ours

    def report_unused(self) -> None:
        for section in self.sections:
            if section.name not in self._named:
                self.report.section(section, "ignored", "no input and no filter names it")

    def _convert(self, name: str, section: Section) -> str:
        keys = Keys(section, self.report, self.patterns.variables)
        kind = keys.text("type", "regex").lower()
        flush_ms = _milliseconds(keys)
        written = keys.all("rule")
        rules = [made for one in written if (made := _rule(one, keys, self.patterns))]
        if kind != "regex":
            self.report.section(section, "refused", f"Towline has no multiline rule of type {kind}. Write it as regex")
        elif len(rules) == len(written) and (not rules or rules[0]["from"] != _FROM_START):
            self.report.section(
                section, "refused", f"its first rule is not {START}. Write the rule of first lines first"
            )
        keys.refuse(_REFUSED)
        keys.finish("refused", _IGNORED)
        ours = name_of(name, (*self.made, *READY), "lines")
        self.made[ours] = {"rules": rules} | ({"timeout_seconds": flush_ms / 1000} if flush_ms else {})
        return ours


def _milliseconds(keys: Keys) -> float:
    """`flush_timeout`: milliseconds, or a number with its unit."""
    found = keys.all("flush_timeout")
    if not found:
        return 0
    match = re.fullmatch(r"([0-9.]+)\s*(ms|s|m)?", found[0].value.strip())
    if match is None:
        keys.say(found[0], "refused", "is not a time. Write milliseconds")
        return 0
    keys.say(found[0], "honoured")
    return float(match[1]) * {"s": 1000, "m": 60_000}.get(match[2] or "ms", 1)


def _rule(one: Property, keys: Keys, patterns: Patterns) -> dict[str, str] | None:
    state, pattern, following = [*words(one.value, 3), "", "", ""][:3]
    try:
        made = {
            "from": _FROM_START if state == START else state,
            "regex": patterns.ours(pattern).pattern,
            "to": _ENDED if following in {START, ""} else following,
        }
    except ValueError as error:
        keys.say(one, "refused", str(error))
        return None
    keys.say(one, "honoured")
    return made
