"""Where the files of a control group lie: v1, v2 and hybrids of both. What they say is in cgroup_usage.py.

Room: collector core. Never enters: files (their text is passed in), clocks. Formats: kernel docs, admin-guide/cgroup-v1 and cgroup-v2.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

import msgspec

UNIFIED = ""  # the controller name under which /proc/PID/cgroup lists the v2 hierarchy

_OCTAL = re.compile(r"\\([0-7]{3})")


class Mount(msgspec.Struct, frozen=True):
    """A cgroup file system: where it is mounted, which of its directories is the top of that mount, and what it controls."""

    point: str
    root: str
    controllers: frozenset[str]  # {""} for v2


class Place(msgspec.Struct, frozen=True):
    """Where the files of one controller lie for this process."""

    folder: str
    version: Literal[1, 2]


def parse_memberships(text: str) -> dict[str, str]:
    """Controller -> path of the process's group in that hierarchy (`/proc/PID/cgroup`, cgroups(7)). v2 is listed as UNIFIED."""
    memberships = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            memberships[controller] = path
    return memberships


def parse_mounts(text: str) -> list[Mount]:
    """The cgroup mounts in `/proc/PID/mountinfo` (kernel proc.rst, 3.5): `ID parent dev ROOT POINT options [tags] - TYPE source SUPER`."""
    mounts = []
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, super_options = after.split(" ")[:3]
        if kind not in {"cgroup", "cgroup2"}:
            continue
        root, point = before.split(" ")[3:5]
        controllers = frozenset({UNIFIED}) if kind == "cgroup2" else frozenset(super_options.split(","))
        mounts.append(Mount(_unescape(point), _unescape(root), controllers))
    return mounts


def locate(controller: str, memberships: Mapping[str, str], mounts: Iterable[Mount]) -> Place | None:
    """Where the files of `controller` lie: its own v1 hierarchy where it has one, else the v2 hierarchy, else None.

    A container that sees the host's paths in /proc/self/cgroup has its own group bind-mounted: the mount's root says which part of the path is above it.
    """
    return _locate(controller, memberships, mounts, _folder)


def locate_other(controller: str, memberships: Mapping[str, str], mounts: Iterable[Mount]) -> Place | None:
    """The same for a group that is not our own: None where what is mounted here does not hold it."""
    return _locate(controller, memberships, mounts, _folder_within)


def _locate(
    controller: str,
    memberships: Mapping[str, str],
    mounts: Iterable[Mount],
    folder_of: Callable[[str, Mount], str | None],
) -> Place | None:
    found: Place | None = None
    for mount in mounts:
        if controller in mount.controllers and controller in memberships:
            folder = folder_of(memberships[controller], mount)
            return None if folder is None else Place(folder, 1)
        if UNIFIED in mount.controllers and UNIFIED in memberships:
            folder = folder_of(memberships[UNIFIED], mount)
            found = None if folder is None else Place(folder, 2)
    return found


def _folder(path: str, mount: Mount) -> str:
    return _folder_within(path, mount) or mount.point


def _folder_within(path: str, mount: Mount) -> str | None:
    below = _below(path, mount.root)
    return None if below is None else mount.point.rstrip("/") + below or "/"


def _below(path: str, root: str) -> str | None:
    """The part of `path` below `root` (`/x` or nothing); None where the mount does not hold the path."""
    parts: Sequence[str] = [part for part in path.split("/") if part]
    top = [part for part in root.split("/") if part]
    if ".." in parts or ".." in top or parts[: len(top)] != top:
        return None  # outside our cgroup namespace: what is mounted is all that can be seen
    return "".join(f"/{part}" for part in parts[len(top) :])


def _unescape(text: str) -> str:
    """Undo the octal escapes of mountinfo (space, tab, newline, backslash)."""
    return _OCTAL.sub(lambda match: chr(int(match[1], 8)), text)
