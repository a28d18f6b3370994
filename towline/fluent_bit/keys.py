"""One section, read key by key: what is asked for is reported as it is used, and what nobody asked for is said.

Room: fluent_bit. Never enters: what a plugin does.
"""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from towline.fluent_bit.model import Property, Section, is_true
from towline.fluent_bit.report import Report, Verdict
from towline.fluent_bit.variables import UnsetError, Variables
from towline.plumbing.place import closest

T = TypeVar("T")
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
# Of every plugin: they say how Fluent Bit runs it, not what it does.
EVERYWHERE: Mapping[str, str] = {
    "alias": "names a plugin in Fluent Bit's own metrics",
    "log_level": "there is one level for all, in log_level",
    "log_suppress_interval": "an event is logged once",
    "threaded": "work is divided without it",
    "workers": "the sink's lanes do this",
    "mem_buf_limit": "nothing is buffered in the pod's memory: what waits stays in its file",
    "storage.type": "what waits stays in its file, then in the aggregator's journal",
    "storage.pause_on_chunks_overlimit": "what waits stays in its file",
    "storage.total_limit_size": "the sink's share of the journal does this",
    "retry_limit": "nothing is given up: the journal keeps it until the destination has it",
    "routable": "routes say where lines go",
}


class Keys:
    """Asks a section for its keys. A value that cannot be used is reported as refused, and the default is returned."""

    def __init__(self, section: Section, report: Report, variables: Variables) -> None:
        self.section, self.report, self.variables = section, report, variables
        self._asked = {"name"}
        self._refused: set[Property] = set()

    # Values.

    def text(self, key: str, default: str = "", verdict: Verdict = "honoured", why: str = "") -> str:
        """The value with every variable replaced now."""
        return self._one(key, default, self.variables.now, (verdict, why))

    def later(self, key: str, default: str = "", verdict: Verdict = "honoured", why: str = "") -> str:
        """The value for our YAML, where variables of the environment stay."""
        return self._one(key, default, self.variables.later, (verdict, why))

    def flag(self, key: str, *, default: bool = False, verdict: Verdict = "honoured", why: str = "") -> bool:
        return is_true(self.text(key, "on" if default else "off", verdict, why))

    def number(self, key: str, default: float, verdict: Verdict = "honoured", why: str = "") -> float:
        def parse(text: str) -> float:
            return float(self.variables.now(text))

        return self._one(key, default, parse, (verdict, why))

    def all(self, key: str) -> list[Property]:
        """Every property of that name; whoever asks reports each."""
        self._asked.add(key)
        return list(self.section.all(key))

    def has(self, key: str) -> bool:
        return self.section.first(key) is not None

    def now(self, one: Property) -> str:
        """As `text`, of a property that `all` gave. "" where a variable has no value, which is reported."""
        return self._guarded(one, lambda: self.variables.now(one.value.strip()))

    def kept(self, one: Property, part: str) -> str:
        """As `later`, of a part of a property's value."""
        return self._guarded(one, lambda: self.variables.later(part.strip()))

    def template(self, one: Property, part: str) -> str:
        """A part of a property's value as a template of the pod's identity."""
        return self._guarded(one, lambda: self.variables.template(part.strip()))

    # Reporting.

    def say(self, key: Property, verdict: Verdict, why: str = "") -> None:
        self._asked.add(key.key)
        if key in self._refused:
            return
        if verdict == "refused":
            self._refused.add(key)
        self.report.key(self.section, key, verdict, why)

    def ignore(self, reasons: Mapping[str, str]) -> None:
        """These keys, where they stand there and nobody asked for them, are ignored for these reasons."""
        for key, why in reasons.items():
            if key not in self._asked:
                for one in self.all(key):
                    self.say(one, "ignored", why)

    def refuse(self, reasons: Mapping[str, str]) -> None:
        for key, why in reasons.items():
            for one in self.all(key):
                self.say(one, "refused", why)

    def finish(self, unknown: Verdict, known: Mapping[str, str] | None = None) -> None:
        """Say what becomes of the keys that nobody asked for: those of every plugin, `known` ones, then all others."""
        for one in (*self.all("match"), *self.all("match_regex")):
            self.say(one, "mapped", "the paths of routes")
        self.ignore({**EVERYWHERE, **(known or {})})
        for one in self.section.properties:
            if one.key not in self._asked:
                near = closest(one.key, self._asked)
                why = f"is no key that Towline knows of.{near} "
                fix = "Take it out" if unknown == "refused" else "Nothing is done for it"
                self.report.key(self.section, one, unknown, why + fix)

    def _guarded(self, one: Property, read: Callable[[], str]) -> str:
        try:
            return read()
        except UnsetError as error:
            self.say(one, "refused", str(error))
            return ""

    def _one(self, key: str, default: T, read: Callable[[str], T], said: tuple[Verdict, str]) -> T:
        found = self.all(key)
        for one in found[1:]:
            self.say(one, "ignored", "stands there twice: the first counts")
        if not found:
            return default
        try:
            value = read(found[0].value.strip())
        except ValueError as error:
            why = str(error) if isinstance(error, UnsetError) else "is not a number. Write one"
            self.say(found[0], "refused", why)
            return default
        self.say(found[0], *said)
        return value


def words(value: str, most: int) -> list[str]:
    """At most so many words, the last with all that is left; one may stand in quotes."""
    found: list[str] = []
    at = 0
    while len(found) < most - 1 and (match := _WORD.match(value, at := at + _blanks(value, at))):
        found.append(_unquoted(match))
        at = match.end()
    rest = value[at:].strip()
    if not rest:
        return found
    whole = _WORD.fullmatch(rest)
    return [*found, _unquoted(whole) if whole else rest]


def _unquoted(match: re.Match[str]) -> str:
    return match[2] if match[1] is None else match[1].replace('\\"', '"')


def _blanks(value: str, at: int) -> int:
    return len(value) - at - len(value[at:].lstrip())
