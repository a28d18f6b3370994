"""Since when the container, the collector and the pod's own machine run, and how often the collector began again.

Room: collector source, a sampler. Format: core/procfs.py.

Restarts are counted in a file beside the checkpoint: each start adds one. So they are known for as long as the state folder lasts
(an emptyDir: the pod's life), and not at all where it cannot be written: then there is no series.
"""

import contextlib
import os
from collections.abc import Iterable
from pathlib import Path

from collector.core.procfs import parse_boot_time, parse_process_stat
from collector.sources.samplers.view import POD, Value, View

FILE_NAME = "starts"


class UptimeSampler:
    """state_dir: the collector's, or None: restarts are not counted."""

    def __init__(self, state_dir: Path | None) -> None:
        self._state_dir = state_dir
        self._has_counted = False
        self._starts: int | None = None
        self._ticks_per_second = os.sysconf("SC_CLK_TCK")

    def sample(self, view: View) -> Iterable[Value]:
        labels = view.own.labels
        if not self._has_counted and self._state_dir is not None:
            self._starts = _count_start(self._state_dir)
            self._has_counted = True
        yield "container_last_seen", labels, view.now_unix_ns / 1e9
        yield "towline_collector_restarts_total", labels, None if self._starts is None else self._starts - 1
        boot = parse_boot_time(view.proc("stat"))
        started = parse_process_stat(view.proc("self/stat")).start_ticks / self._ticks_per_second
        yield "container_start_time_seconds", labels, boot + started
        yield "towline_collector_uptime_seconds", labels, float(view.proc("uptime").split()[0]) - started
        if view.own_kernel:
            yield "node_boot_time_seconds", POD, boot


def _count_start(state_dir: Path) -> int | None:
    """How many collectors began on this folder, this one included; None where that cannot be kept."""
    kept, draft = state_dir / FILE_NAME, state_dir / f"{FILE_NAME}.tmp"
    starts = 1
    # Not there: the first. Not a number: it was cut short by a full disk, and counting begins anew.
    with contextlib.suppress(OSError, ValueError):
        starts = max(0, int(kept.read_text(encoding="ascii")[:20])) + 1
    try:
        draft.write_text(f"{starts}\n", encoding="ascii")
        draft.replace(kept)
    except OSError:
        return None
    return starts
