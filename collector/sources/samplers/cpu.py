"""CPU: used, and held back by the quota.

Room: collector source, a sampler. Formats: core/cgroup_usage.py, core/procfs.py.
"""

import os
from collections.abc import Iterable

from collector.core import cgroup_usage
from collector.core.procfs import parse_cpu_seconds
from collector.sources.samplers.view import POD, Group, Value, View


class CpuSampler:
    """Each container's group; the machine where it is the pod's own."""

    def __init__(self) -> None:
        self._ticks_per_second = os.sysconf("SC_CLK_TCK")

    def sample(self, view: View) -> Iterable[Value]:
        for labels, used in view.of_each(lambda group: self._used(view, group)):
            yield "container_cpu_usage_seconds_total", labels, used.usage_seconds
            yield "container_cpu_user_seconds_total", labels, used.user_seconds
            yield "container_cpu_system_seconds_total", labels, used.system_seconds
            yield "container_cpu_cfs_periods_total", labels, used.periods
            yield "container_cpu_cfs_throttled_periods_total", labels, used.throttled_periods
            yield "container_cpu_cfs_throttled_seconds_total", labels, used.throttled_seconds
            yield "container_spec_cpu_quota", labels, used.quota_us
            yield "container_spec_cpu_period", labels, used.period_us
        if view.own_kernel:
            seconds = parse_cpu_seconds(view.proc("stat"), self._ticks_per_second)
            yield "container_cpu_usage_seconds_total", POD, seconds.total
            yield "container_cpu_user_seconds_total", POD, seconds.user
            yield "container_cpu_system_seconds_total", POD, seconds.system

    def _used(self, view: View, group: Group) -> cgroup_usage.CpuUsage:
        place = view.found_place(group, "cpu")
        if place.version == 2:
            return cgroup_usage.cpu_v2(view.texts(place, cgroup_usage.CPU_V2))
        texts = view.texts(place, cgroup_usage.CPU_V1)
        texts |= view.texts(view.found_place(group, "cpuacct"), cgroup_usage.CPUACCT_V1)
        return cgroup_usage.cpu_v1(texts, self._ticks_per_second)
