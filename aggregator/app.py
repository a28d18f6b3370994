"""The aggregator's wiring: what is made, in which order it starts, how it goes on with another configuration, how it leaves.

Room: aggregator, the top. Never enters: decisions.
"""

import asyncio
import contextlib
import os
import platform
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, Self

import structlog
from prometheus_client import CollectorRegistry

from aggregator.body import Bodies
from aggregator.cases import problems_of
from aggregator.config import AggregatorConfig, SinkConfig, sinks_of
from aggregator.core.counted import is_counted
from aggregator.core.pace import Pace
from aggregator.forwarder.health import Checked
from aggregator.intake import Intake
from aggregator.journal import Journal, JournalDownError, Share
from aggregator.listener import listening
from aggregator.memory import use_one_arena
from aggregator.metrics import ConfigurationMetrics, IntakeMetrics, ServiceMetrics
from aggregator.pages import Pages
from aggregator.parts import Parts, built, leaves
from aggregator.registry import SINKS
from aggregator.sinks.prometheus import PrometheusSink
from aggregator.working import Working
from towline.plumbing.address import cannot_listen, parse_listen
from towline.plumbing.errors import ConfigError, RetryableError
from towline.plumbing.lifecycle import ExitCode, Life, run_until, serve
from towline.plumbing.logs import configure_logs
from towline.plumbing.place import Place, raise_if_any
from towline.plumbing.reloading import Reloading

_REQUESTS_PER_SECOND = 400.0  # what one replica is asked to answer; collectors gather longer above it
_SWEEP_SECONDS = 60.0
_BEAT_SECONDS = 1.0
_PROOF_SECONDS = 5.0  # for a destination of a new configuration to answer
_MEASURING_SECONDS = 120.0  # a pod that sent a snapshot so shortly before a restart is waited for by the page
# What stands as long as the process: a change needs a new one.
FIXED = ("http", "journal", "marks")

log = structlog.get_logger()

Load = Callable[[], AggregatorConfig]
Files = Callable[[], Sequence[Path]]


class Watched(NamedTuple):
    """How the configuration is read again, and what it is made of."""

    load: Load
    files: Files


def run(
    config: AggregatorConfig,
    file: Path = Path("aggregator.yaml"),
    load: Load | None = None,
    files: Files | None = None,
) -> int:
    """Serve until SIGTERM, then drain. Returns the exit code; raises ConfigError at start.

    Relative paths are relative to `file`'s folder; `load` reads the configuration again, where one of `files` changes.
    """
    # No code path may look for credentials at a link-local address: there is none on Fargate (design.md, 3).
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    use_one_arena()
    watched = Watched(load or (lambda: config), files or (lambda: [file]))
    return serve(lambda stop: _serve(config, file, watched, stop))


async def _serve(config: AggregatorConfig, file: Path, watched: Watched, stop: asyncio.Event) -> int:
    sinks = sinks_of(config, SINKS, str(file))
    try:
        # The journal comes second: where a part cannot be made, nothing has been written.
        async with _Held() as held:
            parts = await held.parts.enter_async_context(built(config, sinks, file))
            failing = problems_of(config.tests, parts.plans, Place(str(file), "tests"))
            for doubt in (*parts.doubts(str(file)), *failing):
                log.warning("configuration_doubted", reason=doubt)
            async with _journal(config, parts.shares(sinks, config.journal.max_bytes)) as journal:
                working = Working(journal, sinks, parts)
                await _Service(config, file, journal, working, held).run(stop, watched)
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


async def _prove(parts: Parts) -> None:
    """Raise ConfigError where a destination says that it can never take anything. What else is wrong with one is waited out."""
    sinks: list[Checked] = [*parts.lines().values(), *parts.metrics().values()]
    for sink in sinks:
        try:
            async with asyncio.timeout(_PROOF_SECONDS):
                await sink.healthcheck()
        except ConfigError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a health check says, the sends will meet it
            log.warning("sink_unwell_at_reload", error=type(error).__name__)


class _Held:
    """What holds the parts of the configuration that runs, until another takes its place, or the end."""

    def __init__(self) -> None:
        self.parts = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.parts.aclose()

    async def exchange(self, parts: contextlib.AsyncExitStack) -> None:
        old, self.parts = self.parts, parts
        await old.aclose()


class _Service:
    """Everything that runs, put together."""

    def __init__(self, config: AggregatorConfig, file: Path, journal: Journal, working: Working, held: _Held) -> None:
        self._config, self._file, self._journal, self._working, self._held = config, file, journal, working, held
        self._life, self._stop = Life(), asyncio.Event()
        registry = CollectorRegistry()
        registry.register(ServiceMetrics(journal, lambda: self._working.states, time.time))
        self._intake = Intake(
            journal=journal,
            authenticator=working.parts.authenticator,
            debtors=working.debtors,
            bodies=Bodies(config.http.max_body_bytes, config.http.body_timeout_seconds),
            pace=Pace(_REQUESTS_PER_SECOND),
            metrics=IntakeMetrics(registry),
            page=working.page,
        )
        self._pages = Pages(
            journal=journal,
            registry=registry,
            sinks=lambda: self._working.sinks(),  # noqa: PLW0108 - another works there after a reload
            about={"version": version("towline"), "replica": os.environ.get("POD_NAME") or platform.node()},
            is_ready=lambda: not self._intake.leaving,
            metrics_page=working.page,
        )

    async def run(self, stop: asyncio.Event, watched: Watched) -> None:
        """Serve, then drain. What is left when the grace is over stays in the journal's file."""
        self._stop = stop
        self._pages.reloading = reloading = Reloading(self._config, watched.load, self._apply, watched.files)
        self._pages.registry.register(ConfigurationMetrics(lambda: reloading.state))
        await self._expect_pods()
        routes = [*self._intake.routes(), *self._pages.routes()]
        http = self._config.http
        try:
            listener = listening(routes, parse_listen(http.listen), http.header_timeout_seconds)
            async with listener as (host, port):
                log.info("service_started", host=host, port=port, journal=self._journal.journal_id)
                await run_until(stop, [self._deliver, self._leave], self._config.drain.grace_seconds)
                self._say_what_is_left()
        except OSError as error:
            raise cannot_listen(str(self._file), http.listen, error) from error

    async def _expect_pods(self) -> None:
        """Have the page wait for those that were there before it."""
        if self._working.page is not None:
            measuring = await self._journal.measuring(_MEASURING_SECONDS)
            self._working.page.expect([uid for uid in measuring if not is_counted(uid)], time.monotonic())

    async def _deliver(self, stop: asyncio.Event) -> None:
        """Deliver, a drain included, with one configuration after another; and what goes on beside it. Raises JournalDownError."""
        async with asyncio.TaskGroup() as group:
            reloading = self._pages.reloading
            works = [self._journal.watch(), self._sweep(), self._beat()]
            works += [reloading.run()] if reloading is not None else []
            aside = [group.create_task(work) for work in works]
            leave = self._life.leave
            await self._working.run(stop, leave)
            while leave.is_set():
                leave = await self._life.rest()
                await self._working.run(stop, leave)
            for task in aside:
                task.cancel()

    async def _apply(self, config: AggregatorConfig) -> None:
        """Go on with `config`: built and tried before the old one is let go of. What is being sent is answered for first."""
        place, sinks = Place(str(self._file)), sinks_of(config, SINKS, str(self._file))
        fixed = [key for key in FIXED if getattr(config, key) != getattr(self._config, key)]
        if fixed:
            raise ConfigError(place.child(fixed[0]).says("cannot change while the aggregator runs. Restart it"))
        async with contextlib.AsyncExitStack() as made:
            try:
                parts = await made.enter_async_context(built(config, sinks, self._file, self._kept(sinks)))
            except ExceptionGroup as group:
                raise ConfigError("\n".join(str(error) for error in leaves(group))) from group
            raise_if_any(problems_of(config.tests, parts.plans, place.child("tests")))
            await _prove(parts)
            if self._stop.is_set():
                raise ConfigError(place.says("comes too late: the aggregator is leaving"))
            async with self._life.paused():
                self._journal.change_shares(parts.shares(sinks, config.journal.max_bytes))
                self._exchange(config, Working(self._journal, sinks, parts, self._working))
            await self._held.exchange(made.pop_all())
        await self._release()

    def _exchange(self, config: AggregatorConfig, working: Working) -> None:
        """From here on `config` is what counts."""
        self._config, self._working = config, working
        configure_logs(config.log_level)
        self._intake.authenticator, self._intake.debtors = working.parts.authenticator, working.debtors
        self._intake.page = self._pages.metrics_page = working.page

    def _kept(self, sinks: Mapping[str, SinkConfig]) -> dict[str, PrometheusSink]:
        """The page, where its options stay: it holds what pods have said."""
        page, now = self._working.page, self._working.configured
        kept = {name: sink for name, sink in self._working.parts.sinks.items() if sink is page}
        return {
            name: page for name in kept if page is not None and name in sinks and sinks[name].config == now[name].config
        }

    async def _release(self) -> None:
        """Let go of what sinks are owed that are there no more (rule 11)."""
        try:
            for sink in self._journal.strangers():
                log.warning("sink_released", sink=sink, blocks=await self._journal.release(sink))
        except RetryableError as error:
            log.warning("release_delayed", error=str(error))

    async def _sweep(self) -> None:
        while True:
            await self._release()  # what was on its way in while a sink was removed is owed to it, too
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
