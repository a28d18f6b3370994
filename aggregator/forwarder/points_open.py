"""Opens stored snapshots for sinks of metrics, on whatever thread they are made.

Room: aggregator, forwarder. Never enters: journals, sinks.
"""

import threading

from aggregator.core.opening import Opener, OpenLimits
from aggregator.core.series import Opened
from towline.wire.identity import Pod
from towline.wire.snapshot import SnapshotRequest


class Openers(threading.local):
    """One for each thread, as an opener remembers how labels are written and is no place for two at a time."""

    def __init__(self, limits: OpenLimits) -> None:
        super().__init__()  # once in every thread that comes by: that is how threading.local works
        self._opener = Opener(limits)

    def open(self, pod: Pod, said: SnapshotRequest) -> Opened:
        """Open one."""
        return self._opener.open(pod, said)
