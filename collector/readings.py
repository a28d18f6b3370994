"""What the collector's own /metrics says. docs/guides/metrics.md lists every family; a test holds the two together.

Room: collector shell. Never enters: Prometheus (metrics.py renders).
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from collector.metrics import Reading
from collector.sampling import Sampling
from collector.shipper import Shipper
from collector.watcher import Watcher
from towline.plumbing.reloading import ReloadState

if TYPE_CHECKING:
    from collector.sources.dogstatsd import DogStatsD


class Readings:
    """Reads every counter of the collector where it lives."""

    def __init__(
        self, shipper: Shipper, watcher: Watcher, sampling: Sampling | None, of_sources: Callable[[], Iterable[Reading]]
    ) -> None:
        """`of_sources`: what scraping and DogStatsD count, where they are on."""
        self._shipper, self._watcher, self._sampling, self._of_sources = shipper, watcher, sampling, of_sources

    def __call__(self) -> Iterable[Reading]:
        yield from self._of_shipping()
        yield from self._of_files()
        if self._sampling is not None:
            yield from self._of_sources()
            yield Reading(
                "collector_snapshots_sent",
                "Snapshots of the pod's metrics answered.",
                {"": self._sampling.sent_snapshots},
            )
            yield Reading(
                "collector_snapshots_given_up",
                "Snapshots the aggregator refused for good.",
                {"": self._sampling.queue.given_up_snapshots},
            )
            yield Reading(
                "collector_snapshot_failures",
                "Requests for a snapshot that came to nothing; the same snapshot goes again.",
                {"": self._sampling.failed_requests},
            )
            yield Reading(
                "collector_snapshot_dropped",
                "What a snapshot had no room for, by what it was.",
                dict(self._sampling.queue.dropped),
                "kind",
            )

    def _of_shipping(self) -> Iterator[Reading]:
        progress, custody = self._shipper.progress, self._shipper.custody
        yield Reading(
            "collector_shipped_bytes", "Bytes of files that the journal has stored.", {"": progress.shipped_bytes}
        )
        yield Reading("collector_shipped_blocks", "Blocks that the journal has stored.", {"": progress.shipped_blocks})
        yield Reading("collector_requests", "Requests by what came of them.", dict(progress.requests), "outcome")
        answers = {name[8:]: count for name, count in dict(custody.counters).items() if name.startswith("answers_")}
        yield Reading("collector_frames", "Frames by the code that answered them.", answers, "code")
        yield Reading(
            "collector_journal_changes",
            "Times that another journal was taken up.",
            {"": custody.counters["journal_changes"]},
        )
        yield Reading(
            "collector_copies_possible_bytes",
            "Bytes sent again because the journal that stored them was left undelivered.",
            {"": custody.counters["copies_possible_bytes"]},
        )
        yield Reading(
            "collector_undelivered_bytes",
            "Bytes stored and not yet accepted by every destination.",
            {"": custody.waiting_bytes},
            counter=False,
        )
        yield Reading(
            "collector_in_flight_bytes", "Bytes read and not yet stored.", {"": custody.unsent_bytes}, counter=False
        )
        yield Reading(
            "collector_checkpoint_failures",
            "Checkpoints that could not be written.",
            {"": self._shipper.keeper.failures},
        )
        yield Reading(
            "collector_connected",
            "1 while the aggregator takes what it is sent.",
            {"": float(not progress.waiting_for)},
            counter=False,
        )

    def _of_files(self) -> Iterator[Reading]:
        custody, watcher = self._shipper.custody, self._watcher
        lost = {
            "truncated": custody.counters["lost_to_truncation_bytes"],
            "missing": custody.counters["missing_bytes"],
            "given_up": custody.counters["given_up_bytes"],
            "unreadable": custody.unreadable_bytes,
            "left": custody.lost_bytes,
        }
        yield Reading(
            "collector_bytes_lost", "Bytes of files that no journal has and none will get, by reason.", lost, "reason"
        )
        yield Reading(
            "collector_hole_bytes", "Bytes of holes in files: skipped, not lost.", {"": custody.counters["hole_bytes"]}
        )
        tailed = sum(stream.key is not None and not stream.gone for stream in tuple(custody.streams.values()))
        yield Reading("collector_files", "Files that are tailed.", {"": tailed}, counter=False)
        yield Reading(
            "collector_unstored_bytes",
            "Bytes in tailed files that are not stored yet: the lag.",
            {"": sum(watcher.unstored_bytes(custody).values())},
            counter=False,
        )
        yield Reading(
            "collector_files_refused",
            "Files that could not be opened or read, by reason; each is tried again.",
            watcher.refused,
            "reason",
        )
        yield Reading(
            "collector_partial_lines",
            "Lines shipped before their end, after waiting for it.",
            {"": watcher.partial_lines},
        )


def of_scrapes(scrapes: Mapping[str, int]) -> Iterator[Reading]:
    """What came of asking the pod's own endpoints."""
    yield Reading(
        "collector_scrapes",
        "Scrapes of the pod's own endpoints by what came of them: up, or why not.",
        dict(scrapes),
        "outcome",
    )


def of_dogstatsd(source: "DogStatsD") -> Iterator[Reading]:
    """What was sent by DogStatsD."""
    yield Reading("collector_dogstatsd_packets", "DogStatsD datagrams read.", {"": source.packets})
    yield Reading("collector_dogstatsd_samples", "DogStatsD lines taken in.", {"": source.samples})
    yield Reading(
        "collector_dogstatsd_refused", "DogStatsD lines not taken in, by reason.", dict(source.refused), "reason"
    )
    yield Reading(
        "collector_dogstatsd_kernel_drops",
        "DogStatsD datagrams that the kernel dropped, as they were not read in time.",
        {"": source.kernel_drops},
    )
    yield Reading(
        "collector_dogstatsd_sockets_refused",
        "Times that a DogStatsD socket could not be opened.",
        {"": source.refused_sockets},
    )
    yield Reading("collector_dogstatsd_series", "Series that DogStatsD keeps.", {"": source.series}, counter=False)
    yield Reading(
        "collector_dogstatsd_listeners", "Sockets on which DogStatsD is read.", {"": source.listeners}, counter=False
    )


def of_configuration(state: ReloadState) -> Iterator[Reading]:
    """What became of configurations that changed."""
    yield Reading(
        "collector_configuration_generation",
        "How many configurations this process has run with.",
        {"": state.generation},
        counter=False,
    )
    yield Reading(
        "collector_configuration_refused",
        "Configurations that were not taken: the one before goes on.",
        {"": state.refused},
    )
    yield Reading(
        "collector_configuration_current",
        "1 while the newest configuration is the one that runs; 0 where it was refused.",
        {"": float(not state.error)},
        counter=False,
    )
