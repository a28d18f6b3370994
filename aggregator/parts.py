"""What a configuration makes before any network, journal or port is touched: the sinks, and the guard of the door.

Room: aggregator, below app. Never enters: what is done with them. `towline check` asks here too, so that it finds what a start finds.
"""

import asyncio
import contextlib
import os
import platform
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import aiohttp

from aggregator.auth import Authenticator, build_authenticator
from aggregator.config import AggregatorConfig, SinkConfig, sinks_of
from aggregator.core.series import SeriesFamily
from aggregator.journal import Share
from aggregator.metric_sink import MetricSink, MetricsOnly, metrics_of
from aggregator.registry import SINKS
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
    """The sinks by name, in the order of the file, and who decides who may ship."""

    sinks: Mapping[str, Built]
    authenticator: Authenticator

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

    def counted(self) -> list[SeriesFamily]:
        """What rules made of lines, for the page."""
        made = (sink for sink in self.sinks.values() if isinstance(sink, LogMetricsSink))
        return [family for sink in made for family in sink.families()]

    def shares(self, configured: Mapping[str, SinkConfig], max_bytes: int) -> dict[str, Share]:
        """What each destination that is pushed to may have of a journal of `max_bytes`."""
        options = {name: configured[name].options for name in self.lines()}
        terms = {name: sink.terms for name, sink in self.metrics().items()}
        return {
            name: Share(name, share_bytes(said.share, max_bytes), said.when_full)
            for name, said in (options | terms).items()
        }


@contextlib.asynccontextmanager
async def built(config: AggregatorConfig, sinks: Mapping[str, SinkConfig], file: Path) -> AsyncIterator[Parts]:
    """Everything made; closed in the end, whatever happened.

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
                one = made[name] = sink.spec.build(sink.config, around)
                _check_share(one, Place(str(file), f"sinks.{name}.metrics.share"), config.journal.max_bytes)
            except ConfigError as error:
                errors.append(error)
                continue
            if not isinstance(one, PrometheusSink):
                stack.push_async_callback(one.close)
        if errors:
            raise ExceptionGroup(f"{file} cannot be used", errors)
        yield Parts(made, build_authenticator(config.auth, str(file)))


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


def faults_of(config: AggregatorConfig, file: Path) -> list[ConfigError]:
    """What `built` would raise, one by one: everything is built and let go of again."""
    sinks = sinks_of(config, SINKS, str(file))

    async def build() -> None:
        async with built(config, sinks, file):
            return

    found: list[ConfigError] = []
    try:
        asyncio.run(build())
    except* ConfigError as group:
        found += leaves(group)
    return found


def leaves(group: BaseExceptionGroup[ErrorT]) -> list[ErrorT]:
    """The errors of a group, however deep they lie."""
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]
