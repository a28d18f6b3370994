"""What /proc says of a network namespace, and of a machine that is the pod's own.

Room: collector core. Never enters: files (their text is passed in), clocks. Formats: proc(5).
"""

import msgspec

from collector.core.cgroup import MemoryUsage

_NET_DEV_COLUMNS = 16  # eight of reception, eight of transmission
_KIB = 1024


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


def parse_cpu_seconds(text: str, ticks_per_second: int) -> float:
    """CPU seconds that all CPUs of the machine spent working: user, nice, system, irq and softirq of `/proc/stat`'s first line.

    Guest time is part of user time already; idle, iowait and steal are not work of ours. Raises ValueError.
    """
    for line in text.splitlines():
        if line.startswith("cpu "):
            user, nice, system, _idle, _iowait, irq, softirq = (int(field) for field in line.split()[1:8])
            return (user + nice + system + irq + softirq) / ticks_per_second
    raise ValueError("/proc/stat: no line of all CPUs")


def parse_meminfo(text: str) -> dict[str, int]:
    """`/proc/meminfo` in bytes (it says kB and means KiB); its few plain counts are left out."""
    sizes = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        number, _, unit = value.strip().partition(" ")
        if unit == "kB":
            sizes[key] = int(number) * _KIB
    return sizes


def machine_memory(meminfo: dict[str, int]) -> MemoryUsage:
    """The whole machine's memory, reckoned as runc does for a root group: usage is what is not free, rss is anonymous. Raises KeyError."""
    usage = meminfo["MemTotal"] - meminfo["MemFree"]
    return MemoryUsage(
        usage=usage,
        working_set=max(0, usage - meminfo["Inactive(file)"]),
        rss=meminfo["AnonPages"],
    )
