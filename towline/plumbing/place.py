"""Where in the configuration something stands: every message about it starts there.

Room: plumbing. Never enters: files, what the keys mean.
"""

import difflib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from towline.plumbing.errors import ConfigError


class Place(NamedTuple):
    """`file: key.path`, as in `collector.yaml: logs[0].path`."""

    file: str
    key: str = ""

    def child(self, key: str) -> "Place":
        """The place of a key under this one."""
        return Place(self.file, f"{self.key}.{key}" if self.key else key)

    def item(self, index: int) -> "Place":
        """The place of an item of the list at this one, counted from 0."""
        return Place(self.file, f"{self.key}[{index}]")

    def says(self, problem: str) -> str:
        """One line: `file: key.path: what is wrong. what to do`. Control characters that came from the file are escaped."""
        text = f"{self.file}: {self.key}: {problem}" if self.key else f"{self.file}: {problem}"
        return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def raise_if_any(problems: Sequence[str | ConfigError]) -> None:
    """Raise one ConfigError that holds all problems, one a line; nothing where there are none."""
    if problems:
        raise ConfigError("\n".join(map(str, problems)))


def closest(word: str, known: Iterable[str]) -> str:
    """` Did you mean x?` where one of the known words is close to `word`, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {near[0]}?" if near else ""
