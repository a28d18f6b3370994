"""Fluent Bit's classic format to sections: `[NAME]`, indented `Key value`, `@INCLUDE`, `@SET`.

Room: fluent_bit. Never enters: what the keys mean. Source: Fluent Bit's manual, "Format and Schema" of the classic mode.
"""

import re

from towline.fluent_bit.model import KINDS, Kind, Property, Section, Setup
from towline.fluent_bit.source import Texts
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place

_SECTION = re.compile(r"\[\s*([A-Za-z_]+)\s*\]")
_META = re.compile(r"@(include|set)\s+(.*)", re.IGNORECASE)
_UNCONVERTED = ("custom", "plugins", "stream_task", "upstream", "node")
MAX_DEPTH = 10


def read_classic(text: str, file: str, texts: Texts, into: Setup) -> None:
    """Add the sections of `text` and of what it includes to `into`. Raises ConfigError, which names the line."""
    _Reader(texts, into).read(text, file, 1)


class _Reader:
    def __init__(self, texts: Texts, into: Setup) -> None:
        self._texts, self._into = texts, into
        self._kind: Kind | None = None
        self._properties: list[Property] | None = None

    def read(self, text: str, file: str, depth: int) -> None:
        for number, line in enumerate(text.splitlines(), 1):
            bare = line.strip()
            if not bare or bare.startswith("#"):
                continue
            meta, section = _META.fullmatch(bare), _SECTION.fullmatch(bare)
            if meta and meta[1].lower() == "include":
                self._include(meta[2].strip(), file, number, depth)
            elif meta:
                self._set(meta[2], file, number)
            elif section:
                self._begin(section[1].lower(), file, number)
            else:
                self._add(bare, file, number)

    def _begin(self, name: str, file: str, line: int) -> None:
        self._properties = []
        if name not in KINDS:
            if name not in _UNCONVERTED:
                raise _wrong(file, line, f"there is no section [{name.upper()}]. Use one of: {', '.join(KINDS)}")
            return
        self._into.sections.append(Section(name, self._properties, file, line))

    def _add(self, line: str, file: str, number: int) -> None:
        if self._properties is None:
            raise _wrong(
                file, number, "a key stands there before any section. Write a section such as [INPUT] above it"
            )
        key, *rest = line.split(None, 1)
        self._properties.append(Property(key.lower(), rest[0] if rest else "", file, number))

    def _set(self, assignment: str, file: str, line: int) -> None:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise _wrong(file, line, "@SET without a name and a value. Write @SET name=value")
        self._into.variables[name.strip()] = value.strip()

    def _include(self, pattern: str, file: str, line: int, depth: int) -> None:
        if depth >= MAX_DEPTH:
            raise _wrong(file, line, f"@INCLUDE goes deeper than {MAX_DEPTH} files. Does a file include itself?")
        found = self._texts.named(pattern, from_file=file)
        if not found and not any(letter in pattern for letter in "*?["):
            raise _wrong(file, line, f"@INCLUDE: there is no file {pattern}. Mount it beside this one")
        for name, text in found:
            self.read(text, name, depth + 1)


def _wrong(file: str, line: int, problem: str) -> ConfigError:
    return ConfigError(Place(file, f"line {line}").says(problem))
