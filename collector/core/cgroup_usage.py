"""What a control group says of CPU, memory, I/O and tasks: the same words of v1 and v2.

Room: collector core. Never enters: files (their text is passed in, by name), clocks. Formats: kernel docs, admin-guide/cgroup-v1 and cgroup-v2.

A name that is missing from `texts` is a file that this kernel does not have: what only it says is None. Every parser raises
KeyError for a file that must be there, and ValueError for one that is not what it should be.
"""

from collections.abc import Mapping

import msgspec

# v1 says "no limit" with a number: the largest page count in bytes, above this on every architecture.
NO_LIMIT_BYTES = 1 << 60

CPU_V1 = ("cpu.stat", "cpu.cfs_quota_us", "cpu.cfs_period_us")
CPUACCT_V1 = ("cpuacct.usage", "cpuacct.stat")
CPU_V2 = ("cpu.stat", "cpu.max")
MEMORY_V1 = (
    "memory.usage_in_bytes",
    "memory.stat",
    "memory.limit_in_bytes",
    "memory.max_usage_in_bytes",
    "memory.failcnt",
    "memory.oom_control",
)
MEMORY_V2 = ("memory.current", "memory.stat", "memory.max", "memory.peak", "memory.events", "memory.swap.current")
IO_V1 = (
    "blkio.throttle.io_service_bytes_recursive",
    "blkio.throttle.io_serviced_recursive",
    "blkio.throttle.io_service_bytes",
    "blkio.throttle.io_serviced",
)
IO_V2 = ("io.stat",)


class CpuUsage(msgspec.Struct, frozen=True, kw_only=True):
    """CPU used since the group was made. A field is None where the kernel does not say it; quota also where there is none."""

    usage_seconds: float
    user_seconds: float | None = None
    system_seconds: float | None = None
    periods: int | None = None
    throttled_periods: int | None = None
    throttled_seconds: float | None = None
    quota_us: int | None = None
    period_us: int | None = None


class MemoryUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Memory in use now, in bytes, and what has happened since the group was made. A field is None where the kernel does not say it.

    limit: None also where there is none. limit_hits: how often the limit was reached; oom_kills: processes killed for it.
    """

    usage: int
    working_set: int
    rss: int
    limit: int | None = None
    cache: int | None = None
    swap: int | None = None
    mapped_file: int | None = None
    peak: int | None = None
    limit_hits: int | None = None
    oom_kills: int | None = None
    page_faults: int | None = None
    major_page_faults: int | None = None


class DeviceIo(msgspec.Struct, frozen=True, kw_only=True):
    """What a group read from and wrote to one block device (`major:minor`) since it was made."""

    device: str
    read_bytes: int
    written_bytes: int
    reads: int
    writes: int


def parse_flat_keyed(text: str) -> dict[str, int]:
    """`KEY VALUE` lines (cpu.stat, memory.stat)."""
    pairs = (line.split(" ", 1) for line in text.splitlines())
    return {key: int(value) for key, value in pairs}


def cpu_v1(texts: Mapping[str, str], ticks_per_second: int) -> CpuUsage:
    """`cpuacct.usage` and `cpu.stat` (nanoseconds; kernel sched-bwc.rst), `cpuacct.stat` (ticks), the quota (-1: none)."""
    stat = parse_flat_keyed(texts["cpu.stat"])
    split = parse_flat_keyed(texts.get("cpuacct.stat", ""))
    quota = int(texts.get("cpu.cfs_quota_us", "-1"))
    return CpuUsage(
        usage_seconds=int(texts["cpuacct.usage"]) / 1e9,
        user_seconds=_scaled(split.get("user"), ticks_per_second),
        system_seconds=_scaled(split.get("system"), ticks_per_second),
        periods=stat.get("nr_periods"),
        throttled_periods=stat.get("nr_throttled"),
        throttled_seconds=_scaled(stat.get("throttled_time"), 1e9),
        quota_us=quota if quota > 0 else None,
        period_us=_whole(texts.get("cpu.cfs_period_us")),
    )


def cpu_v2(texts: Mapping[str, str]) -> CpuUsage:
    """`cpu.stat` (its first three keys are there without the cpu controller, the throttling ones only with it) and `cpu.max`."""
    stat = parse_flat_keyed(texts["cpu.stat"])
    quota, _, period = texts.get("cpu.max", "max").strip().partition(" ")
    return CpuUsage(
        usage_seconds=stat["usage_usec"] / 1e6,
        user_seconds=_scaled(stat.get("user_usec"), 1e6),
        system_seconds=_scaled(stat.get("system_usec"), 1e6),
        periods=stat.get("nr_periods"),
        throttled_periods=stat.get("nr_throttled"),
        throttled_seconds=_scaled(stat.get("throttled_usec"), 1e6),
        quota_us=None if quota == "max" else int(quota),
        period_us=_whole(period or None),
    )


def memory_v1(texts: Mapping[str, str], total_bytes: int) -> MemoryUsage:
    """The files of MEMORY_V1; of memory.stat the total_* keys, which count the groups below too."""
    stat = parse_flat_keyed(texts["memory.stat"])
    usage = int(texts["memory.usage_in_bytes"])
    return MemoryUsage(
        usage=usage,
        working_set=_working_set(usage, stat["total_inactive_file"]),
        rss=stat["total_rss"],
        limit=parse_limit(texts["memory.limit_in_bytes"], total_bytes),
        cache=stat.get("total_cache"),
        swap=stat.get("total_swap"),
        mapped_file=stat.get("total_mapped_file"),
        peak=_whole(texts.get("memory.max_usage_in_bytes")),
        limit_hits=_whole(texts.get("memory.failcnt")),
        oom_kills=parse_flat_keyed(texts.get("memory.oom_control", "")).get("oom_kill"),  # since kernel 4.13
        page_faults=stat.get("total_pgfault"),
        major_page_faults=stat.get("total_pgmajfault"),
    )


def memory_v2(texts: Mapping[str, str], total_bytes: int) -> MemoryUsage:
    """The files of MEMORY_V2; memory.peak since kernel 5.19."""
    stat = parse_flat_keyed(texts["memory.stat"])
    events = parse_flat_keyed(texts.get("memory.events", ""))
    usage = int(texts["memory.current"])
    return MemoryUsage(
        usage=usage,
        working_set=_working_set(usage, stat["inactive_file"]),
        rss=stat["anon"],
        limit=parse_limit(texts["memory.max"], total_bytes),
        cache=stat.get("file"),
        swap=_whole(texts.get("memory.swap.current")),
        mapped_file=stat.get("file_mapped"),
        peak=_whole(texts.get("memory.peak")),
        limit_hits=events.get("max"),
        oom_kills=events.get("oom_kill"),
        page_faults=stat.get("pgfault"),
        major_page_faults=stat.get("pgmajfault"),
    )


def parse_limit(text: str, total_bytes: int) -> int | None:
    """A memory limit in bytes; None for `max`, for v1's huge number, and for more than the machine has."""
    if text.strip() == "max":
        return None
    limit = int(text)
    return None if limit >= NO_LIMIT_BYTES or limit > total_bytes else limit


def io_v1(texts: Mapping[str, str]) -> list[DeviceIo]:
    """`blkio.throttle.io_service*` (`MAJ:MIN Operation N` lines), with the groups below where the kernel adds them up.

    Since kernel 5.10 a v1 group without a throttling rule is not counted: then there is a device without numbers, or none.
    """
    by_bytes = _v1_operations(texts, "blkio.throttle.io_service_bytes")
    by_count = _v1_operations(texts, "blkio.throttle.io_serviced")
    found = []
    for device, moved in by_bytes.items():
        done = by_count.get(device, {})
        found.append(
            DeviceIo(
                device=device,
                read_bytes=moved.get("Read", 0),
                written_bytes=moved.get("Write", 0),
                reads=done.get("Read", 0),
                writes=done.get("Write", 0),
            )
        )
    return found


def io_v2(texts: Mapping[str, str]) -> list[DeviceIo]:
    """`io.stat`: `MAJ:MIN rbytes=N wbytes=N rios=N wios=N ...` lines. A device without numbers is left out."""
    found = []
    for line in texts["io.stat"].splitlines():
        device, *pairs = line.split()
        said = {key: int(value) for key, _, value in (pair.partition("=") for pair in pairs) if key in _IO_V2_KEYS}
        if len(said) == len(_IO_V2_KEYS):
            read_bytes, written_bytes, reads, writes = (said[key] for key in _IO_V2_KEYS)
            found.append(
                DeviceIo(device=device, read_bytes=read_bytes, written_bytes=written_bytes, reads=reads, writes=writes)
            )
    return found


def count_lines(text: str) -> int:
    """How many processes (`cgroup.procs`) or threads (`tasks`, `cgroup.threads`): one a line."""
    return len(text.splitlines())


def parse_task_limit(text: str) -> int | None:
    """`pids.max`; None for `max`."""
    return None if text.strip() == "max" else int(text)


_IO_V2_KEYS = ("rbytes", "wbytes", "rios", "wios")


def _v1_operations(texts: Mapping[str, str], name: str) -> dict[str, dict[str, int]]:
    text = texts.get(f"{name}_recursive")
    operations: dict[str, dict[str, int]] = {}
    for line in (texts[name] if text is None else text).splitlines():
        device, *rest = line.split()
        if ":" in device:  # the last line is a total of all
            operation, count = rest
            operations.setdefault(device, {})[operation] = int(count)
    return operations


def _working_set(usage: int, inactive_file: int) -> int:
    # The two files are read one after the other: the cache may have grown past the usage that was read before it.
    return max(0, usage - inactive_file)


def _scaled(count: int | None, per_second: float) -> float | None:
    return None if count is None else count / per_second


def _whole(text: str | None) -> int | None:
    return None if text is None else int(text)
