"""Which files a configured log path means: roots, matches, and the names that rotation makes of them.

Room: core. Never enters: the file system (names are passed in).
"""

import re
from collections.abc import Sequence

from collector.core.files import BYSTANDER

WILDCARDS = re.compile(r"[*?\[]")
# What a rotation adds to a name: numbers, dates, a compressor's ending. `x.log.1`, `x.log-20261122`, `x.log.2026-11-22_10.gz`
ROTATION = re.compile(r"(?:[.\-_](?:\d[\dT:\-_.]*|gz|old|prev))+\Z")


class Globs:
    """The configured log paths, in order: the first that matches a file names it.

    `*` and `?` stop at a slash, `**` as a whole part of the path does not; `[abc]` and `[!abc]` are sets. Patterns are absolute.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._compiled = [re.compile(_expression(pattern)) for pattern in patterns]
        self._roots = [root_of(pattern) for pattern in patterns]
        self.roots: tuple[str, ...] = _outermost(self._roots)
        self._deep = {
            root: max(_depth(pattern, root) for pattern in patterns if _within(root_of(pattern), root))
            for root in self.roots
        }

    def depth_below(self, root: str) -> float:
        """How many folders below `root` a log file can lie: infinite where a pattern has `**`."""
        return self._deep[root]

    def root_over(self, path: str) -> str | None:
        """The watched root that a path lies in; None where it lies in none (any more)."""
        return next((root for root in self.roots if _within(path, root)), None)

    def match(self, path: str) -> int:
        """The index of the first pattern that matches, or BYSTANDER."""
        for index, compiled in enumerate(self._compiled):
            if compiled.fullmatch(path):
                return index
        return BYSTANDER

    def rotated(self, path: str) -> int:
        """The index of the pattern that would match if the name's rotation suffix (or part of it) were taken off, or BYSTANDER."""
        folder, slash, name = path.rpartition("/")
        suffix = ROTATION.search(name)
        if suffix is None:
            return BYSTANDER
        for cut in range(suffix.start(), len(name)):
            if name[cut] in ".-_" and cut > 0 and (index := self.match(folder + slash + name[:cut])) != BYSTANDER:
                return index
        return BYSTANDER


def root_of(pattern: str) -> str:
    """The folder that is watched for a pattern: the longest prefix of whole parts without a wildcard, never the file itself."""
    parts = pattern.split("/")[:-1]
    fixed = next((index for index, part in enumerate(parts) if WILDCARDS.search(part)), len(parts))
    return "/".join(parts[:fixed]) or "/"


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
