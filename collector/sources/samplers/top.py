"""The processes that use most CPU or most memory, of all that can be seen. Off unless asked for.

Room: collector source, a sampler. psutil is imported when the first round runs: it costs every pod 5 MB, and few ask for this.
"""

from collections.abc import Iterable
from typing import NamedTuple

from collector.sources.samplers.view import Value, View


class _Process(NamedTuple):
    pid: int
    name: str
    started: float
    cpu_seconds: float
    resident_bytes: int
    threads: int


class TopSampler:
    """The `count` that used most CPU since the last round, and the `count` with most resident memory."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._before: dict[tuple[int, float], float] = {}

    def sample(self, _view: View) -> Iterable[Value]:
        processes = _running()
        used = {(one.pid, one.started): one.cpu_seconds for one in processes}
        by_cpu = sorted(processes, key=lambda one: self._before.get((one.pid, one.started), 0.0) - one.cpu_seconds)
        by_memory = sorted(processes, key=lambda one: -one.resident_bytes)
        self._before = used
        for one in dict.fromkeys((*by_cpu[: self._count], *by_memory[: self._count])):
            labels = {"scope": "process", "process": one.name, "pid": str(one.pid)}
            yield "towline_process_cpu_seconds_total", labels, one.cpu_seconds
            yield "towline_process_resident_memory_bytes", labels, one.resident_bytes
            yield "towline_process_threads", labels, one.threads


def _running() -> list[_Process]:
    import psutil  # noqa: PLC0415 - 5 MB that only those pay who ask for processes

    found = []
    for process in psutil.process_iter():
        try:
            with process.oneshot():
                times, memory = process.cpu_times(), process.memory_info()
                name = process.name().encode(errors="replace").decode()
                found.append(
                    _Process(
                        process.pid,
                        name,
                        process.create_time(),
                        times.user + times.system,
                        memory.rss,
                        process.num_threads(),
                    )
                )
        except psutil.Error:
            continue  # it has ended, or is not ours to see
    return found
