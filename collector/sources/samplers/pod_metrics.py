"""One round of all samplers: what a pod can measure of itself, under the names that cAdvisor, the kubelet and node_exporter gave it.

Room: collector source. Never enters: the network, what files mean.

Every series says its `scope`. `container` is one container's control group: ours, and others where they can be seen; `pod` is what all
containers share: the network namespace, the volumes, and, only where the pod was said to have a kernel of its own (Fargate's
micro-VM), that machine's CPU, memory and disks; `process` is one process.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock

import structlog

from collector.core.capacity import ANNOTATION, Capacity, parse_capacity
from collector.sources.samplers.cpu import CpuSampler
from collector.sources.samplers.descriptors import DescriptorSampler
from collector.sources.samplers.disk import DiskSampler
from collector.sources.samplers.families import FAMILIES
from collector.sources.samplers.memory import MemorySampler
from collector.sources.samplers.network import NetworkSampler
from collector.sources.samplers.pressure import PressureSampler
from collector.sources.samplers.processes import ProcessSampler
from collector.sources.samplers.siblings import SiblingSampler
from collector.sources.samplers.top import TopSampler
from collector.sources.samplers.uptime import UptimeSampler
from collector.sources.samplers.view import POD, Sampler, Value, View
from collector.sources.samplers.volumes import VolumeSampler
from towline.wire.identity import Pod
from towline.wire.snapshot import Family, Sample

_log = structlog.get_logger()
_PERIOD_US = 100_000  # the kernel's default, which kubelet leaves as it is


def has_own_kernel(pod: Pod) -> bool:
    """Whether the pod is alone on its machine: it is said by Fargate's annotation, never guessed from sizes."""
    return ANNOTATION in pod.annotations


def capacity_of(pod: Pod) -> Capacity | None:
    """What Fargate gave the pod, as its annotation says."""
    return parse_capacity(pod.annotations.get(ANNOTATION, ""))


class PodMetrics:
    """Samples the pod. `sample` blocks for a few milliseconds of local reads, and on a hung network volume as long as statvfs does."""

    def __init__(  # noqa: PLR0913 - each is one thing that the pod was said to be
        self,
        volumes: Iterable[str],
        *,
        own_kernel: bool = False,
        container: str = "",
        capacity: Capacity | None = None,
        limit_bytes: int = 0,
        state_dir: Path | None = None,
        top_processes: int = 0,
        root: Path = Path("/"),
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """`volumes` are the watched log folders, `container` names the one we run in; below `root` lie /proc and the cgroup mounts.

        limit_bytes: what all log files together may take of their volume; 0: the file system's size.
        state_dir: where restarts are counted; None: they are not. top_processes: how many by CPU and by memory have series of their own.
        """
        self._clock = clock
        self._capacity = capacity
        self._view = View(root, container, own_kernel=own_kernel)
        self._failed: set[str] = set()
        self._round = Lock()
        self._samplers: Mapping[str, Sampler] = {
            "siblings": SiblingSampler(),  # the first: the others sample whom it finds
            "cpu": CpuSampler(),
            "memory": MemorySampler(),
            "disk": DiskSampler(),
            "network": NetworkSampler(),
            "pressure": PressureSampler(),
            "descriptors": DescriptorSampler(),
            "processes": ProcessSampler(),
            "volumes": VolumeSampler(volumes, limit_bytes),
            "uptime": UptimeSampler(state_dir),
            **({"top": TopSampler(top_processes)} if top_processes else {}),
        }

    def sample(self, now_unix_ns: int) -> tuple[Family, ...]:
        """One snapshot's families. A sampler that fails has no series and a success of 0; the others are not touched.

        Nothing while another round still waits for a volume that hangs: its thread is the only one that does.
        """
        if not self._round.acquire(blocking=False):
            return ()
        try:
            return _families(self._values(now_unix_ns))
        finally:
            self._round.release()

    def _values(self, now_unix_ns: int) -> list[Value]:
        values: list[Value] = []
        if self._capacity is not None:
            values.extend(_capacity_values(self._capacity))
        self._view.begin(self._clock(), now_unix_ns)
        for name, sampler in self._samplers.items():
            started = self._clock()
            taken = self._try(name, sampler)
            values.extend(taken or ())
            values.append(("towline_sampler_duration_seconds", {"sampler": name}, self._clock() - started))
            values.append(("towline_sampler_success", {"sampler": name}, float(taken is not None)))
        return values

    def _try(self, name: str, sampler: Sampler) -> Sequence[Value] | None:
        try:
            taken = list(sampler.sample(self._view))
        except (OSError, ValueError, LookupError) as error:
            self._view.forget()
            if name not in self._failed:
                self._failed.add(name)
                _log.warning("sampler_failed", sampler=name, error=str(error))
            return None
        if name in self._failed:
            self._failed.remove(name)
            _log.info("sampler_recovered", sampler=name)
        return taken


def _capacity_values(capacity: Capacity) -> Iterable[Value]:
    """What Fargate gave the pod is the pod's limit, so it is said under those names too."""
    yield "towline_pod_capacity_cpu_cores", POD, capacity.cores
    yield "towline_pod_capacity_memory_bytes", POD, capacity.memory_bytes
    yield "container_spec_cpu_quota", POD, capacity.cores * _PERIOD_US
    yield "container_spec_cpu_period", POD, _PERIOD_US
    yield "container_spec_memory_limit_bytes", POD, capacity.memory_bytes


def _families(values: Iterable[Value]) -> tuple[Family, ...]:
    samples: dict[str, list[Sample]] = {}
    for family, labels, value in values:
        if value is not None:
            samples.setdefault(family, []).append(Sample(labels, float(value)))
    return tuple(
        Family(name=name, type=FAMILIES[name].type, help=FAMILIES[name].help, samples=tuple(taken))
        for name, taken in samples.items()
    )
