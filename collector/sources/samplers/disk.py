"""Block I/O: what each container moved, and what the disks of the pod's own machine did.

Room: collector source, a sampler. Formats: core/cgroup_usage.py, core/procfs.py.
"""

from collections.abc import Iterable, Mapping

from collector.core import cgroup_usage
from collector.core.procfs import Disk, parse_diskstats
from collector.sources.samplers.view import POD, Group, Value, View


class DiskSampler:
    """Each container's group; the machine's disks where it is the pod's own. A group without this account has no series: it is optional."""

    def sample(self, view: View) -> Iterable[Value]:
        disks = parse_diskstats(view.proc_if_there("diskstats") or "")
        names = {disk.number: f"/dev/{disk.name}" for disk in disks}
        for container, all_moved in view.of_each(lambda group: _moved(view, group)):
            for moved in all_moved:
                labels = {**container, "device": names.get(moved.device, moved.device)}
                yield "container_fs_reads_bytes_total", labels, moved.read_bytes
                yield "container_fs_writes_bytes_total", labels, moved.written_bytes
                yield "container_fs_reads_total", labels, moved.reads
                yield "container_fs_writes_total", labels, moved.writes
        if view.own_kernel:
            for disk in disks:
                if disk.is_whole:
                    yield from _of_disk(disk, {**POD, "device": disk.name})


def _moved(view: View, group: Group) -> list[cgroup_usage.DeviceIo]:
    place = view.place(group, "blkio") or view.place(group, "io")
    if place is None:
        return []
    texts = view.texts(place, cgroup_usage.IO_V1 if place.version == 1 else cgroup_usage.IO_V2)
    if not texts:
        return []
    return cgroup_usage.io_v1(texts) if place.version == 1 else cgroup_usage.io_v2(texts)


def _of_disk(disk: Disk, labels: Mapping[str, str]) -> Iterable[Value]:
    yield "node_disk_read_bytes_total", labels, disk.read_bytes
    yield "node_disk_written_bytes_total", labels, disk.written_bytes
    yield "node_disk_reads_completed_total", labels, disk.reads
    yield "node_disk_writes_completed_total", labels, disk.writes
    yield "node_disk_io_time_seconds_total", labels, disk.busy_seconds
