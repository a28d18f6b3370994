"""The network namespace that all containers of the pod share.

Room: collector source, a sampler. Format: core/procfs.py.
"""

from collections.abc import Iterable

from collector.core.procfs import parse_net_dev
from collector.sources.samplers.view import POD, Value, View

_COUNTERS = {"bytes": "bytes", "packets": "packets", "errors": "errors", "dropped": "packets_dropped"}


class NetworkSampler:
    """Every interface but loopback."""

    def sample(self, view: View) -> Iterable[Value]:
        for interface in parse_net_dev(view.proc("net/dev")):
            labels = {**POD, "interface": interface.name}
            for way in ("receive", "transmit"):
                for counter, family in _COUNTERS.items():
                    yield f"container_network_{way}_{family}_total", labels, getattr(interface, f"{way}_{counter}")
