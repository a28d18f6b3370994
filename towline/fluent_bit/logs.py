"""`logs:` of the collector: each path once, with what all inputs say of it.

Room: fluent_bit. Never enters: routes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from towline.fluent_bit.exclusions import exclude_of, leaves_out
from towline.fluent_bit.inputs import Lines
from towline.fluent_bit.tags import UnclearError, meet_paths

DEFAULT_LOGS = "/var/log/app/*.log"  # as config/base/collector.yaml has it


@dataclass(slots=True)
class Log:
    """The files of one path. `read_by`: the input that was first."""

    read_by: Lines
    own: dict[str, Any]
    exclude: list[str]


@dataclass(slots=True)
class Logs:
    """In the order in which the collector looks through them: the first that matches a file names it."""

    _by_path: dict[str, Log] = field(default_factory=dict)

    def add(self, lines: Lines, files: Mapping[str, Mapping[str, Any]]) -> None:
        """An input's paths; `files`: those patterns of them that have keys of their own."""
        whole = [tagged.glob for tagged in lines.tagged]
        for glob in [*(glob for glob in files if glob not in whole), *whole]:
            exclude = exclude_of(glob, lines)
            log = self._by_path.setdefault(
                glob or DEFAULT_LOGS, Log(lines, {**lines.own, **files.get(glob, {})}, exclude)
            )
            log.exclude = [pattern for pattern in log.exclude if pattern in exclude]

    def reading(self, glob: str, lines: Lines) -> str | None:
        """A path whose files are some of those of `glob`, and read by another input than `lines`."""
        shared = (path for path, log in self._by_path.items() if self._is_shared(path, log.read_by, glob, lines))
        return next(shared, None)

    @staticmethod
    def _is_shared(path: str, other: Lines, glob: str, lines: Lines) -> bool:
        if other.section is lines.section or leaves_out(other, glob) or leaves_out(lines, path):
            return False
        return _may_meet(glob, path)

    def made(self) -> list[dict[str, Any]]:
        """As YAML has them."""
        return [
            {"path": path, **({"exclude": log.exclude} if log.exclude else {}), **log.own}
            for path, log in self._by_path.items()
        ]


def _may_meet(glob: str, other: str) -> bool:
    try:
        return bool(meet_paths(glob, other))
    except UnclearError:
        return False
