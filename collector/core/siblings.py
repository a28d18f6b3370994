"""Which other containers of the pod can be seen, and what their processes add up to.

Room: collector core. Never enters: files, clocks.

Only where `shareProcessNamespace` is on does /proc hold other containers' processes. Each says its control group: one that stands
beside our own and is named by a container's id is another container of this pod. Its name is not there: nobody tells it to the pod.
"""

import re
from collections.abc import Iterable, Mapping

import msgspec

from collector.core.cgroup import UNIFIED

MAX_SIBLINGS = 20  # a pod has few containers; anything above is not a pod
SHORT_ID_CHARS = 12  # of a container's id, as `docker ps` and crictl show it

# 64 hex digits of containerd, CRI-O and Docker, with the systemd driver's prefix and suffix; a Fargate task's 32 and a number.
_CONTAINER = re.compile(r"(?:[a-z-]+-)?([0-9a-f]{64}|[0-9a-f]{32}-[0-9]+)(?:\.scope)?")
_PAUSE = "pause"  # holds the pod's namespaces, does nothing


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """One process of another container: what is read of it at each sample."""

    pid: int
    name: str
    cpu_ticks: int
    threads: int
    start_ticks: int


class Sibling(msgspec.Struct, frozen=True, kw_only=True):
    """Another container: its id, the name of its oldest process, its processes, and their group's paths by controller."""

    id: str
    process: str
    members: tuple[Seen, ...]
    memberships: Mapping[str, str]


def path_of(memberships: Mapping[str, str]) -> str:
    """The path that tells containers apart: memory's in v1, where each controller has its own hierarchy, else the v2 path."""
    return memberships.get("memory", memberships.get(UNIFIED, "/"))


def sibling_id(own_path: str, other_path: str) -> str:
    """The container's id in `other_path` where that lies beside `own_path`; "" where it is not another container of this pod.

    With a cgroup namespace of our own our path is `/` and a sibling's `/../<name>`.
    """
    parent = own_path.rstrip("/").rpartition("/")[0] if own_path != "/" else "/.."
    if not other_path.startswith(f"{parent}/"):
        return ""
    name = other_path[len(parent) + 1 :].partition("/")[0]
    found = _CONTAINER.fullmatch(name)
    return "" if found is None or f"{parent}/{name}" == own_path else found[1]


def group_siblings(processes: Iterable[tuple[str, Mapping[str, str], Seen]]) -> list[Sibling]:
    """(container id, memberships, process) rows as containers, the smallest ids first; without the one that only pauses."""
    members: dict[str, list[Seen]] = {}
    paths: dict[str, Mapping[str, str]] = {}
    for container_id, memberships, process in processes:
        members.setdefault(container_id, []).append(process)
        paths.setdefault(container_id, memberships)
    siblings = []
    for container_id in sorted(members):
        oldest_first = sorted(members[container_id], key=lambda seen: (seen.start_ticks, seen.pid))
        if any(seen.name != _PAUSE for seen in oldest_first):
            name = oldest_first[0].name
            siblings.append(
                Sibling(id=container_id, process=name, members=tuple(oldest_first), memberships=paths[container_id])
            )
    return siblings[:MAX_SIBLINGS]


class CpuBook:
    """CPU of containers whose group cannot be read: what their processes used while we looked on.

    It counts from our first look, so that a collector that begins again counts nothing twice. What a process used between
    the last look and its end is not known.
    """

    def __init__(self) -> None:
        self._ticks: dict[tuple[int, int], int] | None = None  # by process id and start
        self._totals: dict[str, int] = {}

    def advance(self, siblings: Iterable[Sibling]) -> dict[str, int]:
        """Clock ticks used so far, by container id."""
        first_look = self._ticks is None
        before, now = self._ticks or {}, {}
        totals: dict[str, int] = {}
        for sibling in siblings:
            total = self._totals.get(sibling.id, 0)
            for process in sibling.members:
                key = (process.pid, process.start_ticks)
                now[key] = process.cpu_ticks
                # A process that was not there at the last look has begun since.
                known = before.get(key, process.cpu_ticks if first_look else 0)
                total += max(0, process.cpu_ticks - known)
            totals[sibling.id] = total
        self._ticks, self._totals = now, totals
        return totals
