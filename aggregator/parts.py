"""What a configuration makes before any network, journal or port is touched: the sinks, and the guard of the door.

Room: aggregator, below app. Never enters: what is done with them. `towline check` asks here too, so that it finds what a start finds.
"""

import asyncio
import contextlib
import os
import platform
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

import aiohttp

from aggregator.auth import Authenticator, build_authenticator
from aggregator.config import AggregatorConfig, SinkConfig, sinks_of
from aggregator.core.route import Plans, Routes
from aggregator.core.series import SeriesFamily
from aggregator.journal import Share
from aggregator.metric_sink import MetricSink, MetricsOnly, metrics_of
from aggregator.registry import SINKS
from aggregator.route_config import plans_of
from aggregator.sink import Sink, Surroundings
from aggregator.sinks.log_metrics.sink import LogMetricsSink
from aggregator.sinks.prometheus import PrometheusSink
from towline.plumbing.config_file import check_secret_files
from towline.plumbing.errors import ConfigError
from towline.plumbing.place import Place
from towline.plumbing.sizes import share_bytes

ErrorT = TypeVar("ErrorT", bound=BaseException)
Built = Sink | MetricsOnly | PrometheusSink

_CONNECTIONS = 256  # to all destinations together


@dataclass(frozen=True, slots=True)
class Parts:
    """The sinks by name, in the order of the file, who decides who may ship, and what routes do to lines."""

    sinks: Mapping[str, Built]
    authenticator: Authenticator
    plans: Plans = field(default_factory=lambda: Plans(Routes([], [])))

    def lines(self) -> dict[str, Sink]:
        """Destinations of lines, by name."""
        return {name: sink for name, sink in self.sinks.items() if not isinstance(sink, PrometheusSink | MetricsOnly)}

    def metrics(self) -> dict[str, MetricSink]:
        """Destinations of metrics, by their names in the journal."""
        offered = {metrics_name(name): metrics_of(sink) for name, sink in self.sinks.items()}
        return {name: sink for name, sink in offered.items() if sink is not None}

    def page(self) -> PrometheusSink | None:
        """The page that is scraped."""
        return next((sink for sink in self.sinks.values() if isinstance(sink, PrometheusSink)), None)

    def counting(self) -> dict[str, LogMetricsSink]:
        """Destinations that count lines, by name."""
        return {name: sink for name, sink in self.sinks.items() if isinstance(sink, LogMetricsSink)}

    def counted(self) -> list[SeriesFamily]:
        """What rules made of lines, for the page."""
        return [family for sink in self.counting().values() for family in sink.families()]

    def doubts(self, file: str) -> list[str]:
        """What works, and is hardly what was meant: a start logs it, and `towline check` warns of it."""
        if self.page() is not None:
            return []
        is_told = any(sink.terms.of_lines for sink in self.metrics().values())
        problem = "counts lines, and no sink shows or takes what it counted. Add one of type prometheus, or one that takes metrics"
        unseen = (name for name, sink in self.counting().items() if not (is_told and sink.push_seconds > 0))
        return [Place(file, f"sinks.{name}").says(problem) for name in unseen]

    def shares(self, configured: Mapping[str, SinkConfig], max_bytes: int) -> dict[str, Share]:
        """What each destination that is pushed to may have of a journal of `max_bytes`."""
        options = {name: configured[name].options for name in self.lines()}
        terms = {name: sink.terms for name, sink in self.metrics().items()}
        return {
            name: Share(name, share_bytes(said.share, max_bytes), said.when_full)
            for name, said in (options | terms).items()
        }


@contextlib.asynccontextmanager
async def built(
    config: AggregatorConfig,
    sinks: Mapping[str, SinkConfig],
    file: Path,
    kept: Mapping[str, PrometheusSink] = MappingProxyType({}),
) -> AsyncIterator[Parts]:
    """Everything made, but for what is `kept` of an earlier configuration; closed in the end, whatever happened.

    Raises an ExceptionGroup of ConfigErrors: one for each part that cannot be made. Relative paths are relative to `file`'s folder.
    """
    replica = os.environ.get("POD_NAME") or platform.node()
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
    errors = check_secret_files(config.auth, Place(str(file), "auth"))
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
        contextlib.AsyncExitStack() as stack,
    ):
        made: dict[str, Built] = {}
        for name, sink in sinks.items():
            around = Surroundings(name, sink.options, session, replica, file.parent, str(file))
            try:
                one = made[name] = kept[name] if name in kept else sink.spec.build(sink.config, around)
                _check_share(one, Place(str(file), f"sinks.{name}.metrics.share"), config.journal.max_bytes)
            except ConfigError as error:
                errors.append(error)
                continue
            if not isinstance(one, PrometheusSink):
                stack.push_async_callback(one.close)
        if errors:
            raise ExceptionGroup(f"{file} cannot be used", errors)
        lines = [name for name, sink in made.items() if not isinstance(sink, PrometheusSink | MetricsOnly)]
        plans = plans_of(config, str(file), lines, replica)
        yield Parts(made, build_authenticator(config.auth, str(file)), plans)


def metrics_name(sink: str) -> str:
    """What the metrics side of a destination is named in the journal, the status and the metrics. No destination's own name has a dot."""
    return f"{sink}.metrics"


def _check_share(built: Built, place: Place, journal_bytes: int) -> None:
    """Raise ConfigError where the metrics side of a destination has a share that is none."""
    sink = metrics_of(built)
    if sink is None:
        return
    try:
        share_bytes(sink.terms.share, journal_bytes)
    except ValueError as error:
        raise ConfigError(place.says(str(error))) from error


def faults_of(config: AggregatorConfig, file: Path) -> tuple[list[ConfigError], list[str]]:
    """What `built` would raise, one by one, or else what can be doubted: everything is built and let go of again."""
    sinks = sinks_of(config, SINKS, str(file))

    async def build() -> list[str]:
        async with built(config, sinks, file) as parts:
            return parts.doubts(str(file))

    found: list[ConfigError] = []
    doubts: list[str] = []
    try:
        doubts += asyncio.run(build())
    except* ConfigError as group:
        found += leaves(group)
    return found, doubts


def leaves(group: BaseExceptionGroup[ErrorT]) -> list[ErrorT]:
    """The errors of a group, however deep they lie."""
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
