"""What a control group says of CPU, memory and processes: v1, v2 and hybrids of both.

Room: collector core. Never enters: files (their text is passed in), clocks. Formats: kernel docs, admin-guide/cgroup-v1 and cgroup-v2.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

NO_LIMIT_BYTES = (
    1 << 60
)  # v1 says "no limit" with a number: the largest page count in bytes, above this on every architecture
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


class CpuUsage(msgspec.Struct, frozen=True, kw_only=True):
    """CPU used since the group was made. The throttling fields are None where the kernel does not say them (no cpu controller here)."""

    usage_seconds: float
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_seconds: float | None = None


class MemoryUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Memory in use now, in bytes. `limit` is None where there is none."""

    usage: int
    working_set: int
    rss: int
    limit: int | None = None


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
    found: Place | None = None
    for mount in mounts:
        if controller in mount.controllers and controller in memberships:
            return Place(_folder(memberships[controller], mount), 1)
        if UNIFIED in mount.controllers and UNIFIED in memberships:
            found = Place(_folder(memberships[UNIFIED], mount), 2)
    return found


def parse_flat_keyed(text: str) -> dict[str, int]:
    """`KEY VALUE` lines (cpu.stat, memory.stat)."""
    pairs = (line.split(" ", 1) for line in text.splitlines())
    return {key: int(value) for key, value in pairs}


def cpu_v1(usage_text: str, stat_text: str) -> CpuUsage:
    """`cpuacct.usage` (nanoseconds) and `cpu.stat` (`throttled_time` in nanoseconds; kernel sched-bwc.rst)."""
    stat = parse_flat_keyed(stat_text)
    return CpuUsage(
        usage_seconds=int(usage_text) / 1e9,
        periods=stat.get("nr_periods"),
        throttled_periods=stat.get("nr_throttled"),
        throttled_seconds=_scaled(stat.get("throttled_time"), 1e9),
    )


def cpu_v2(stat_text: str) -> CpuUsage:
    """`cpu.stat`; its first three keys are there without the cpu controller, the throttling ones (microseconds) only with it. Raises KeyError."""
    stat = parse_flat_keyed(stat_text)
    return CpuUsage(
        usage_seconds=stat["usage_usec"] / 1e6,
        periods=stat.get("nr_periods"),
        throttled_periods=stat.get("nr_throttled"),
        throttled_seconds=_scaled(stat.get("throttled_usec"), 1e6),
    )


def memory_v1(usage_text: str, stat_text: str, limit_text: str, total_bytes: int) -> MemoryUsage:
    """`memory.usage_in_bytes`, `memory.stat` (its total_* count the groups below too), `memory.limit_in_bytes`. Raises KeyError."""
    stat = parse_flat_keyed(stat_text)
    return _memory(
        int(usage_text), stat["total_inactive_file"], stat["total_rss"], parse_limit(limit_text, total_bytes)
    )


def memory_v2(usage_text: str, stat_text: str, limit_text: str, total_bytes: int) -> MemoryUsage:
    """`memory.current`, `memory.stat`, `memory.max`. Raises KeyError."""
    stat = parse_flat_keyed(stat_text)
    return _memory(int(usage_text), stat["inactive_file"], stat["anon"], parse_limit(limit_text, total_bytes))


def parse_limit(text: str, total_bytes: int) -> int | None:
    """A memory limit in bytes; None for `max`, for v1's huge number, and for more than the machine has."""
    if text.strip() == "max":
        return None
    limit = int(text)
    return None if limit >= NO_LIMIT_BYTES or limit > total_bytes else limit


def count_lines(text: str) -> int:
    """How many processes (`cgroup.procs`) or threads (`tasks`, `cgroup.threads`): one a line."""
    return len(text.splitlines())


def _memory(usage: int, inactive_file: int, rss: int, limit: int | None) -> MemoryUsage:
    # The two files are read one after the other: the cache may have grown past the usage that was read before it.
    return MemoryUsage(usage=usage, working_set=max(0, usage - inactive_file), rss=rss, limit=limit)


def _scaled(count: int | None, per_second: float) -> float | None:
    return None if count is None else count / per_second


def _folder(path: str, mount: Mount) -> str:
    below = _below(path, mount.root)
    return mount.point if below is None else mount.point.rstrip("/") + below or "/"


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
