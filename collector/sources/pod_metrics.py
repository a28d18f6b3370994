"""What a pod can measure of itself: CPU, memory, network, volumes, processes, under the names that cAdvisor and the kubelet gave them.

Room: collector source. It reads and names; what the files mean is in core/cgroup.py and core/procfs.py. Never enters: the network.

Every series says its `scope`. `container` is the group this process is in; `pod` is what all containers share: the network
namespace, the volumes, and, only where the pod was said to have a kernel of its own (Fargate's micro-VM), that machine's CPU and memory.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import structlog

from collector.core import cgroup, procfs
from towline.wire.identity import Pod
from towline.wire.snapshot import Family, FamilyType, Sample

_log = structlog.get_logger()

FAMILIES: Mapping[str, tuple[FamilyType, str]] = {
    "container_cpu_usage_seconds_total": ("counter", "Cumulative CPU time consumed, in seconds."),
    "container_cpu_cfs_periods_total": ("counter", "Enforcement periods of the CPU quota that have elapsed."),
    "container_cpu_cfs_throttled_periods_total": ("counter", "Enforcement periods in which the CPU quota was used up."),
    "container_cpu_cfs_throttled_seconds_total": (
        "counter",
        "Time for which the CPU quota held tasks back, in seconds.",
    ),
    "container_memory_usage_bytes": ("gauge", "Memory in use, page cache included, in bytes."),
    "container_memory_working_set_bytes": ("gauge", "Memory in use without inactive page cache, in bytes."),
    "container_memory_rss": ("gauge", "Anonymous memory, in bytes."),
    "container_spec_memory_limit_bytes": ("gauge", "Memory limit in bytes; absent where there is none."),
    "container_network_receive_bytes_total": ("counter", "Bytes received."),
    "container_network_receive_packets_total": ("counter", "Packets received."),
    "container_network_receive_errors_total": ("counter", "Errors met while receiving."),
    "container_network_receive_packets_dropped_total": ("counter", "Packets dropped while receiving."),
    "container_network_transmit_bytes_total": ("counter", "Bytes transmitted."),
    "container_network_transmit_packets_total": ("counter", "Packets transmitted."),
    "container_network_transmit_errors_total": ("counter", "Errors met while transmitting."),
    "container_network_transmit_packets_dropped_total": ("counter", "Packets dropped while transmitting."),
    "kubelet_volume_stats_used_bytes": ("gauge", "Bytes used on the file system of a watched log folder."),
    "kubelet_volume_stats_capacity_bytes": ("gauge", "Size in bytes of the file system of a watched log folder."),
    "kubelet_volume_stats_available_bytes": ("gauge", "Bytes that an unprivileged writer may still use there."),
    "kubelet_volume_stats_inodes": ("gauge", "Inodes of the file system of a watched log folder."),
    "kubelet_volume_stats_inodes_used": ("gauge", "Inodes in use there."),
    "kubelet_volume_stats_inodes_free": ("gauge", "Inodes free there."),
    "container_processes": ("gauge", "Processes running."),
    "container_threads": ("gauge", "Threads running."),
    "container_last_seen": ("gauge", "Unix time at which these samples were taken, in seconds."),
    "towline_sampler_duration_seconds": ("gauge", "Time that a sampler took, in seconds."),
    "towline_sampler_success": ("gauge", "Whether a sampler succeeded: 1, or 0."),
}
FARGATE_CAPACITY = "CapacityProvisioned"  # an annotation that only the Fargate scheduler writes

Value = tuple[str, Mapping[str, str], float | None]  # family, labels, value; None: the kernel does not say


def has_own_kernel(pod: Pod) -> bool:
    """Whether the pod is alone on its machine: it is said by Fargate's annotation, never guessed from sizes."""
    return FARGATE_CAPACITY in pod.annotations


class PodMetrics:
    """Samples the pod. `sample` blocks for well under a millisecond of local reads, and on a hung network volume as long as statvfs does."""

    def __init__(
        self,
        volumes: Iterable[str],
        *,
        own_kernel: bool = False,
        container: str = "",
        root: Path = Path("/"),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`volumes` are the watched log folders, `container` names the one we run in; below `root` lie /proc and the cgroup mounts."""
        self._volumes = tuple(dict.fromkeys(volumes))
        self._own_kernel = own_kernel
        self._container = {"scope": "container"} | ({"container": container} if container else {})
        self._pod = {"scope": "pod"}
        self._root = root
        self._clock = clock
        self._places: dict[str, cgroup.Place] = {}
        self._total_bytes = 0
        self._failed: set[str] = set()
        self._samplers: Mapping[str, Callable[[], Iterable[Value]]] = {
            "cpu": self._cpu,
            "memory": self._memory,
            "network": self._network,
            "filesystem": self._filesystem,
            "processes": self._processes,
        }

    def sample(self, now_unix_ns: int) -> tuple[Family, ...]:
        """One snapshot's families. A sampler that fails has no series and a success of 0; the others are not touched."""
        values: list[Value] = [("container_last_seen", self._container, now_unix_ns / 1e9)]
        for name, sampler in self._samplers.items():
            started = self._clock()
            taken = self._try(name, sampler)
            values.extend(taken or ())
            values.append(("towline_sampler_duration_seconds", {"sampler": name}, self._clock() - started))
            values.append(("towline_sampler_success", {"sampler": name}, float(taken is not None)))
        return _families(values)

    def _try(self, name: str, sampler: Callable[[], Iterable[Value]]) -> Sequence[Value] | None:
        try:
            taken = list(sampler())
        except (OSError, ValueError, LookupError) as error:
            self._places.clear()  # what failed may have moved: look again at the next sample
            if name not in self._failed:
                self._failed.add(name)
                _log.warning("sampler_failed", sampler=name, error=str(error))
            return None
        if name in self._failed:
            self._failed.remove(name)
            _log.info("sampler_recovered", sampler=name)
        return taken

    def _cpu(self) -> Iterable[Value]:
        place = self._place("cpu")
        if place.version == 1:
            used = cgroup.cpu_v1(self._read(self._place("cpuacct"), "cpuacct.usage"), self._read(place, "cpu.stat"))
        else:
            used = cgroup.cpu_v2(self._read(place, "cpu.stat"))
        yield "container_cpu_usage_seconds_total", self._container, used.usage_seconds
        yield "container_cpu_cfs_periods_total", self._container, used.periods
        yield "container_cpu_cfs_throttled_periods_total", self._container, used.throttled_periods
        yield "container_cpu_cfs_throttled_seconds_total", self._container, used.throttled_seconds
        if self._own_kernel:
            seconds = procfs.parse_cpu_seconds(self._proc("stat"), os.sysconf("SC_CLK_TCK"))
            yield "container_cpu_usage_seconds_total", self._pod, seconds

    def _memory(self) -> Iterable[Value]:
        if self._own_kernel or not self._total_bytes:
            meminfo = procfs.parse_meminfo(self._proc("meminfo"))
            self._total_bytes = meminfo["MemTotal"]
            if self._own_kernel:
                yield from _memory_values(procfs.machine_memory(meminfo), self._pod)
        place = self._place("memory")
        names = _MEMORY_FILES[place.version]
        parse = cgroup.memory_v1 if place.version == 1 else cgroup.memory_v2
        usage, stat, limit = (self._read(place, name) for name in names)
        yield from _memory_values(parse(usage, stat, limit, self._total_bytes), self._container)

    def _network(self) -> Iterable[Value]:
        for interface in procfs.parse_net_dev(self._proc("net/dev")):
            labels = self._pod | {"interface": interface.name}
            for way in ("receive", "transmit"):
                for counter, family in _NETWORK_COUNTERS.items():
                    yield f"container_network_{way}_{family}_total", labels, getattr(interface, f"{way}_{counter}")

    def _filesystem(self) -> Iterable[Value]:
        seen = set()
        for volume in self._volumes:
            try:
                found = os.statvfs(volume)
            except FileNotFoundError:
                continue  # the app makes its folder when it likes
            mountpoint = _mountpoint(volume)
            if mountpoint in seen:
                continue
            seen.add(mountpoint)
            labels = self._pod | {"mountpoint": mountpoint}
            yield "kubelet_volume_stats_used_bytes", labels, (found.f_blocks - found.f_bfree) * found.f_frsize
            yield "kubelet_volume_stats_capacity_bytes", labels, found.f_blocks * found.f_frsize
            yield "kubelet_volume_stats_available_bytes", labels, found.f_bavail * found.f_frsize
            yield "kubelet_volume_stats_inodes", labels, found.f_files
            yield "kubelet_volume_stats_inodes_used", labels, found.f_files - found.f_ffree
            yield "kubelet_volume_stats_inodes_free", labels, found.f_ffree

    def _processes(self) -> Iterable[Value]:
        place = self._place("pids")
        yield "container_processes", self._container, cgroup.count_lines(self._read(place, "cgroup.procs"))
        threads = "tasks" if place.version == 1 else "cgroup.threads"
        yield "container_threads", self._container, cgroup.count_lines(self._read(place, threads))

    def _place(self, controller: str) -> cgroup.Place:
        place = self._places.get(controller)
        if place is None:
            memberships = cgroup.parse_memberships(self._proc("self/cgroup"))
            place = cgroup.locate(controller, memberships, cgroup.parse_mounts(self._proc("self/mountinfo")))
            if place is None:
                raise LookupError(f"no cgroup hierarchy with the controller {controller} is mounted here")
            self._places[controller] = place
        return place

    def _proc(self, name: str) -> str:
        return (self._root / "proc" / name).read_text(encoding="utf-8", errors="replace")

    def _read(self, place: cgroup.Place, name: str) -> str:
        return (self._root / place.folder.lstrip("/") / name).read_text(encoding="ascii")


_MEMORY_FILES = {
    1: ("memory.usage_in_bytes", "memory.stat", "memory.limit_in_bytes"),
    2: ("memory.current", "memory.stat", "memory.max"),
}
_NETWORK_COUNTERS = {"bytes": "bytes", "packets": "packets", "errors": "errors", "dropped": "packets_dropped"}


def _memory_values(used: cgroup.MemoryUsage, labels: Mapping[str, str]) -> Iterable[Value]:
    yield "container_memory_usage_bytes", labels, used.usage
    yield "container_memory_working_set_bytes", labels, used.working_set
    yield "container_memory_rss", labels, used.rss
    yield "container_spec_memory_limit_bytes", labels, used.limit


def _mountpoint(folder: str) -> str:
    path = Path(folder).resolve()
    while not path.is_mount():
        path = path.parent
    return str(path).encode(errors="replace").decode()  # a label is UTF-8, a path need not be


def _families(values: Iterable[Value]) -> tuple[Family, ...]:
    samples: dict[str, list[Sample]] = {}
    for family, labels, value in values:
        if value is not None:
            samples.setdefault(family, []).append(Sample(labels, float(value)))
    return tuple(
        Family(name=name, type=FAMILIES[name][0], help=FAMILIES[name][1], samples=tuple(taken))
        for name, taken in samples.items()
    )
