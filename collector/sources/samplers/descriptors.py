"""Open file descriptors of each container, and of the machine where it is the pod's own.

Room: collector source, a sampler. Format: core/procfs.py.
"""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from collector.core.procfs import parse_file_nr
from collector.sources.samplers.view import POD, Value, View

MOST_PROCESSES = 500  # of one container: counting more would cost more than it says


class DescriptorSampler:
    """A container whose processes we may not look into (another user's) has no series."""

    def sample(self, view: View) -> Iterable[Value]:
        place = view.found_place(view.own, "pids")
        texts = view.texts(place, ("cgroup.procs",))
        yield "container_file_descriptors", view.own.labels, _open_files(view, texts["cgroup.procs"].split())
        for labels, sibling in view.others:
            yield "container_file_descriptors", labels, _open_files(view, [str(one.pid) for one in sibling.members])
        if view.own_kernel:
            allocated, maximum = parse_file_nr(view.proc("sys/fs/file-nr"))
            yield "node_filefd_allocated", POD, allocated
            yield "node_filefd_maximum", POD, maximum


def _open_files(view: View, pids: Sequence[str]) -> int | None:
    """None where not every process could be counted."""
    if len(pids) > MOST_PROCESSES:
        return None
    total = 0
    for pid in pids:
        try:
            total += _open_files_of(view.root / "proc" / pid / "fd")
        except FileNotFoundError:
            continue  # it has ended
        except PermissionError:
            return None
    return total


def _open_files_of(folder: Path) -> int:
    with os.scandir(folder) as entries:
        return sum(1 for _ in entries)
