"""The aggregator's wiring: what is made, in which order it starts, how it leaves.

Room: aggregator, the top. Never enters: decisions.
"""

import asyncio
import contextlib
import os
import platform
import time
from collections.abc import AsyncIterator, Mapping
from importlib.metadata import version
from pathlib import Path

import aiohttp
import structlog
from prometheus_client import CollectorRegistry

from aggregator.auth import build_authenticator
from aggregator.body import Bodies
from aggregator.config import AggregatorConfig, SinkConfig, sinks_of
from aggregator.core.pace import Pace
from aggregator.core.route import Route, Routes
from aggregator.debtors import Debtors
from aggregator.forwarder import Forwarder
from aggregator.intake import Intake
from aggregator.journal import Journal, JournalDownError, Share
from aggregator.listener import listening
from aggregator.memory import use_one_arena
from aggregator.metrics import IntakeMetrics, ServiceMetrics
from aggregator.pages import Pages
from aggregator.registry import SINKS
from aggregator.sink import Sink, Surroundings
from aggregator.sinks.prometheus import PrometheusSink
from towline.plumbing.address import cannot_listen, parse_listen
from towline.plumbing.errors import ConfigError, RetryableError
from towline.plumbing.lifecycle import ExitCode, run_until, serve
from towline.plumbing.sizes import share_bytes

_REQUESTS_PER_SECOND = 400.0  # what one replica is asked to answer; collectors gather longer above it
_SWEEP_SECONDS = 60.0
_BEAT_SECONDS = 1.0
_CONNECTIONS = 256  # to all destinations together

log = structlog.get_logger()


def run(config: AggregatorConfig, file: Path = Path("aggregator.yaml")) -> int:
    """Serve until SIGTERM, then drain. Relative paths are relative to `file`'s folder. Returns the exit code; raises ConfigError at start."""
    # No code path may look for credentials at a link-local address: there is none on Fargate (design.md, 3).
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    use_one_arena()
    return serve(lambda stop: _serve(config, file, stop))


async def _serve(config: AggregatorConfig, file: Path, stop: asyncio.Event) -> int:
    sinks = sinks_of(config, SINKS, str(file))
    try:
        async with _journal(config, sinks) as journal, _built(sinks, file) as built:
            await _Service(config, journal, sinks, built).run(stop, str(file))
    except BaseExceptionGroup as group:
        return _exit_code(group)
    except JournalDownError as error:
        log.error("journal_lost", error=str(error))  # noqa: TRY400 - the message says it, a trace adds nothing
        return ExitCode.JOURNAL_LOST
    log.info("service_ended")
    return ExitCode.OK


def _exit_code(group: BaseExceptionGroup[BaseException]) -> int:
    """What a stage's end means for the process. Raises ConfigError, or the group where nobody foresaw it."""
    if (wrong := group.subgroup(ConfigError)) is not None:
        raise _leaf(wrong)
    if (down := group.subgroup(JournalDownError)) is None:
        raise group
    log.error("journal_lost", error=str(_leaf(down)))
    return ExitCode.JOURNAL_LOST


def _leaf(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


@contextlib.asynccontextmanager
async def _journal(config: AggregatorConfig, sinks: Mapping[str, SinkConfig]) -> AsyncIterator[Journal]:
    path, max_bytes = Path(config.journal.path), config.journal.max_bytes
    shares = {
        name: Share(name, share_bytes(sink.options.share, max_bytes), sink.options.when_full)
        for name, sink in sinks.items()
        if not _is_pull(sink)
    }
    journal = await asyncio.to_thread(Journal.open, path, max_bytes, shares, time.monotonic, config.marks.keep)
    try:
        yield journal
    finally:
        await journal.close()


def _is_pull(sink: SinkConfig) -> bool:
    return sink.spec is SINKS.get("prometheus")


@contextlib.asynccontextmanager
async def _built(sinks: Mapping[str, SinkConfig], file: Path) -> AsyncIterator[dict[str, Sink | PrometheusSink]]:
    """The sinks by name; closed in the end, whatever happened."""
    replica = os.environ.get("POD_NAME") or platform.node()
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session,
        contextlib.AsyncExitStack() as stack,
    ):
        built: dict[str, Sink | PrometheusSink] = {}
        for name, sink in sinks.items():
            around = Surroundings(name, sink.options, session, replica, file.parent, str(file))
            made = sink.spec.build(sink.config, around)
            if not isinstance(made, PrometheusSink):
                stack.push_async_callback(made.close)
            built[name] = made
        yield built


class _Service:
    """Everything that runs, put together."""

    def __init__(
        self,
        config: AggregatorConfig,
        journal: Journal,
        sinks: Mapping[str, SinkConfig],
        built: Mapping[str, Sink | PrometheusSink],
    ) -> None:
        push = {name: sink for name, sink in built.items() if not isinstance(sink, PrometheusSink)}
        page = next((sink for sink in built.values() if isinstance(sink, PrometheusSink)), None)
        types = {name: sinks[name].options.type for name in push}
        registry = CollectorRegistry()
        self._config, self._journal = config, journal
        self._forwarder = forwarder = Forwarder(journal, push)
        registry.register(ServiceMetrics(journal, lambda: forwarder.states, time.time))
        self._intake = Intake(
            journal=journal,
            authenticator=build_authenticator(config.auth),
            debtors=Debtors(Routes([Route(route.to) for route in config.routes], list(push)), push),
            bodies=Bodies(config.http.max_body_bytes, config.http.body_timeout_seconds),
            pace=Pace(_REQUESTS_PER_SECOND),
            metrics=IntakeMetrics(registry),
            page=page,
        )
        self._pages = Pages(
            journal=journal,
            registry=registry,
            sinks=lambda: {name: (types[name], state) for name, state in forwarder.states.items()},
            about={"version": version("towline"), "replica": os.environ.get("POD_NAME") or platform.node()},
            is_ready=lambda: not self._intake.leaving,
            metrics_page=page,
        )

    async def run(self, stop: asyncio.Event, file: str) -> None:
        """Serve, then drain. What is left when the grace is over stays in the journal's file."""
        routes = [*self._intake.routes(), *self._pages.routes()]
        http = self._config.http
        try:
            listener = listening(routes, parse_listen(http.listen), http.header_timeout_seconds)
            async with listener as (host, port):
                log.info("service_started", host=host, port=port, journal=self._journal.journal_id)
                await run_until(stop, [self._deliver, self._leave], self._config.drain.grace_seconds)
                self._say_what_is_left()
        except OSError as error:
            raise cannot_listen(file, http.listen, error) from error

    async def _deliver(self, stop: asyncio.Event) -> None:
        """The forwarder, and what goes on as long as it does, a drain included. Raises JournalDownError."""
        async with asyncio.TaskGroup() as group:
            aside = [group.create_task(work) for work in (self._journal.watch(), self._sweep(), self._beat())]
            for sink in self._journal.strangers():
                log.warning("sink_released", sink=sink, blocks=await self._journal.release(sink))
            await self._forwarder.run(stop)
            for task in aside:
                task.cancel()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            try:
                await self._journal.sweep()
            except RetryableError as error:
                log.warning("sweep_delayed", error=str(error))

    async def _beat(self) -> None:
        """Liveness is this loop's own progress."""
        while True:
            self._pages.beat()
            await asyncio.sleep(_BEAT_SECONDS)

    async def _leave(self, stop: asyncio.Event) -> None:
        """From the first moment of a drain on: no new bytes, and whoever asks is told."""
        await stop.wait()
        self._intake.leaving = True
        log.info("service_draining", grace_seconds=self._config.drain.grace_seconds)

    def _say_what_is_left(self) -> None:
        """What the grace was too short for: it is on disk, and delivered after the next start."""
        for name, sink in self._journal.status().sinks.items():
            if sink.owed_blocks:
                log.warning("sink_left_owing", sink=name, blocks=sink.owed_blocks, size_bytes=sink.owed_bytes)
