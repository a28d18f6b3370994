"""Which files a configured log path means: roots, matches, and the names that rotation makes of them.

Room: core. Never enters: the file system (names are passed in).
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from collector.core.files import BYSTANDER

WILDCARDS = re.compile(r"[*?\[]")
# What a rotation adds to a name: numbers, dates, a compressor's ending. `x.log.1`, `x.log-20261122`, `x.log.2026-11-22_10.gz`
ROTATION = re.compile(r"(?:[.\-_](?:\d[\dT:\-_.]*|gz|old|prev))+\Z")


class Excluding(NamedTuple):
    """A pattern, but for the files that a pattern of `exclude` matches, and for what rotation makes of those.

    A pattern of `exclude` without a slash is compared with names, in folders of any depth.
    """

    pattern: str
    exclude: Sequence[str]


Pattern = str | Excluding


class Globs:
    """The configured log paths, in order: the first that matches a file names it.

    `*` and `?` stop at a slash, `**` as a whole part of the path does not; `[abc]` and `[!abc]` are sets. Patterns are absolute.
    """

    def __init__(self, patterns: Sequence[Pattern]) -> None:
        texts = [one if isinstance(one, str) else one.pattern for one in patterns]
        self._compiled = [re.compile(_expression(text)) for text in texts]
        self._excluded = [() if isinstance(one, str) else _exclusions(one.exclude) for one in patterns]
        self.roots: tuple[str, ...] = _outermost([root_of(text) for text in texts])
        self._deep = {
            root: max(_depth(text, root) for text in texts if _within(root_of(text), root)) for root in self.roots
        }

    def depth_below(self, root: str) -> float:
        """How many folders below `root` a log file can lie: infinite where a pattern has `**`."""
        return self._deep[root]

    def root_over(self, path: str) -> str | None:
        """The watched root that a path lies in; None where it lies in none (any more)."""
        return next((root for root in self.roots if _within(path, root)), None)

    def match(self, path: str) -> int:
        """The index of the first pattern that matches, or BYSTANDER."""
        return self._first(path, path)

    def rotated(self, path: str) -> int:
        """The index of the pattern that would match if the name's rotation suffix (or part of it) were taken off, or BYSTANDER."""
        found = (self._first(before, path) for before in _before_rotation(path))
        return next((index for index in found if index != BYSTANDER), BYSTANDER)

    def excludes(self, path: str) -> bool:
        """True if a pattern would match the path, or what it was before a rotation, and every one that would excludes it."""
        wanted = {
            self._is_excluded(index, path)
            for name in (path, *_before_rotation(path))
            for index, compiled in enumerate(self._compiled)
            if compiled.fullmatch(name)
        }
        return wanted == {True}

    def _first(self, name: str, path: str) -> int:
        """The first pattern that `name` matches, and that does not exclude `path`."""
        for index, compiled in enumerate(self._compiled):
            if compiled.fullmatch(name) and not self._is_excluded(index, path):
                return index
        return BYSTANDER

    def _is_excluded(self, index: int, path: str) -> bool:
        excluded = self._excluded[index]
        return bool(excluded) and any(
            one.fullmatch(name) for name in (path, *_before_rotation(path)) for one in excluded
        )


def root_of(pattern: str) -> str:
    """The folder that is watched for a pattern: the longest prefix of whole parts without a wildcard, never the file itself."""
    parts = pattern.split("/")[:-1]
    fixed = next((index for index, part in enumerate(parts) if WILDCARDS.search(part)), len(parts))
    return "/".join(parts[:fixed]) or "/"


def _exclusions(patterns: Sequence[str]) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(_expression(one if "/" in one else f"/**/{one}")) for one in patterns)


def _before_rotation(path: str) -> Iterator[str]:
    """The path without its rotation suffix, and without the last parts of it."""
    folder, slash, name = path.rpartition("/")
    suffix = ROTATION.search(name)
    for cut in range(suffix.start(), len(name)) if suffix is not None else ():
        if name[cut] in ".-_" and cut > 0:
            yield folder + slash + name[:cut]


def _within(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _outermost(roots: Sequence[str]) -> tuple[str, ...]:
    """Every root once, without those that lie in another: a file belongs to one root only."""
    return tuple(
        root for root in dict.fromkeys(roots) if not any(other != root and _within(root, other) for other in roots)
    )


def _depth(pattern: str, root: str) -> float:
    folders = pattern[len(root.rstrip("/")) :].strip("/").split("/")[:-1]
    return float("inf") if "**" in folders else len(folders)


def _expression(pattern: str) -> str:
    parts = []
    if pattern.endswith("/**"):
        pattern += "/*"
    for part in pattern.split("/"):
        if part == "**":
            parts.append("(?:[^/]+/)*")
        else:
            parts.append(_part_expression(part) + "/")
    return "".join(parts).removesuffix("/")


def _part_expression(part: str) -> str:
    pieces: list[str] = []
    at = 0
    while at < len(part):
        letter = part[at]
        end = part.find("]", at + 2 if part[at + 1 : at + 2] != "!" else at + 3) if letter == "[" else -1
        if letter == "*":
            pieces.append("[^/]*")
        elif letter == "?":
            pieces.append("[^/]")
        elif end > 0:
            pieces.append(_set_expression(part[at + 1 : end]))
            at = end
        else:
            pieces.append(re.escape(letter))
        at += 1
    return "".join(pieces)


def _set_expression(inside: str) -> str:
    negated = inside.startswith("!")
    body = re.escape(inside[negated:]).replace(r"\-", "-")
    return f"(?!/)[{'^' if negated else ''}{body}]"
