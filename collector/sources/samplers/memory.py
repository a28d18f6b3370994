"""Memory: in use, its limit, and what happened at the limit.

Room: collector source, a sampler. Formats: core/cgroup_usage.py, core/procfs.py.
"""

from collections.abc import Iterable

from collector.core import cgroup_usage
from collector.core.procfs import machine_memory, parse_meminfo
from collector.sources.samplers.view import POD, Group, Labels, Value, View


class MemorySampler:
    """Each container's group; the machine where it is the pod's own."""

    def __init__(self) -> None:
        self._total_bytes = 0

    def sample(self, view: View) -> Iterable[Value]:
        if view.own_kernel or not self._total_bytes:
            meminfo = parse_meminfo(view.proc("meminfo"))
            self._total_bytes = meminfo["MemTotal"]
            if view.own_kernel:
                yield from _values(machine_memory(meminfo, view.proc_if_there("vmstat") or ""), POD)
        for labels, used in view.of_each(lambda group: self._used(view, group)):
            yield from _values(used, labels)

    def _used(self, view: View, group: Group) -> cgroup_usage.MemoryUsage:
        place = view.found_place(group, "memory")
        if place.version == 2:
            return cgroup_usage.memory_v2(view.texts(place, cgroup_usage.MEMORY_V2), self._total_bytes)
        return cgroup_usage.memory_v1(view.texts(place, cgroup_usage.MEMORY_V1), self._total_bytes)


def _values(used: cgroup_usage.MemoryUsage, labels: Labels) -> Iterable[Value]:
    yield "container_memory_usage_bytes", labels, used.usage
    yield "container_memory_working_set_bytes", labels, used.working_set
    yield "container_memory_rss", labels, used.rss
    yield "container_memory_cache", labels, used.cache
    yield "container_memory_swap", labels, used.swap
    yield "container_memory_mapped_file", labels, used.mapped_file
    yield "container_memory_max_usage_bytes", labels, used.peak
    yield "container_memory_failcnt", labels, used.limit_hits
    yield "container_memory_failures_total", {**labels, "failure_type": "pgfault"}, used.page_faults
    yield "container_memory_failures_total", {**labels, "failure_type": "pgmajfault"}, used.major_page_faults
    yield "container_oom_events_total", labels, used.oom_kills
    yield "container_spec_memory_limit_bytes", labels, used.limit
