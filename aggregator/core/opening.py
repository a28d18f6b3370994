"""A snapshot opened: what the pod measured, what its endpoints exposed and what was counted for it, as families of rows.

Room: aggregator core. Never enters: clocks, sockets, the page. Nothing here raises: what cannot be shown is refused, counted by reason, and harms no other.

Reasons: `malformed` (a line that is no sample, a name that is none), `too_long` (a name or a label set), `type_differs` (the first TYPE wins),
`duplicate`, `value` (of a kind that cannot have it), `histogram` (not whole), `series_cap`, `body` (a scrape that cannot be unpacked).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from aggregator.core.counted import is_counted
from aggregator.core.endpoints import Endpoints
from aggregator.core.exposition_lines import MAX_NAME_CHARS, number
from aggregator.core.groups import without_copies
from aggregator.core.measured import Writers, exposed_name, made_of_buckets, made_of_distributions, made_of_samples
from aggregator.core.pod_families import PodFamilies
from aggregator.core.promtext import Budget
from aggregator.core.series import Opened, Row, SeriesFamily
from aggregator.core.text_memory import EndpointTexts, TextMemory
from towline.wire.codec import BodyError, open_body
from towline.wire.identity import Pod
from towline.wire.snapshot import Family, Scrape, SnapshotRequest

_OPENMETRICS = "application/openmetrics-text"
_MAX_SCRAPES = 1_000
_MAX_OWN_CHARS = 4_096  # of a scrape's own labels, which each of its series repeats
_NO_BOUND = 1 << 40
_READ_PER_SERIES = 2  # samples that are looked at, per series that may be kept
_OF_SCRAPES: Mapping[str, str] = {
    "up": "Whether the endpoint gave its metrics at the last scrape.",
    "scrape_duration_seconds": "How long the scrape took, in seconds.",
    "scrape_samples_scraped": "Samples that the endpoint gave, the refused ones among them included.",
}


class OpenLimits(msgspec.Struct, frozen=True):
    """What one snapshot may hold: series (a bucket of a histogram is one), and bytes of all scraped texts, unpacked."""

    max_series: int = 10_000
    max_text_bytes: int = 64 << 20


class Opener:
    """Opens one snapshot after another. It remembers, within bounds, how label sets are written and what shape texts have, and nothing else."""

    def __init__(self, limits: OpenLimits) -> None:
        self._limits = limits
        self._writers = Writers()
        self._memory = TextMemory()

    def open(self, pod: Pod, request: SnapshotRequest) -> Opened:
        """Open a snapshot. `pod` is who it is proven to be; labels that claim to say so are left out."""
        self._writers.bound_memory()
        # What the aggregator counted itself has bounds of its own (sinks/log_metrics).
        limits = replace(self._limits, max_series=_NO_BOUND) if is_counted(pod.uid) else self._limits
        opening = _Opening(limits, self._writers, self._memory)
        # In this order there is room for them: an app's labels cannot push out what the pod measured.
        opening.add_families(family for family in request.families if family.source == "pod")
        opening.add_scrapes(request.scrapes)
        opening.add_families(family for family in request.families if family.source != "pod")
        return Opened(
            pod=pod,
            run=request.run,
            sequence=request.sequence,
            taken_unix_ns=request.taken_unix_ns,
            interval_seconds=request.interval_seconds,
            goodbye=request.goodbye,
            families=tuple(opening.kept.families()),
            stamped=request.stamped,
            events=request.events,
            checks=request.checks,
            refused=+opening.refused,
            seen=opening.endpoints.seen(),
        )


def open_snapshot(pod: Pod, request: SnapshotRequest, limits: OpenLimits) -> Opened:
    """Open one snapshot, where there are not many."""
    return Opener(limits).open(pod, request)


class _Opening:
    """One snapshot on its way."""

    def __init__(self, limits: OpenLimits, writers: Writers, memory: TextMemory) -> None:
        self.refused: Counter[str] = Counter()
        self.kept = PodFamilies(limits.max_series, self.refused)
        self.endpoints = Endpoints(self.refused)
        self._writers = writers
        self._memory = memory
        self._budget = Budget(_READ_PER_SERIES * limits.max_series)
        self._text_bytes = limits.max_text_bytes

    def add_families(self, families: Iterable[Family]) -> None:
        """What came as samples and distributions. A name that cannot be one is refused with all its series."""
        for family in families:
            count = len(family.samples) + len(family.distributions)
            name = exposed_name(family)
            if not name or len(name) > MAX_NAME_CHARS:
                self.refused["too_long" if name else "malformed"] += count
            elif bool(family.samples) and family.type == "histogram" and family.source != "logs":
                self.refused["histogram"] += count
            elif self.kept.room <= 0:
                self.refused["series_cap"] += count
            else:
                make = _MAKERS.get((family.type, family.source == "logs"), made_of_samples)
                self.kept.add(*make(name, family, self.kept.room, self._writers, self.refused))
            self.endpoints.note_family(name)

    def add_scrapes(self, scrapes: Sequence[Scrape]) -> None:
        """What the pod's endpoints exposed, and whether they did."""
        about: dict[int, Sequence[Row]] = {}
        families: list[tuple[SeriesFamily, list[Row]]] = []
        self.refused["series_cap"] += max(len(scrapes) - _MAX_SCRAPES, 0)
        # The small ones first: what one endpoint has too much of must not take its neighbours' room.
        for index in sorted(range(len(scrapes)), key=lambda index: scrapes[index].length)[:_MAX_SCRAPES]:
            scrape = scrapes[index]
            texts = self._memory.texts(scrape.labels)
            own = texts.labels.own
            if len(own) > _MAX_OWN_CHARS:
                self.refused["too_long"] += 1
                continue
            is_up, samples = self._read(scrape, texts, families) if scrape.up else (False, 0)
            self._memory.note(texts)
            self.endpoints.note_scrape(scrape, own, is_up=is_up)
            about[index] = _rows_about(scrape, own, is_up, samples)
        for column, (name, help_text) in enumerate(_OF_SCRAPES.items()):
            rows = [about[index][column] for index in sorted(about)]
            header = SeriesFamily(name=name, kind="gauge", help=help_text, said=name, source="scrape")
            self.kept.add(header, without_copies(rows, self.refused))
        self.endpoints.skip()
        for header, rows in families:
            self.kept.add(header, rows)
            self.endpoints.note_family(header.name, rows)

    def _read(
        self, scrape: Scrape, texts: EndpointTexts, families: list[tuple[SeriesFamily, list[Row]]]
    ) -> tuple[bool, int]:
        """Read a scrape's text: whether it counts as up, and its samples. It does not where it cannot be unpacked, or has lines and none of them is a sample."""
        text = _text_of(scrape) if 0 <= scrape.length <= self._text_bytes else None
        if text is None:
            self.refused["body"] += 1
            return False, 0
        self._text_bytes -= scrape.length
        said = texts.read(text, self._budget, openmetrics=scrape.content_type.startswith(_OPENMETRICS))
        self.refused.update(said.refused)
        families += said.families
        self.endpoints.note_text(texts.labels.own, said.families, said.refused)
        return said.samples == 0 or said.refused["malformed"] < said.samples, said.samples


_MAKERS = {("histogram", False): made_of_distributions, ("histogram", True): made_of_buckets}


def _text_of(scrape: Scrape) -> str | None:
    try:
        return open_body(scrape.codec, scrape.body, scrape.length).decode("utf-8", "replace")
    except BodyError:
        return None


def _rows_about(scrape: Scrape, own: str, is_up: bool, samples: int) -> list[Row]:
    values = (float(is_up), float(scrape.duration_seconds), float(samples))
    return [Row(name, own, number(value)) for name, value in zip(_OF_SCRAPES, values, strict=True)]
