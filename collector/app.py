"""The collector's wiring: what is made, in which order it starts, how it leaves.

Room: collector, the top. Never enters: decisions.
"""

import asyncio
import os
import secrets
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from collector.checkpoint import CheckpointFile
from collector.client import Client
from collector.config import CollectorConfig
from collector.core.custody import Custody
from collector.core.gathered import Gathered
from collector.core.pace import Pace
from collector.core.peers import Peers
from collector.core.snapshot import SnapshotQueue
from collector.drain import Left, drain
from collector.health import HealthServer, Page
from collector.identity import PodIdentity, open_identity
from collector.keeper import Keeper
from collector.link import Link, Speaker
from collector.memory import give_back, tune_malloc
from collector.metrics import CONTENT_TYPE, OwnMetrics, Reading
from collector.readings import Readings, of_dogstatsd, of_scrapes
from collector.sampling import Sampling, Source, Sources
from collector.shipper import Shipper
from collector.sources.dogstatsd_options import DogStatsDConfig
from collector.sources.prometheus_scrape import PrometheusScrape
from collector.sources.samplers.pod_metrics import PodMetrics, capacity_of, has_own_kernel
from collector.watcher import open_watcher
from towline.plumbing.address import cannot_listen, parse_listen
from towline.plumbing.lifecycle import ExitCode, serve
from towline.plumbing.secret import Secret

if TYPE_CHECKING:
    from collector.sources.dogstatsd import DogStatsD

STALLED_SECONDS = 30.0  # liveness: the loop turns at least once a second, a request takes at most its time-out
LAST_SNAPSHOT_SECONDS = 3.0
MAX_POD_SERIES = 10_000  # in a snapshot, of what the pod measures of itself

_log = structlog.get_logger()


def run(config: CollectorConfig, file: Path = Path("collector.yaml")) -> int:
    """Ship until SIGTERM, then drain. `file` is what errors name. Returns the exit code; raises ConfigError at start."""
    tune_malloc()
    identity = open_identity(config.identity, config.podinfo_dir, config.state_dir)
    return serve(lambda stop: _Collector(config, identity, str(file)).run(stop))


class _Collector:
    """Everything that runs, put together."""

    def __init__(self, config: CollectorConfig, identity: PodIdentity, file: str = "collector.yaml") -> None:
        self._config, self._identity, self._file = config, identity, file
        # One for both connections: each holds the whole bundle of authorities.
        self._tls = ssl.create_default_context() if config.aggregator.url.startswith("https:") else None
        self._speaker = Speaker(identity.pod, _token(config), run=secrets.token_hex(8))
        self._peers = Peers(pod_uid=identity.pod().uid, failover_seconds=config.failover_seconds)
        self._watcher = open_watcher(config, identity.pod().uid)
        self._shipper = self._make_shipper()
        dogstatsd = config.metrics.dogstatsd
        self._dogstatsd = _listener(dogstatsd) if dogstatsd is not None else None
        self._scrape = PrometheusScrape(config.metrics.scrape, identity.pod, config.metrics.annotations)
        self._sampling = self._make_sampling()
        self._own_metrics = OwnMetrics(Readings(self._shipper, self._watcher, self._sampling, self._of_sources))

    def _make_shipper(self) -> Shipper:
        config = self._config
        custody, keeper = Custody(), Keeper(CheckpointFile(Path(config.state_dir)))
        saved = keeper.load()
        if saved is not None:
            custody.remember(saved.journal, saved.delivered)
            self._peers.take(saved.peer)
        pace = Pace(flush_seconds=config.flush_seconds, scan_seconds=self._watcher.scan_seconds)
        return Shipper(custody, self._watcher, self._link(), keeper, pace)

    def _make_sampling(self) -> Sampling | None:
        options = self._config.metrics
        if not options.interval_seconds:
            return None
        link = self._link()
        handing_over = [self._sample_pod()]
        max_series = MAX_POD_SERIES
        if (dogstatsd := self._dogstatsd) is not None and options.dogstatsd is not None:
            # Room of its own: an app that makes too many series must not crowd out the pod's.
            max_series += options.dogstatsd.max_series
            handing_over.append(
                _on_a_thread(lambda now_unix_ns, is_fresh: dogstatsd.gather(now_unix_ns, fresh=is_fresh))
            )
        queue = SnapshotQueue(link.identity(), self._speaker.run, options.interval_seconds, max_series)
        sources = Sources(handing_over, asking=[self._scrape.gather])
        return Sampling(sources, queue, link, lambda: self._shipper.custody.journal, options.interval_seconds)

    def _sample_pod(self) -> Source:
        pod, config = self._identity.pod(), self._config
        metrics = PodMetrics(
            self._watcher.roots,
            own_kernel=has_own_kernel(pod),
            capacity=capacity_of(pod),
            container=os.environ.get("TOWLINE_CONTAINER", "collector"),
            limit_bytes=config.limit_bytes,
            state_dir=Path(config.state_dir),
            top_processes=config.metrics.top_processes,
        )

        def gather(now_unix_ns: int, is_fresh: bool) -> Gathered:
            del is_fresh  # all that is sampled is cumulative, or a gauge
            return Gathered(families=metrics.sample(now_unix_ns))

        return _on_a_thread(gather)

    def _link(self) -> Link:
        client = Client(self._config.aggregator.url, self._config.aggregator.timeout_seconds, self._tls)
        return Link(client, self._peers, self._speaker, time.monotonic)

    async def run(self, stop: asyncio.Event) -> int:
        health = HealthServer({"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._metrics})
        host, port = parse_listen(self._config.http.listen)
        try:
            port = await health.start(host, port)
        except OSError as error:
            raise cannot_listen(self._file, self._config.http.listen, error) from error
        _log.info("service_started", host=host, port=port, run=self._speaker.run, **_names(self._identity))
        if self._dogstatsd is not None:
            self._dogstatsd.start()
        give_back()
        try:
            left = await self._ship(stop)
        finally:
            await health.close()
            self._scrape.close()
            if self._dogstatsd is not None:
                self._dogstatsd.close()
            await self._watcher.close()
            self._shipper.link.close()
            if self._sampling is not None:
                self._sampling.link.close()
        _log.info("service_ended")
        lost = bool(left.unstored_bytes) and self._config.exit_code_on_loss
        return ExitCode.BYTES_UNSTORED if lost else ExitCode.OK

    async def _ship(self, stop: asyncio.Event) -> Left:
        limits = self._config.drain
        async with asyncio.TaskGroup() as group:
            sampling = group.create_task(self._sampling.run(stop)) if self._sampling is not None else None
            beside = [group.create_task(work) for work in (self._wake_at(stop), self._shipper.keep_hold())]
            await self._shipper.run(stop)
            _log.info("service_draining", grace_seconds=limits.grace_seconds)
            # The grace began with SIGTERM, and a request that was under way may have taken some of it.
            hurried_at = self._shipper.hurried_at
            spent_seconds = 0.0 if hurried_at is None else self._shipper.clock() - hurried_at
            delivered_seconds = limits.delivered_seconds if self._config.acknowledge == "delivered" else 0.0
            left = await drain(self._shipper, limits.grace_seconds - spent_seconds, delivered_seconds)
            if sampling is not None and not sampling.done():
                await asyncio.wait([sampling], timeout=LAST_SNAPSHOT_SECONDS)
                sampling.cancel()
            for task in beside:
                task.cancel()
        return left

    async def _wake_at(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._shipper.hurry()

    # What others may ask.

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
        waiting = self._shipper.progress.waiting_for
        return Page(200, f"ok, waiting for {waiting}\n".encode() if waiting else b"ok\n")

    def _of_sources(self) -> Iterator[Reading]:
        yield from of_scrapes(self._scrape.scrapes)
        if self._dogstatsd is not None:
            yield from of_dogstatsd(self._dogstatsd)

    def _metrics(self) -> Page:
        return Page(200, self._own_metrics.page(), CONTENT_TYPE)


def _listener(options: DogStatsDConfig) -> "DogStatsD":
    from collector.sources.dogstatsd import DogStatsD  # noqa: PLC0415 - a pod that does not use it does not pay for it

    return DogStatsD(options)


def _on_a_thread(gather: Callable[[int, bool], Gathered]) -> Source:
    """A source that blocks: statvfs of a hanging network volume must not stop the loop."""

    async def gather_there(now_unix_ns: int, is_fresh: bool) -> Gathered:
        return await asyncio.to_thread(gather, now_unix_ns, is_fresh)

    return gather_there


def _token(config: CollectorConfig) -> Secret | None:
    path = config.aggregator.token_file
    return Secret.from_file(Path(path)) if path else None


def _names(identity: PodIdentity) -> dict[str, str]:
    pod = identity.pod()
    return {"namespace": pod.namespace, "pod": pod.name, "workload": pod.workload}
