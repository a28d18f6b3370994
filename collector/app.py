"""The collector's wiring: what is made, in which order it starts, how it goes on with another configuration, how it leaves.

Room: collector, the top. Never enters: decisions.
"""

import asyncio
import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import structlog

from collector.client import Client
from collector.config import CollectorConfig
from collector.core.peers import Peers
from collector.core.snapshot import SnapshotQueue
from collector.drain import Left, drain
from collector.health import HealthServer, Page, with_fluent_bit
from collector.identity import PodIdentity, open_identity
from collector.link import Link, Speaker
from collector.memory import give_back, tune_malloc
from collector.metrics import CONTENT_TYPE, OwnMetrics, Reading
from collector.parts import listener, max_series, shipper_of, sources_of, token_of
from collector.readings import Readings, of_configuration, of_dogstatsd, of_scrapes
from collector.sampling import Sampling
from collector.shipper import Shipper
from collector.sources.file_tail import FileTail
from collector.sources.prometheus_scrape import PrometheusScrape
from collector.watcher import open_watcher
from towline.plumbing.address import cannot_listen, parse_listen
from towline.plumbing.errors import ConfigError
from towline.plumbing.lifecycle import ExitCode, Life, serve
from towline.plumbing.logs import configure_logs
from towline.plumbing.place import Place
from towline.plumbing.reloading import Reloading

STALLED_SECONDS = 30.0  # liveness: the loop turns at least once a second, a request takes at most its time-out
LAST_SNAPSHOT_SECONDS = 3.0
# What names this process to others, or what it found at its start: a change needs a new process.
FIXED = ("state_dir", "identity", "podinfo_dir")

_log = structlog.get_logger()

Load = Callable[[], CollectorConfig]
Files = Callable[[], Sequence[Path]]


def run(
    config: CollectorConfig,
    file: Path = Path("collector.yaml"),
    load: Load | None = None,
    files: Files | None = None,
) -> int:
    """Ship until SIGTERM, then drain. Returns the exit code; raises ConfigError at start.

    `file` is what errors name; `load` reads the configuration again, where one of `files` changes.
    """
    tune_malloc()
    identity = open_identity(config.identity, config.podinfo_dir, config.state_dir, file=file)
    return serve(lambda stop: _Collector(config, identity, file, load, files).run(stop))


class _Collector:
    """Everything that runs, put together."""

    def __init__(
        self,
        config: CollectorConfig,
        identity: PodIdentity,
        file: Path = Path("collector.yaml"),
        load: Load | None = None,
        files: Files | None = None,
    ) -> None:
        self._config, self._identity, self._file = config, identity, file
        self._run, self._began = secrets.token_hex(8), time.monotonic()
        self._queue: SnapshotQueue | None = None
        self._make_connecting()
        self._make_shipping()
        self._dogstatsd = listener(config.metrics.dogstatsd)
        self._make_measuring()
        self._own_metrics = OwnMetrics(self._readings)
        self._health = self._health_server()
        self._shipping, self._measuring = Life(), Life()
        self._stop = asyncio.Event()
        self.reloading = Reloading(config, load or (lambda: config), self._apply, files or (lambda: [file]))

    # What a configuration makes.

    def _make_connecting(self) -> None:
        config = self._config
        # One for both connections: each holds the whole bundle of authorities.
        self._tls = ssl.create_default_context() if config.aggregator.url.startswith("https:") else None
        self._speaker = Speaker(self._identity.pod, token_of(config), self._run)
        self._peers = Peers(pod_uid=self._identity.pod().uid, failover_seconds=config.failover_seconds)

    def _make_shipping(self, before: Shipper | None = None, files: FileTail | None = None) -> None:
        """`before`: the shipper of an earlier configuration; `files`: those that it had open."""
        config = self._config
        self._watcher = open_watcher(config, self._identity.pod().uid, files)
        self._shipper = shipper_of(config, self._watcher, self._link(), before)

    def _make_measuring(self) -> None:
        """The queue stays, whatever changes: what waits in it is part of the same run."""
        options = self._config.metrics
        self._scrape = PrometheusScrape(options.scrape, self._identity.pod, options.annotations)
        self._sampling: Sampling | None = None
        if not options.interval_seconds:
            return
        link = self._link()
        if self._queue is None:
            self._queue = SnapshotQueue(link.identity(), self._run, options.interval_seconds, max_series(options))
        else:
            self._queue.change(options.interval_seconds, max_series(options))
        sources = sources_of(self._config, self._identity, self._watcher.roots, self._scrape, self._dogstatsd)
        self._sampling = Sampling(
            sources, self._queue, link, lambda: self._shipper.custody.journal, options.interval_seconds
        )

    def _link(self) -> Link:
        client = Client(self._config.aggregator.url, self._config.aggregator.timeout_seconds, self._tls)
        return Link(client, self._peers, self._speaker, time.monotonic)

    # From start to exit.

    async def run(self, stop: asyncio.Event) -> int:
        self._stop = stop
        host, port = await self._listen(self._health, self._config)
        _log.info("service_started", host=host, port=port, run=self._run, **_names(self._identity))
        if self._dogstatsd is not None:
            self._dogstatsd.start()
        give_back()
        try:
            left = await self._work()
        finally:
            await self._health.close()
            await self._watcher.close()
            self._shipper.link.close()
            self._end_measuring()
            if self._dogstatsd is not None:
                self._dogstatsd.close()
        _log.info("service_ended")
        lost = bool(left.unstored_bytes) and self._config.exit_code_on_loss
        return ExitCode.BYTES_UNSTORED if lost else ExitCode.OK

    async def _work(self) -> Left:
        async with asyncio.TaskGroup() as group:
            measuring = group.create_task(self._measure())
            beside = [group.create_task(work) for work in (self._leave_at_stop(), self.reloading.run())]
            left = await self._ship()
            if not measuring.done():
                await asyncio.wait([measuring], timeout=LAST_SNAPSHOT_SECONDS)
                measuring.cancel()
            for task in beside:
                task.cancel()
        return left

    async def _leave_at_stop(self) -> None:
        await self._stop.wait()
        self._shipping.leave.set()
        self._measuring.leave.set()
        self._shipper.hurry()

    async def _ship(self) -> Left:
        """Life after life, each with a configuration; the last one until all is stored, or the grace is over."""
        leave = self._shipping.leave
        while True:
            async with asyncio.TaskGroup() as group:
                hold = group.create_task(self._shipper.keep_hold())
                await self._shipper.run(leave)
                left = await self._drain() if self._stop.is_set() else None
                hold.cancel()
            if left is not None:
                return left
            leave = await self._shipping.rest()
            if self._stop.is_set():
                leave.set()

    async def _drain(self) -> Left:
        limits = self._config.drain
        _log.info("service_draining", grace_seconds=limits.grace_seconds)
        # The grace began with SIGTERM, and a request that was under way may have taken some of it.
        hurried_at = self._shipper.hurried_at
        spent_seconds = 0.0 if hurried_at is None else self._shipper.clock() - hurried_at
        delivered_seconds = limits.delivered_seconds if self._config.acknowledge == "delivered" else 0.0
        return await drain(self._shipper, limits.grace_seconds - spent_seconds, delivered_seconds)

    async def _measure(self) -> None:
        leave = self._measuring.leave
        while not self._stop.is_set():
            if self._sampling is not None:
                await self._sampling.run(leave)
            await leave.wait()
            if not self._stop.is_set():
                leave = await self._measuring.rest()
        if self._sampling is not None:
            await self._sampling.farewell()

    # Another configuration.

    async def _apply(self, config: CollectorConfig) -> None:
        """Go on with `config`: files stay open, what DogStatsD counts stays counted, and a snapshot on its way stays the one it is."""
        place = Place(str(self._file))
        fixed = [key for key in FIXED if getattr(config, key) != getattr(self._config, key)]
        if fixed:
            raise ConfigError(place.child(fixed[0]).says("cannot change while the collector runs. Restart the pod"))
        health = await self._other_health(config)
        # Measuring first: a scrape may take its time, and meanwhile lines go on.
        async with self._measuring.paused(), self._shipping.paused():
            if self._stop.is_set():
                raise ConfigError(place.says("comes too late: the collector is leaving"))
            await self._renew(config)
        if health is not None:
            await self._health.close()
            self._health = health

    async def _renew(self, config: CollectorConfig) -> None:
        """Everything that the configuration makes, made anew. Both stages rest."""
        old, self._config = self._config, config
        configure_logs(config.log_level)
        files = await self._watcher.hand_over()
        self._shipper.link.close()
        self._end_measuring()
        if config.aggregator != old.aggregator or config.failover_seconds != old.failover_seconds:
            self._make_connecting()
        self._make_shipping(self._shipper, files)
        if config.metrics.dogstatsd != old.metrics.dogstatsd:
            if self._dogstatsd is not None:
                self._dogstatsd.close()
            self._dogstatsd = listener(config.metrics.dogstatsd)
            if self._dogstatsd is not None:
                self._dogstatsd.start()
        self._make_measuring()

    def _end_measuring(self) -> None:
        self._scrape.close()
        if self._sampling is not None:
            self._sampling.link.close()

    # What others may ask.

    def _health_server(self) -> HealthServer:
        pages = {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._metrics}
        pages = with_fluent_bit(pages, lambda: time.monotonic() - self._began)
        return HealthServer(pages, {"/-/reload": self._reload})

    async def _listen(self, health: HealthServer, config: CollectorConfig) -> tuple[str, int]:
        host, port = parse_listen(config.http.listen)
        try:
            return host, await health.start(host, port)
        except OSError as error:
            raise cannot_listen(str(self._file), config.http.listen, error) from error

    async def _other_health(self, config: CollectorConfig) -> HealthServer | None:
        """A server at the new address, where that has changed."""
        if config.http == self._config.http:
            return None
        health = self._health_server()
        await self._listen(health, config)
        return health

    async def _reload(self) -> Page:
        outcome = await self.reloading.ask()
        if outcome == "refused":
            return Page(400, f"{self.reloading.state.error}\n".encode())
        return Page(200, f"{outcome}\n".encode())

    def _healthz(self) -> Page:
        stalled = self._shipper.clock() - self._shipper.progress.turned_at
        limit = STALLED_SECONDS + self._config.aggregator.timeout_seconds
        return (
            Page(200, b"ok\n")
            if stalled < limit
            else Page(503, f"the loop stands still for {stalled:.0f} s\n".encode())
        )

    def _readyz(self) -> Page:
        """Ready from the first moment: start-up never depends on the aggregator."""
        waiting, refused = self._shipper.progress.waiting_for, self.reloading.state.error
        said = (f"waiting for {waiting}" if waiting else "", f"configuration refused: {refused}" if refused else "")
        return Page(200, ", ".join(("ok", *filter(None, said))).encode() + b"\n")

    def _readings(self) -> Iterator[Reading]:
        yield from Readings(self._shipper, self._watcher, self._sampling, self._of_sources)()
        yield from of_configuration(self.reloading.state)

    def _of_sources(self) -> Iterator[Reading]:
        yield from of_scrapes(self._scrape.scrapes)
        if self._dogstatsd is not None:
            yield from of_dogstatsd(self._dogstatsd)

    def _metrics(self) -> Page:
        return Page(200, self._own_metrics.page(), CONTENT_TYPE)


def _names(identity: PodIdentity) -> dict[str, str]:
    pod = identity.pod()
    return {"namespace": pod.namespace, "pod": pod.name, "workload": pod.workload}
