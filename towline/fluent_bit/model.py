"""A Fluent Bit configuration as it stands in its files: sections of keys, each with its place.

Room: fluent_bit. Never enters: what the keys mean.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["service", "input", "filter", "output", "parser", "multiline_parser"]
KINDS: tuple[Kind, ...] = ("service", "input", "filter", "output", "parser", "multiline_parser")

TRUE = frozenset({"on", "true", "yes", "1"})


@dataclass(frozen=True, slots=True)
class Property:
    """One key with its value. `key` is in small letters, as Fluent Bit does not tell letters apart; `line` counts from 1."""

    key: str
    value: str
    file: str
    line: int

    def __repr__(self) -> str:
        """Without the value: it may be a secret."""
        return f"Property({self.key}, {self.file}:{self.line})"


@dataclass(frozen=True, slots=True)
class Section:
    """`[INPUT]` and its keys in their order; a key may stand there several times. `inside`: sections of YAML's `processors`."""

    kind: Kind
    properties: Sequence[Property]
    file: str
    line: int
    inside: Sequence["Section"] = ()

    def all(self, key: str) -> Iterator[Property]:
        return (one for one in self.properties if one.key == key)

    def first(self, key: str) -> Property | None:
        return next(self.all(key), None)

    def text(self, key: str, default: str = "") -> str:
        """The first value of a key as it is written."""
        found = self.first(key)
        return default if found is None else found.value

    @property
    def name(self) -> str:
        """The plugin, in small letters, or the parser's name."""
        name = self.text("name").strip()
        return name if self.kind in {"parser", "multiline_parser"} else name.lower()

    @property
    def title(self) -> str:
        """`[INPUT] tail`."""
        return f"[{self.kind.upper()}] {self.name}".strip()


@dataclass(slots=True)
class Setup:
    """All sections of a configuration, includes and parsers files among them, and the values that `@SET` and `env:` give.

    `missing`: parsers files that are named and not there.
    """

    sections: list[Section] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict, repr=False)  # a secret may be among them
    missing: list[Property] = field(default_factory=list)

    def of(self, kind: Kind) -> list[Section]:
        return [section for section in self.sections if section.kind == kind]


def is_true(value: str) -> bool:
    return value.strip().lower() in TRUE
