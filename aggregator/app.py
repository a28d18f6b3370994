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

import structlog
from prometheus_client import CollectorRegistry

from aggregator.body import Bodies
from aggregator.config import AggregatorConfig, SinkConfig, sinks_of
from aggregator.core.opening import OpenLimits
from aggregator.core.pace import Pace
from aggregator.core.route import Route, Routes
from aggregator.debtors import Debtors
from aggregator.forwarder import Forwarder, Metrics, Openers
from aggregator.intake import Intake
from aggregator.journal import Journal, JournalDownError, Share
from aggregator.listener import listening
from aggregator.memory import use_one_arena
from aggregator.metrics import IntakeMetrics, ServiceMetrics
from aggregator.pages import Pages
from aggregator.parts import Parts, built, leaves, metrics_name
from aggregator.registry import SINKS
from aggregator.sinks.prometheus import PrometheusConfig
from towline.plumbing.address import cannot_listen, parse_listen
from towline.plumbing.errors import ConfigError, RetryableError
from towline.plumbing.lifecycle import ExitCode, run_until, serve
from towline.plumbing.place import raise_if_any

_REQUESTS_PER_SECOND = 400.0  # what one replica is asked to answer; collectors gather longer above it
_SWEEP_SECONDS = 60.0
_BEAT_SECONDS = 1.0
_MEASURING_SECONDS = 120.0  # a pod that sent a snapshot so shortly before a restart is waited for by the page

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
        # The journal comes second: where a part cannot be made, nothing has been written.
        async with (
            built(config, sinks, file) as parts,
            _journal(config, parts.shares(sinks, config.journal.max_bytes)) as journal,
        ):
            await _Service(config, journal, sinks, parts).run(stop, str(file))
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
        raise_if_any(leaves(wrong))
    if (down := group.subgroup(JournalDownError)) is None:
        raise group
    log.error("journal_lost", error=str(leaves(down)[0]))
    return ExitCode.JOURNAL_LOST


@contextlib.asynccontextmanager
async def _journal(config: AggregatorConfig, shares: Mapping[str, Share]) -> AsyncIterator[Journal]:
    path, max_bytes = Path(config.journal.path), config.journal.max_bytes
    journal = await asyncio.to_thread(Journal.open, path, max_bytes, shares, time.monotonic, config.marks.keep)
    try:
        yield journal
    finally:
        await journal.close()


def _open_limits(sinks: Mapping[str, SinkConfig]) -> OpenLimits:
    """How much of a snapshot sinks of metrics get: as much as the page shows."""
    pages = [sink.config.max_series_per_pod for sink in sinks.values() if isinstance(sink.config, PrometheusConfig)]
    return OpenLimits(max_series=max(pages, default=OpenLimits().max_series))


class _Service:
    """Everything that runs, put together."""

    def __init__(
        self,
        config: AggregatorConfig,
        journal: Journal,
        sinks: Mapping[str, SinkConfig],
        parts: Parts,
    ) -> None:
        push, metrics, page = parts.lines(), parts.metrics(), parts.page()
        if page is not None:
            page.include(parts.counted)
        types = {name: sink.options.type for name, sink in sinks.items()}
        types |= {metrics_name(name): kind for name, kind in types.items()}
        registry = CollectorRegistry()
        self._config, self._journal, self._page = config, journal, page
        self._forwarder = forwarder = Forwarder(
            journal, push, metrics=Metrics(metrics, Openers(_open_limits(sinks)).open)
        )
        registry.register(ServiceMetrics(journal, lambda: forwarder.states, time.time))
        self._intake = Intake(
            journal=journal,
            authenticator=parts.authenticator,
            debtors=Debtors(Routes([Route(route.to) for route in config.routes], list(push)), push, metrics),
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
        if self._page is not None:
            self._page.expect(await self._journal.measuring(_MEASURING_SECONDS), time.monotonic())
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
