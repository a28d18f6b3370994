"""Processes and threads of each container, and the load of the machine where it is the pod's own.

Room: collector source, a sampler. Formats: core/cgroup_usage.py, core/procfs.py.
"""

from collections.abc import Iterable

from collector.core.cgroup_usage import count_lines, parse_task_limit
from collector.core.procfs import parse_load
from collector.sources.samplers.view import POD, Group, Value, View


class ProcessSampler:
    """Counts what each container's group lists."""

    def sample(self, view: View) -> Iterable[Value]:
        for labels, (processes, threads, limit) in view.of_each(lambda group: _tasks(view, group)):
            yield "container_processes", labels, processes
            yield "container_threads", labels, threads
            yield "container_threads_max", labels, limit
        if view.own_kernel:
            one, five, fifteen = parse_load(view.proc("loadavg"))
            yield "node_load1", POD, one
            yield "node_load5", POD, five
            yield "node_load15", POD, fifteen


def _tasks(view: View, group: Group) -> tuple[int, int, int | None]:
    place = view.found_place(group, "pids")
    threads = "tasks" if place.version == 1 else "cgroup.threads"
    texts = view.texts(place, ("cgroup.procs", threads, "pids.max"))
    return (
        count_lines(texts["cgroup.procs"]),
        count_lines(texts[threads]),
        parse_task_limit(texts.get("pids.max", "max")),
    )
