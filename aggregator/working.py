"""What a configuration sets to work: destinations, the lanes that serve them, and who is owed which lines.

Room: aggregator, below app. Never enters: HTTP, when another configuration comes.
"""

import asyncio
from collections.abc import Mapping

from aggregator.config import SinkConfig
from aggregator.core.opening import OpenLimits
from aggregator.debtors import Debtors
from aggregator.forwarder import Forwarder, Metrics, Openers
from aggregator.forwarder.state import SinkState
from aggregator.journal import Journal
from aggregator.own_snapshots import OwnSnapshots
from aggregator.parts import Parts, metrics_name
from aggregator.sinks.prometheus import PrometheusConfig


class Working:
    """`before`: what worked with the configuration before, which this goes on counting for."""

    def __init__(
        self, journal: Journal, sinks: Mapping[str, SinkConfig], parts: Parts, before: "Working | None" = None
    ) -> None:
        push, metrics = parts.lines(), parts.metrics()
        self.configured, self.parts, self.page = sinks, parts, parts.page()
        if self.page is not None:
            self.page.include(parts.counted)
        self._own = OwnSnapshots(journal, parts.counting(), metrics)
        self._forwarder = Forwarder(
            journal,
            push,
            metrics=Metrics(metrics, Openers(_open_limits(sinks)).open),
            plans=parts.plans,
        )
        if before is not None:
            self._forwarder.succeed(before.states)
        self.debtors = Debtors(parts.plans.routes, push, metrics)

    @property
    def states(self) -> Mapping[str, SinkState]:
        """What each sink has done, by its name in the journal."""
        return self._forwarder.states

    def sinks(self) -> dict[str, tuple[str, SinkState]]:
        """Types and states by the names in the journal."""
        types = {name: sink.options.type for name, sink in self.configured.items()}
        types |= {metrics_name(name): kind for name, kind in types.items()}
        return {name: (types[name], state) for name, state in self.states.items()}

    async def run(self, stop: asyncio.Event, leave: asyncio.Event) -> None:
        """Deliver. Return once nothing is owed after `stop`; or, after `leave`, once what is being sent is answered for."""
        said = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            own = group.create_task(self._own.run(stop, said))
            await self._forwarder.run(said, leave)
            own.cancel()


def _open_limits(sinks: Mapping[str, SinkConfig]) -> OpenLimits:
    """How much of a snapshot sinks of metrics get: as much as the page shows."""
    pages = [sink.config.max_series_per_pod for sink in sinks.values() if isinstance(sink.config, PrometheusConfig)]
    return OpenLimits(max_series=max(pages, default=OpenLimits().max_series))
