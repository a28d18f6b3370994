"""What Datadog and CloudWatch Container Insights call what a pod measures: plain data, held against docs/metrics.md by a test.

Room: aggregator core. Never enters: sinks, sockets, clocks.

A family has rows in several scopes (`scope="pod"`, `"container"`, `"process"`). A name takes the rows of one of them: the first of its
`scopes` that this snapshot has in that family, so that no vendor's sum counts anything twice.

Sources: datadog-agent pkg/collector/corechecks/containers/{generic/processor.go,kubelet/provider/cadvisor/provider.go} and
integrations-core {kubelet,container}/metadata.csv; aws-otel.github.io "Container Insights EKS Fargate" and its collector's configuration.
"""

from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

Scopes = tuple[str, ...]

POD_FIRST: Scopes = ("pod", "container")
POD: Scopes = ("pod",)
CONTAINER: Scopes = ("container",)
PROCESS: Scopes = ("process",)
ANY: Scopes = ()  # every row, whatever its scope

NANO = 1e9  # Datadog counts CPU in nanoseconds and nanocores


class DatadogName(NamedTuple):
    """One Datadog metric made of a family.

    scale: what a value is multiplied with. kind: `gauge`, the value; `rate`, what a counter grew by per second, sent as a gauge (the
    Agent's Rate); `count`, what it grew by, sent as a count with the interval (the Agent's MonotonicCount).
    """

    name: str
    scale: float = 1.0
    kind: Literal["gauge", "rate", "count"] = "gauge"
    scopes: Scopes = CONTAINER
    where: Mapping[str, str] = {}  # labels that a row must have; they are not tags then


def chosen_scope(scopes: Scopes, present: Collection[str]) -> str | None:
    """The first of `scopes` that is `present`; None where none is."""
    return next((scope for scope in scopes if scope in present), None)


# `kubernetes.*` are the pod's where it has a kernel of its own (Fargate), else those of the containers that can be seen; the
# Agent's are one per container, so their sum by pod is the same. `container.*` are always containers. What has no name at
# the Agent keeps its own, with dots.
DATADOG: Mapping[str, tuple[DatadogName, ...]] = {
    "container_cpu_usage_seconds_total": (
        DatadogName("kubernetes.cpu.usage.total", NANO, "rate", POD_FIRST),
        DatadogName("container.cpu.usage", NANO, "rate"),
    ),
    "container_cpu_user_seconds_total": (
        DatadogName("kubernetes.cpu.user.total", 1.0, "rate", POD_FIRST),
        DatadogName("container.cpu.user", NANO, "rate"),
    ),
    "container_cpu_system_seconds_total": (
        DatadogName("kubernetes.cpu.system.total", 1.0, "rate", POD_FIRST),
        DatadogName("container.cpu.system", NANO, "rate"),
    ),
    "container_cpu_cfs_periods_total": (DatadogName("kubernetes.cpu.cfs.periods", 1.0, "rate"),),
    "container_cpu_cfs_throttled_periods_total": (
        DatadogName("kubernetes.cpu.cfs.throttled.periods", 1.0, "rate"),
        DatadogName("container.cpu.throttled.periods", 1.0, "rate"),
    ),
    "container_cpu_cfs_throttled_seconds_total": (
        DatadogName("kubernetes.cpu.cfs.throttled.seconds", 1.0, "rate"),
        DatadogName("container.cpu.throttled", NANO, "rate"),
    ),
    "container_spec_cpu_quota": (DatadogName("towline.cpu.quota"),),
    "container_spec_cpu_period": (DatadogName("towline.cpu.period"),),
    "container_memory_usage_bytes": (
        DatadogName("kubernetes.memory.usage", scopes=POD_FIRST),
        DatadogName("container.memory.usage"),
    ),
    "container_memory_working_set_bytes": (
        DatadogName("kubernetes.memory.working_set", scopes=POD_FIRST),
        DatadogName("container.memory.working_set"),
    ),
    "container_memory_rss": (
        DatadogName("kubernetes.memory.rss", scopes=POD_FIRST),
        DatadogName("container.memory.rss"),
    ),
    "container_memory_cache": (
        DatadogName("kubernetes.memory.cache", scopes=POD_FIRST),
        DatadogName("container.memory.cache"),
    ),
    "container_memory_swap": (
        DatadogName("kubernetes.memory.swap", scopes=POD_FIRST),
        DatadogName("container.memory.swap"),
    ),
    "container_memory_mapped_file": (DatadogName("towline.memory.mapped_file", scopes=POD_FIRST),),
    "container_memory_max_usage_bytes": (DatadogName("container.memory.usage.peak"),),
    "container_memory_failcnt": (DatadogName("towline.memory.limit_hits"),),
    "container_memory_failures_total": (
        DatadogName("container.memory.page_faults", 1.0, "count", where={"failure_type": "pgfault"}),
        DatadogName("container.memory.major_page_faults", 1.0, "count", where={"failure_type": "pgmajfault"}),
    ),
    "container_oom_events_total": (
        DatadogName("container.memory.oom_events"),  # the Agent sends the running total, as a gauge
        DatadogName("towline.pod.oom_events", 1.0, "count", POD),
    ),
    "container_spec_memory_limit_bytes": (
        DatadogName("kubernetes.memory.limits", scopes=POD_FIRST),
        DatadogName("container.memory.limit"),
    ),
    "container_fs_reads_bytes_total": (
        DatadogName("kubernetes.io.read_bytes", 1.0, "rate"),
        DatadogName("container.io.read", 1.0, "rate"),
    ),
    "container_fs_writes_bytes_total": (
        DatadogName("kubernetes.io.write_bytes", 1.0, "rate"),
        DatadogName("container.io.write", 1.0, "rate"),
    ),
    "container_fs_reads_total": (DatadogName("container.io.read.operations", 1.0, "rate"),),
    "container_fs_writes_total": (DatadogName("container.io.write.operations", 1.0, "rate"),),
    "node_disk_read_bytes_total": (DatadogName("towline.pod.disk.read_bytes", 1.0, "rate", POD),),
    "node_disk_written_bytes_total": (DatadogName("towline.pod.disk.written_bytes", 1.0, "rate", POD),),
    "node_disk_reads_completed_total": (DatadogName("towline.pod.disk.reads", 1.0, "rate", POD),),
    "node_disk_writes_completed_total": (DatadogName("towline.pod.disk.writes", 1.0, "rate", POD),),
    "node_disk_io_time_seconds_total": (DatadogName("towline.pod.disk.busy", 1.0, "rate", POD),),
    "container_network_receive_bytes_total": (
        DatadogName("kubernetes.network.rx_bytes", 1.0, "rate", POD),
        DatadogName("container.net.rcvd", 1.0, "rate", POD),
    ),
    "container_network_receive_packets_total": (DatadogName("container.net.rcvd.packets", 1.0, "rate", POD),),
    "container_network_receive_errors_total": (DatadogName("kubernetes.network.rx_errors", 1.0, "rate", POD),),
    "container_network_receive_packets_dropped_total": (
        DatadogName("kubernetes.network.rx_dropped", 1.0, "rate", POD),
    ),
    "container_network_transmit_bytes_total": (
        DatadogName("kubernetes.network.tx_bytes", 1.0, "rate", POD),
        DatadogName("container.net.sent", 1.0, "rate", POD),
    ),
    "container_network_transmit_packets_total": (DatadogName("container.net.sent.packets", 1.0, "rate", POD),),
    "container_network_transmit_errors_total": (DatadogName("kubernetes.network.tx_errors", 1.0, "rate", POD),),
    "container_network_transmit_packets_dropped_total": (
        DatadogName("kubernetes.network.tx_dropped", 1.0, "rate", POD),
    ),
    "container_pressure_cpu_waiting_seconds_total": (
        DatadogName("container.cpu.partial_stall", NANO, "rate"),
        DatadogName("towline.pod.pressure.cpu.waiting", 1.0, "rate", POD),
    ),
    "container_pressure_cpu_stalled_seconds_total": (
        DatadogName("towline.pressure.cpu.stalled", 1.0, "rate", POD_FIRST),
    ),
    "container_pressure_memory_waiting_seconds_total": (
        DatadogName("container.memory.partial_stall", NANO, "rate"),
        DatadogName("towline.pod.pressure.memory.waiting", 1.0, "rate", POD),
    ),
    "container_pressure_memory_stalled_seconds_total": (
        DatadogName("towline.pressure.memory.stalled", 1.0, "rate", POD_FIRST),
    ),
    "container_pressure_io_waiting_seconds_total": (
        DatadogName("container.io.partial_stall", NANO, "rate"),
        DatadogName("towline.pod.pressure.io.waiting", 1.0, "rate", POD),
    ),
    "container_pressure_io_stalled_seconds_total": (
        DatadogName("towline.pressure.io.stalled", 1.0, "rate", POD_FIRST),
    ),
    "container_file_descriptors": (DatadogName("container.pid.open_files"),),
    "node_filefd_allocated": (DatadogName("towline.pod.files.open", scopes=POD),),
    "node_filefd_maximum": (DatadogName("towline.pod.files.limit", scopes=POD),),
    "container_processes": (DatadogName("towline.processes"),),
    "container_threads": (DatadogName("container.pid.thread_count"),),
    "container_threads_max": (DatadogName("container.pid.thread_limit"),),
    "node_load1": (DatadogName("towline.pod.load.1", scopes=POD),),
    "node_load5": (DatadogName("towline.pod.load.5", scopes=POD),),
    "node_load15": (DatadogName("towline.pod.load.15", scopes=POD),),
    "kubelet_volume_stats_used_bytes": (DatadogName("kubernetes.kubelet.volume.stats.used_bytes", scopes=POD),),
    "kubelet_volume_stats_capacity_bytes": (DatadogName("kubernetes.kubelet.volume.stats.capacity_bytes", scopes=POD),),
    "kubelet_volume_stats_available_bytes": (
        DatadogName("kubernetes.kubelet.volume.stats.available_bytes", scopes=POD),
    ),
    "kubelet_volume_stats_inodes": (DatadogName("kubernetes.kubelet.volume.stats.inodes", scopes=POD),),
    "kubelet_volume_stats_inodes_used": (DatadogName("kubernetes.kubelet.volume.stats.inodes_used", scopes=POD),),
    "kubelet_volume_stats_inodes_free": (DatadogName("kubernetes.kubelet.volume.stats.inodes_free", scopes=POD),),
    "towline_volume_files_bytes": (DatadogName("towline.volume.files_bytes", scopes=POD),),
    "towline_volume_full_seconds": (DatadogName("towline.volume.full_seconds", scopes=POD),),
    "container_start_time_seconds": (DatadogName("towline.container.start_time"),),
    "container_last_seen": (),
    "node_boot_time_seconds": (DatadogName("towline.pod.boot_time", scopes=POD),),
    "towline_collector_uptime_seconds": (DatadogName("container.uptime"),),
    "towline_collector_restarts_total": (DatadogName("towline.collector.restarts", 1.0, "count"),),
    "towline_pod_capacity_cpu_cores": (DatadogName("kubernetes.cpu.limits", scopes=POD),),
    "towline_pod_capacity_memory_bytes": (DatadogName("towline.pod.memory.capacity", scopes=POD),),
    "towline_process_cpu_seconds_total": (DatadogName("towline.process.cpu", NANO, "rate", PROCESS),),
    "towline_process_resident_memory_bytes": (DatadogName("towline.process.memory.rss", scopes=PROCESS),),
    "towline_process_threads": (DatadogName("towline.process.threads", scopes=PROCESS),),
    "towline_sampler_duration_seconds": (DatadogName("towline.sampler.duration", scopes=ANY),),
    "towline_sampler_success": (DatadogName("towline.sampler.success", scopes=ANY),),
}


class Reading(NamedTuple):
    """One number of a snapshot: the rows of `family` in the first of `scopes` that it has, added up (interfaces, containers).

    taken: `gauge`, their values; `rate`, what they grew by per second of the interval. scale: what the sum is multiplied with.
    """

    family: str
    taken: Literal["gauge", "rate"] = "gauge"
    scale: float = 1.0
    scopes: Scopes = POD_FIRST


class Insight(NamedTuple):
    """One Container Insights metric: `of`, or `of` + `plus`, or `of` as a percentage of `percent_of`.

    Where a reading has no rows there is no metric. unit: CloudWatch's word. by_default: one of the eight that Container Insights
    itself makes metrics of; the others are fields of the same log event, free of the metric's price, until they are chosen.
    """

    unit: str
    of: Reading
    plus: Reading | None = None
    percent_of: Reading | None = None
    by_default: bool = False


INSIGHTS_NAMESPACE = "ContainerInsights"
INSIGHTS_LOG_GROUP = "/aws/containerinsights/{cluster}/performance"
INSIGHTS_DIMENSIONS: tuple[tuple[str, ...], ...] = (
    ("ClusterName", "LaunchType"),
    ("ClusterName", "Namespace", "LaunchType"),
    ("ClusterName", "Namespace", "PodName", "LaunchType"),
)
LAUNCH_TYPE = "fargate"
TYPE = "Pod"  # the field `Type` of each event

MILLI = 1000.0  # Container Insights counts CPU in millicores, of which CloudWatch has no unit

_CPU = Reading("container_cpu_usage_seconds_total", "rate", MILLI)
_CPU_LIMIT = Reading("towline_pod_capacity_cpu_cores", "gauge", MILLI, POD)
_WORKING_SET = Reading("container_memory_working_set_bytes")
_MEMORY_LIMIT = Reading("towline_pod_capacity_memory_bytes", scopes=POD)
_RECEIVED = Reading("container_network_receive_bytes_total", "rate", scopes=POD)
_TRANSMITTED = Reading("container_network_transmit_bytes_total", "rate", scopes=POD)


def _packets(family: str) -> Insight:
    return Insight("Count/Second", Reading(f"container_network_{family}_total", "rate", scopes=POD))


CONTAINER_INSIGHTS: Mapping[str, Insight] = {
    "pod_cpu_usage_total": Insight("None", _CPU, by_default=True),
    "pod_cpu_limit": Insight("None", _CPU_LIMIT, by_default=True),
    "pod_cpu_utilization_over_pod_limit": Insight("Percent", _CPU, percent_of=_CPU_LIMIT, by_default=True),
    "pod_memory_working_set": Insight("Bytes", _WORKING_SET, by_default=True),
    "pod_memory_limit": Insight("Bytes", _MEMORY_LIMIT, by_default=True),
    "pod_memory_utilization_over_pod_limit": Insight(
        "Percent", _WORKING_SET, percent_of=_MEMORY_LIMIT, by_default=True
    ),
    "pod_network_rx_bytes": Insight("Bytes/Second", _RECEIVED, by_default=True),
    "pod_network_tx_bytes": Insight("Bytes/Second", _TRANSMITTED, by_default=True),
    "pod_network_total_bytes": Insight("Bytes/Second", _RECEIVED, plus=_TRANSMITTED),
    "pod_network_rx_packets": _packets("receive_packets"),
    "pod_network_rx_errors": _packets("receive_errors"),
    "pod_network_rx_dropped": _packets("receive_packets_dropped"),
    "pod_network_tx_packets": _packets("transmit_packets"),
    "pod_network_tx_errors": _packets("transmit_errors"),
    "pod_network_tx_dropped": _packets("transmit_packets_dropped"),
    "pod_memory_usage": Insight("Bytes", Reading("container_memory_usage_bytes")),
    "pod_memory_rss": Insight("Bytes", Reading("container_memory_rss")),
    "pod_memory_cache": Insight("Bytes", Reading("container_memory_cache")),
    "pod_memory_swap": Insight("Bytes", Reading("container_memory_swap")),
}
