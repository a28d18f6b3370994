"""Pressure stall information, where the kernel keeps it: time in which tasks stood still for lack of CPU, memory, I/O.

Room: collector source, a sampler. Format: core/procfs.py (kernel psi.rst).
"""

from collections.abc import Iterable

from collector.core.cgroup import UNIFIED
from collector.core.procfs import parse_stall
from collector.sources.samplers.view import POD, Group, Labels, Value, View

RESOURCES = ("cpu", "memory", "io")
_ONLY_BELOW_THE_ROOT = "cgroup.type"  # a file that every v2 group but the root has


class PressureSampler:
    """Each container's v2 group (v1 has none); the machine where it is the pod's own. Without PSI there are no series."""

    def sample(self, view: View) -> Iterable[Value]:
        for labels, texts in view.of_each(lambda group: _of_group(view, group)):
            for name, text in texts.items():
                yield from _values(name.removesuffix(".pressure"), text, labels)
        if view.own_kernel:
            for resource in RESOURCES:
                yield from _values(resource, view.proc_if_there(f"pressure/{resource}") or "", POD)


def _of_group(view: View, group: Group) -> dict[str, str]:
    """The group's pressure files. The root's are the machine's: on a hybrid every container is in it."""
    place = view.place(group, UNIFIED)
    if place is None:
        return {}
    texts = view.texts(place, (_ONLY_BELOW_THE_ROOT, *(f"{resource}.pressure" for resource in RESOURCES)))
    return texts if texts.pop(_ONLY_BELOW_THE_ROOT, None) is not None else {}


def _values(resource: str, text: str, labels: Labels) -> Iterable[Value]:
    if not text:
        return
    stall = parse_stall(text)
    yield f"container_pressure_{resource}_waiting_seconds_total", labels, stall.waiting_seconds
    yield f"container_pressure_{resource}_stalled_seconds_total", labels, stall.stalled_seconds
