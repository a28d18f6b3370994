"""The pod's other containers, where shareProcessNamespace lets us see them.

Room: collector source, a sampler. Who is one, and what their processes add up to, is decided in core/siblings.py.

A container usually sees only its own control group mounted: then the others are known by their processes, and of them only
what /proc says: CPU, anonymous memory, processes, threads. Where their groups can be read, the other samplers read them.
"""

import os
from collections.abc import Iterable, Iterator, Mapping

from collector.core.cgroup import parse_memberships
from collector.core.procfs import parse_anonymous_pages, parse_process_stat
from collector.core.siblings import CpuBook, Seen, Sibling, group_siblings, path_of, sibling_id
from collector.sources.samplers.view import Value, View


class SiblingSampler:
    """Runs before all others: it tells the view whom they are to sample."""

    def __init__(self) -> None:
        self._book = CpuBook()
        self._ticks_per_second = os.sysconf("SC_CLK_TCK")
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")

    def sample(self, view: View) -> Iterable[Value]:
        siblings = group_siblings(_others(view))
        view.take_siblings(siblings)
        used_ticks = self._book.advance(siblings)
        for labels, sibling in view.unseen:
            used_seconds = used_ticks[sibling.id] / self._ticks_per_second
            yield "container_cpu_usage_seconds_total", labels, used_seconds
            yield "container_memory_rss", labels, self._anonymous_bytes(view, sibling)
            yield "container_processes", labels, len(sibling.members)
            yield "container_threads", labels, sum(member.threads for member in sibling.members)

    def _anonymous_bytes(self, view: View, sibling: Sibling) -> int:
        texts = (view.proc_if_there(f"{member.pid}/statm") for member in sibling.members)
        return sum(parse_anonymous_pages(text) for text in texts if text) * self._page_bytes


def _others(view: View) -> Iterator[tuple[str, Mapping[str, str], Seen]]:
    """Every process that can be seen and is another container's."""
    own_text, own_path = view.proc("self/cgroup"), path_of(view.own.memberships)
    with os.scandir(view.root / "proc") as entries:
        pids = [entry.name for entry in entries if entry.name.isdecimal()]
    for pid in pids:
        try:
            text = view.proc_if_there(f"{pid}/cgroup")
        except PermissionError:
            continue  # /proc is mounted with hidepid
        if not text or text == own_text:
            continue
        memberships = parse_memberships(text)
        container_id = sibling_id(own_path, path_of(memberships))
        stat = view.proc_if_there(f"{pid}/stat") if container_id else None
        if stat:
            process = parse_process_stat(stat)
            yield (
                container_id,
                memberships,
                Seen(
                    pid=int(pid),
                    name=process.name,
                    cpu_ticks=process.cpu_ticks,
                    threads=process.threads,
                    start_ticks=process.start_ticks,
                ),
            )
