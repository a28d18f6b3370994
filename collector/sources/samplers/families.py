"""The families that samplers speak of: name, type, unit, help. docs/metrics.md is held against this table.

Room: collector source, beside the samplers. Never enters: reading.

Names and meanings are cAdvisor's (`container_*`), the kubelet's (`kubelet_*`) and node_exporter's (`node_*`) where they are the same; else ours (`towline_*`).
"""

from collections.abc import Mapping
from typing import NamedTuple

from towline.wire.snapshot import FamilyType


class FamilySpec(NamedTuple):
    """One family; `unit` is a base unit, or "" for a count."""

    type: FamilyType
    unit: str
    help: str


FAMILIES: Mapping[str, FamilySpec] = {
    "container_cpu_usage_seconds_total": FamilySpec("counter", "seconds", "Cumulative CPU time consumed."),
    "container_cpu_user_seconds_total": FamilySpec("counter", "seconds", "Cumulative CPU time consumed in user mode."),
    "container_cpu_system_seconds_total": FamilySpec(
        "counter", "seconds", "Cumulative CPU time consumed in the kernel."
    ),
    "container_cpu_cfs_periods_total": FamilySpec(
        "counter", "", "Enforcement periods of the CPU quota that have elapsed."
    ),
    "container_cpu_cfs_throttled_periods_total": FamilySpec(
        "counter", "", "Enforcement periods in which the CPU quota was used up."
    ),
    "container_cpu_cfs_throttled_seconds_total": FamilySpec(
        "counter", "seconds", "Time for which the CPU quota held tasks back."
    ),
    "container_spec_cpu_quota": FamilySpec(
        "gauge", "microseconds", "CPU time per period; absent where there is no quota."
    ),
    "container_spec_cpu_period": FamilySpec("gauge", "microseconds", "Enforcement period of the CPU quota."),
    "container_memory_usage_bytes": FamilySpec("gauge", "bytes", "Memory in use, page cache included."),
    "container_memory_working_set_bytes": FamilySpec("gauge", "bytes", "Memory in use without inactive page cache."),
    "container_memory_rss": FamilySpec("gauge", "bytes", "Anonymous memory."),
    "container_memory_cache": FamilySpec("gauge", "bytes", "Page cache."),
    "container_memory_swap": FamilySpec("gauge", "bytes", "Swap in use."),
    "container_memory_mapped_file": FamilySpec("gauge", "bytes", "Memory-mapped files."),
    "container_memory_max_usage_bytes": FamilySpec("gauge", "bytes", "The most memory that was ever in use."),
    # A counter for cAdvisor, but the text formats want `_total` of those: a gauge keeps the name that dashboards know.
    "container_memory_failcnt": FamilySpec("gauge", "", "Times that the memory limit was reached."),
    "container_memory_failures_total": FamilySpec("counter", "", "Page faults, by failure_type."),
    "container_oom_events_total": FamilySpec("counter", "", "Processes killed for want of memory."),
    "container_spec_memory_limit_bytes": FamilySpec("gauge", "bytes", "Memory limit; absent where there is none."),
    "container_fs_reads_bytes_total": FamilySpec("counter", "bytes", "Bytes read from a block device."),
    "container_fs_writes_bytes_total": FamilySpec("counter", "bytes", "Bytes written to a block device."),
    "container_fs_reads_total": FamilySpec("counter", "", "Reads of a block device."),
    "container_fs_writes_total": FamilySpec("counter", "", "Writes of a block device."),
    "node_disk_read_bytes_total": FamilySpec("counter", "bytes", "Bytes read from a disk of the pod's own machine."),
    "node_disk_written_bytes_total": FamilySpec(
        "counter", "bytes", "Bytes written to a disk of the pod's own machine."
    ),
    "node_disk_reads_completed_total": FamilySpec("counter", "", "Reads completed by a disk of the pod's own machine."),
    "node_disk_writes_completed_total": FamilySpec(
        "counter", "", "Writes completed by a disk of the pod's own machine."
    ),
    "node_disk_io_time_seconds_total": FamilySpec(
        "counter", "seconds", "Time for which a disk of the pod's own machine was busy."
    ),
    "container_network_receive_bytes_total": FamilySpec("counter", "bytes", "Bytes received."),
    "container_network_receive_packets_total": FamilySpec("counter", "", "Packets received."),
    "container_network_receive_errors_total": FamilySpec("counter", "", "Errors met while receiving."),
    "container_network_receive_packets_dropped_total": FamilySpec("counter", "", "Packets dropped while receiving."),
    "container_network_transmit_bytes_total": FamilySpec("counter", "bytes", "Bytes transmitted."),
    "container_network_transmit_packets_total": FamilySpec("counter", "", "Packets transmitted."),
    "container_network_transmit_errors_total": FamilySpec("counter", "", "Errors met while transmitting."),
    "container_network_transmit_packets_dropped_total": FamilySpec(
        "counter", "", "Packets dropped while transmitting."
    ),
    "container_pressure_cpu_waiting_seconds_total": FamilySpec(
        "counter", "seconds", "Time in which some task waited for CPU."
    ),
    "container_pressure_cpu_stalled_seconds_total": FamilySpec(
        "counter", "seconds", "Time in which every task waited for CPU."
    ),
    "container_pressure_memory_waiting_seconds_total": FamilySpec(
        "counter", "seconds", "Time in which some task waited for memory."
    ),
    "container_pressure_memory_stalled_seconds_total": FamilySpec(
        "counter", "seconds", "Time in which every task waited for memory."
    ),
    "container_pressure_io_waiting_seconds_total": FamilySpec(
        "counter", "seconds", "Time in which some task waited for I/O."
    ),
    "container_pressure_io_stalled_seconds_total": FamilySpec(
        "counter", "seconds", "Time in which every task waited for I/O."
    ),
    "container_file_descriptors": FamilySpec("gauge", "", "Open file descriptors."),
    "node_filefd_allocated": FamilySpec("gauge", "", "Open files of the pod's own machine."),
    "node_filefd_maximum": FamilySpec("gauge", "", "Files that may be open on the pod's own machine."),
    "container_processes": FamilySpec("gauge", "", "Processes running."),
    "container_threads": FamilySpec("gauge", "", "Threads running."),
    "container_threads_max": FamilySpec("gauge", "", "Threads that may run; absent where there is no limit."),
    "node_load1": FamilySpec("gauge", "", "Load of the pod's own machine over one minute."),
    "node_load5": FamilySpec("gauge", "", "Load of the pod's own machine over five minutes."),
    "node_load15": FamilySpec("gauge", "", "Load of the pod's own machine over fifteen minutes."),
    "kubelet_volume_stats_used_bytes": FamilySpec("gauge", "bytes", "Used on the file system of a watched log folder."),
    "kubelet_volume_stats_capacity_bytes": FamilySpec(
        "gauge", "bytes", "Size of the file system of a watched log folder."
    ),
    "kubelet_volume_stats_available_bytes": FamilySpec(
        "gauge", "bytes", "What an unprivileged writer may still use there."
    ),
    "kubelet_volume_stats_inodes": FamilySpec("gauge", "", "Inodes of the file system of a watched log folder."),
    "kubelet_volume_stats_inodes_used": FamilySpec("gauge", "", "Inodes in use there."),
    "kubelet_volume_stats_inodes_free": FamilySpec("gauge", "", "Inodes free there."),
    "towline_volume_files_bytes": FamilySpec("gauge", "bytes", "What the files below a watched log folder take."),
    "towline_volume_full_seconds": FamilySpec(
        "gauge",
        "seconds",
        "Time until a volume is full, as it grew in the last ten minutes; absent while it does not grow.",
    ),
    "container_start_time_seconds": FamilySpec("gauge", "seconds", "Unix time at which the container started."),
    "container_last_seen": FamilySpec("gauge", "seconds", "Unix time at which these samples were taken."),
    "node_boot_time_seconds": FamilySpec("gauge", "seconds", "Unix time at which the pod's own machine started."),
    "towline_collector_uptime_seconds": FamilySpec("gauge", "seconds", "Time for which this collector has run."),
    "towline_collector_restarts_total": FamilySpec(
        "counter", "", "Starts of a collector on this state folder, without the first."
    ),
    "towline_pod_capacity_cpu_cores": FamilySpec("gauge", "", "CPU cores that Fargate gave the pod."),
    "towline_pod_capacity_memory_bytes": FamilySpec("gauge", "bytes", "Memory that Fargate gave the pod."),
    "towline_process_cpu_seconds_total": FamilySpec(
        "counter", "seconds", "CPU time consumed by one of the top processes."
    ),
    "towline_process_resident_memory_bytes": FamilySpec(
        "gauge", "bytes", "Resident memory of one of the top processes."
    ),
    "towline_process_threads": FamilySpec("gauge", "", "Threads of one of the top processes."),
    "towline_sampler_duration_seconds": FamilySpec("gauge", "seconds", "Time that a sampler took."),
    "towline_sampler_success": FamilySpec("gauge", "", "Whether a sampler succeeded: 1, or 0."),
}
