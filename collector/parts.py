"""What a configuration makes: the shipper, the token, and what has something to say in a snapshot.

Room: collector, below app. Never enters: what is done with them, and when.
"""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from collector.checkpoint import CheckpointFile
from collector.config import CollectorConfig, MetricsConfig
from collector.core.custody import Custody
from collector.core.gathered import Gathered
from collector.core.pace import Pace
from collector.identity import PodIdentity
from collector.keeper import Keeper
from collector.link import Link
from collector.sampling import Source, Sources
from collector.shipper import Shipper
from collector.sources.dogstatsd_options import DogStatsDConfig
from collector.sources.prometheus_scrape import PrometheusScrape
from collector.sources.samplers.pod_metrics import PodMetrics, capacity_of, has_own_kernel
from collector.watcher import Watcher
from towline.plumbing.secret import Secret

if TYPE_CHECKING:
    from collector.sources.dogstatsd import DogStatsD

MAX_POD_SERIES = 10_000  # in a snapshot, of what the pod measures of itself


def shipper_of(config: CollectorConfig, watcher: Watcher, link: Link, before: Shipper | None = None) -> Shipper:
    """A shipper that knows what an earlier one has saved. `before`: the one that this process had, which it goes on counting for."""
    custody, keeper = Custody(), Keeper(CheckpointFile(Path(config.state_dir)))
    saved = keeper.load()
    if saved is not None:
        custody.remember(saved.journal, saved.delivered)
        link.peers.take(saved.peer)
    pace = Pace(flush_seconds=config.flush_seconds, scan_seconds=watcher.scan_seconds)
    shipper = Shipper(custody, watcher, link, keeper, pace)
    if before is not None:
        keeper.failures = before.keeper.failures
        watcher.partial_lines = before.watcher.partial_lines
        custody.counters.update(before.custody.counters)
        custody.counters["lost_bytes"] = before.custody.lost_bytes
        custody.counters["unreadable_bytes"] = before.custody.unreadable_bytes
        done, begun = before.progress, shipper.progress
        begun.shipped_bytes, begun.shipped_blocks, begun.requests = (
            done.shipped_bytes,
            done.shipped_blocks,
            done.requests,
        )
    return shipper


def token_of(config: CollectorConfig) -> Secret | None:
    """What proves who this pod is, where a file is named."""
    path = config.aggregator.token_file
    return Secret.from_file(Path(path)) if path else None


def listener(options: DogStatsDConfig | None) -> "DogStatsD | None":
    """What listens for DogStatsD, where it is configured: not started."""
    if options is None:
        return None
    from collector.sources.dogstatsd import DogStatsD  # noqa: PLC0415 - a pod that does not use it does not pay for it

    return DogStatsD(options)


def max_series(options: MetricsConfig) -> int:
    """Of one snapshot. DogStatsD has room of its own: an app that makes too many series must not crowd out the pod's."""
    return MAX_POD_SERIES + (options.dogstatsd.max_series if options.dogstatsd is not None else 0)


def sources_of(
    config: CollectorConfig,
    identity: PodIdentity,
    roots: Sequence[str],
    scrape: PrometheusScrape,
    dogstatsd: "DogStatsD | None",
) -> Sources:
    """All that has something to say."""
    handing_over = [_pod(config, identity, roots)]
    if dogstatsd is not None:
        handing_over.append(_on_a_thread(lambda now_unix_ns, is_fresh: dogstatsd.gather(now_unix_ns, fresh=is_fresh)))
    return Sources(handing_over, asking=[scrape.gather])


def _pod(config: CollectorConfig, identity: PodIdentity, roots: Sequence[str]) -> Source:
    pod = identity.pod()
    metrics = PodMetrics(
        roots,
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


def _on_a_thread(gather: Callable[[int, bool], Gathered]) -> Source:
    """A source that blocks: statvfs of a hanging network volume must not stop the loop."""

    async def gather_there(now_unix_ns: int, is_fresh: bool) -> Gathered:
        return await asyncio.to_thread(gather, now_unix_ns, is_fresh)

    return gather_there
