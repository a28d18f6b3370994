"""Options of `type: file`, and the path that a stream's lines go to.

Room: aggregator sinks, pure. Never enters: files.
"""

import os
import re
from pathlib import Path, PurePosixPath

import msgspec

from aggregator.core.template import Template, shorten
from towline.wire.identity import Origin, Pod

MAX_NAME_BYTES = 255  # NAME_MAX of every Linux file system
_MAX_KEPT_SUFFIX = 16
_NOT_IN_A_NAME = re.compile(r"[/\x00-\x1f\x7f]")


class FileConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`path` may hold fields in braces ({namespace}, {pod}, {labels[app]}, ...); one file per value. Relative: to the configuration's folder."""

    path: str = "/var/lib/towline/out/{namespace}/{pod}.jsonl"

    def __post_init__(self) -> None:
        try:
            Template(self.path)
        except ValueError as error:
            raise ValueError(f"path: {error}") from None
        if "\0" in self.path:
            raise ValueError("path: holds a NUL character. Remove it")
        if not PurePosixPath(self.path).name or self.path.endswith("/"):
            raise ValueError("path: names a folder. Add a file name, as in /data/{namespace}/{pod}.jsonl")


class PathMaker:
    """(pod, origin) to a path; no value can leave its place in the path, whatever a label holds."""

    def __init__(self, path: str, folder: Path, replica: str) -> None:
        above = "" if path.startswith("/") else str(folder.absolute()).replace("{", "{{").replace("}", "}}") + "/"
        self._template = Template(above + path)
        self._replica = replica

    def __call__(self, pod: Pod, origin: Origin) -> str:
        path = os.path.normpath(self._template.render(pod, origin, self._replica, safe_value))
        return "/".join(_name(name) for name in path.split("/"))

    @property
    def root(self) -> Path:
        """The deepest folder that does not depend on any pod."""
        return Path(self._template.literals[0] + "name").parent


def safe_value(value: str) -> str:
    """A value as part of one file name: no separators, no control characters, never `.` or `..` by itself."""
    text = _NOT_IN_A_NAME.sub("_", value)
    return text if text.strip(".") else "_" * len(text)


def _name(name: str) -> str:
    if len(name.encode()) <= MAX_NAME_BYTES:
        return name
    suffix = PurePosixPath(name).suffix
    if len(suffix.encode()) > _MAX_KEPT_SUFFIX:
        suffix = ""
    return shorten(name.removesuffix(suffix), MAX_NAME_BYTES - len(suffix.encode())) + suffix
