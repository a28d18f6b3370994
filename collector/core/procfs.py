"""What /proc says of a network namespace, of processes, and of a machine that is the pod's own.

Room: collector core. Never enters: files (their text is passed in), clocks. Formats: proc(5), kernel docs proc.rst, iostats.rst, psi.rst.
"""

import re
from collections.abc import Mapping

import msgspec

from collector.core.cgroup_usage import MemoryUsage, parse_flat_keyed

_NET_DEV_COLUMNS = 16  # eight of reception, eight of transmission
_KIB = 1024
_SECTOR_BYTES = 512  # of /proc/diskstats, whatever the device's own
_DISKSTATS_COLUMNS = 14
_STAT_COLUMNS = 20  # of /proc/PID/stat, those after the name that are read
# Not disks: memory, and parts of a disk that the disk itself counts already (as node_exporter leaves them out).
_NOT_A_DISK = re.compile(r"(?:ram|loop|zram|fd|sr)\d+|(?:[hsv]|xv)d[a-z]+\d+|nvme\d+n\d+p\d+|mmcblk\d+p\d+")


class Interface(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one network interface since it was made."""

    name: str
    receive_bytes: int
    receive_packets: int
    receive_errors: int
    receive_dropped: int
    transmit_bytes: int
    transmit_packets: int
    transmit_errors: int
    transmit_dropped: int


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of one block device since boot. is_whole: not a part of another one, and not memory."""

    number: str  # major:minor
    name: str
    reads: int
    read_bytes: int
    writes: int
    written_bytes: int
    busy_seconds: float
    is_whole: bool


class Stall(msgspec.Struct, frozen=True):
    """Seconds in which some task (`waiting`), or every task (`stalled`; None where the kernel does not say) stood still for lack of something."""

    waiting_seconds: float
    stalled_seconds: float | None


class ProcessStat(msgspec.Struct, frozen=True, kw_only=True):
    """One process as `/proc/PID/stat` says it; times in clock ticks, the start counted since boot."""

    name: str
    cpu_ticks: int
    threads: int
    start_ticks: int


def parse_net_dev(text: str) -> list[Interface]:
    """The interfaces of `/proc/net/dev`, without loopback. Raises ValueError where a row has too few columns."""
    interfaces = []
    for line in text.splitlines()[2:]:
        # No blank need follow the colon, and an alias has a colon in its name.
        name, _, counters = line.rpartition(":")
        numbers = [int(number) for number in counters.split()]
        if len(numbers) < _NET_DEV_COLUMNS:
            raise ValueError(f"/proc/net/dev: {len(numbers)} columns for {name.strip()}, {_NET_DEV_COLUMNS} expected")
        if name.strip() == "lo":
            continue
        interfaces.append(
            Interface(
                name=name.strip(),
                receive_bytes=numbers[0],
                receive_packets=numbers[1],
                receive_errors=numbers[2],
                receive_dropped=numbers[3],
                transmit_bytes=numbers[8],
                transmit_packets=numbers[9],
                transmit_errors=numbers[10],
                transmit_dropped=numbers[11],
            )
        )
    return interfaces


class CpuSeconds(msgspec.Struct, frozen=True):
    """CPU seconds that all CPUs of the machine spent working since boot."""

    user: float
    system: float

    @property
    def total(self) -> float:
        """Both."""
        return self.user + self.system


def parse_cpu_seconds(text: str, ticks_per_second: int) -> CpuSeconds:
    """User and nice; system, irq and softirq of `/proc/stat`'s first line.

    Guest time is part of user time already; idle, iowait and steal are not work of ours. Raises ValueError.
    """
    for line in text.splitlines():
        if line.startswith("cpu "):
            user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in line.split()[1:8])
            return CpuSeconds((user + nice) / ticks_per_second, (system + irq + softirq) / ticks_per_second)
    raise ValueError("/proc/stat: no line of all CPUs")


def parse_boot_time(text: str) -> int:
    """Unix time of boot in seconds: `btime` of `/proc/stat`. Raises ValueError."""
    for line in text.splitlines():
        if line.startswith("btime "):
            return int(line.removeprefix("btime "))
    raise ValueError("/proc/stat: no btime")


def parse_meminfo(text: str) -> dict[str, int]:
    """`/proc/meminfo` in bytes (it says kB and means KiB); its few plain counts are left out."""
    sizes = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        number, _, unit = value.strip().partition(" ")
        if unit == "kB":
            sizes[key] = int(number) * _KIB
    return sizes


def machine_memory(meminfo: Mapping[str, int], vmstat_text: str) -> MemoryUsage:
    """The whole machine's memory, reckoned as runc does for a root group: usage is what is not free, rss is anonymous. Raises KeyError."""
    usage = meminfo["MemTotal"] - meminfo["MemFree"]
    vmstat = parse_flat_keyed(vmstat_text)
    return MemoryUsage(
        usage=usage,
        working_set=max(0, usage - meminfo["Inactive(file)"]),
        rss=meminfo["AnonPages"],
        cache=meminfo.get("Cached"),
        swap=meminfo.get("SwapTotal", 0) - meminfo.get("SwapFree", 0),
        mapped_file=meminfo.get("Mapped"),
        oom_kills=vmstat.get("oom_kill"),  # since kernel 4.13; of every group on this machine
        page_faults=vmstat.get("pgfault"),
        major_page_faults=vmstat.get("pgmajfault"),
    )


def parse_diskstats(text: str) -> list[Disk]:
    """Every block device of `/proc/diskstats` that was ever used. Raises ValueError where a row has too few columns."""
    disks = []
    for line in text.splitlines():
        major, minor, name, *rest = line.split()
        numbers = [int(number) for number in rest]
        if len(numbers) < _DISKSTATS_COLUMNS - 3:
            raise ValueError(f"/proc/diskstats: {len(rest) + 3} columns for {name}, {_DISKSTATS_COLUMNS} expected")
        if not (numbers[0] or numbers[4]):
            continue
        disks.append(
            Disk(
                number=f"{major}:{minor}",
                name=name,
                reads=numbers[0],
                read_bytes=numbers[2] * _SECTOR_BYTES,
                writes=numbers[4],
                written_bytes=numbers[6] * _SECTOR_BYTES,
                busy_seconds=numbers[9] / 1000,
                is_whole=_NOT_A_DISK.fullmatch(name) is None,
            )
        )
    return disks


def parse_stall(text: str) -> Stall:
    """`/proc/pressure/*` and a group's `*.pressure`: the `total=` fields, in microseconds. Raises ValueError, KeyError."""
    totals = {}
    for line in text.splitlines():
        who, *fields = line.split()
        totals[who] = int(dict(field.split("=", 1) for field in fields)["total"]) / 1e6
    return Stall(totals["some"], totals.get("full"))


def parse_load(text: str) -> tuple[float, float, float]:
    """`/proc/loadavg`: over 1, 5 and 15 minutes. Raises ValueError."""
    one, five, fifteen = (float(field) for field in text.split()[:3])
    return one, five, fifteen


def parse_file_nr(text: str) -> tuple[int, int]:
    """`/proc/sys/fs/file-nr`: open files of the machine, and how many there may be. Raises ValueError."""
    allocated, _unused, maximum = (int(field) for field in text.split())
    return allocated, maximum


def parse_process_stat(text: str) -> ProcessStat:
    """`/proc/PID/stat`. The name stands in brackets and may hold any byte. Raises ValueError."""
    before, _, after = text.rpartition(")")
    fields = after.split()
    if len(fields) < _STAT_COLUMNS:
        raise ValueError(f"/proc/PID/stat: {len(fields)} columns after the name, {_STAT_COLUMNS} expected")
    return ProcessStat(
        name=before.partition("(")[2],
        cpu_ticks=int(fields[11]) + int(fields[12]),
        threads=int(fields[17]),
        start_ticks=int(fields[19]),
    )


def parse_anonymous_pages(text: str) -> int:
    """`/proc/PID/statm`: what is resident without what is shared with files, in pages. Raises ValueError."""
    _size, resident, shared = (int(field) for field in text.split()[:3])
    return resident - shared
