"""The Prometheus page: the last snapshot of every pod, for whoever comes and scrapes it.

Room: aggregator sinks. A *pull* sink: it takes no part in *delivered*, is owed nothing and loses nothing that the journal should hold.
Never enters: HTTP; app.py mounts it at GET /metrics. Scrape with `honor_labels: true`: `namespace` and `pod` are the pods' own.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated

import msgspec
import structlog
from isal import isal_zlib
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, gzip_accepted

from aggregator.core.exposition import Exposition, Terms
from aggregator.core.opening import Opener, OpenLimits
from aggregator.core.series import Opened, SeriesFamily
from aggregator.sink import Surroundings
from towline.wire.identity import Pod
from towline.wire.snapshot import SnapshotRequest

_log = structlog.get_logger()

_OPENMETRICS = "application/openmetrics-text"
_END = b"# EOF\n"
_GZIP_LEVEL = 1
_GZIP_WINDOW = 31  # zlib's way of saying: 32 kB window, gzip header

PositiveSeconds = Annotated[float, msgspec.Meta(gt=0)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
PositiveCount = Annotated[int, msgspec.Meta(gt=0)]


class PrometheusConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What stands on the page, and for how long.

    expire_seconds: a pod that has not pushed for this long leaves. keep_finished_seconds: a Job's pod that said goodbye stays this long.
    max_series_per_pod, max_series: what is above, of one pod and of all, is refused and counted.
    warmup_seconds: how long after a start the page is withheld while pods that were there before are missing; 0 never.
    """

    expire_seconds: PositiveSeconds = 60.0
    keep_finished_seconds: Seconds = 300.0
    max_series_per_pod: PositiveCount = 10_000
    max_series: PositiveCount = 1_000_000
    warmup_seconds: Seconds = 15.0


class Page(msgspec.Struct, frozen=True):
    """An answer to a scrape. `encoding` is "" or "gzip"; the chunks are made (compressed) one by one as they are taken."""

    content_type: str
    encoding: str
    chunks: Iterator[bytes]


class PrometheusSink:
    """Owns the page."""

    def __init__(self, config: PrometheusConfig, wall_unix_ns: Callable[[], int] = time.time_ns) -> None:
        terms = Terms(
            expire_seconds=config.expire_seconds,
            keep_finished_seconds=config.keep_finished_seconds,
            max_series=config.max_series,
        )
        self._exposition = Exposition(terms)
        self._opener = Opener(OpenLimits(max_series=config.max_series_per_pod))
        self._warmup_seconds = config.warmup_seconds
        self._warm_at = 0.0
        self._missing: set[str] = set()
        self._wall_unix_ns = wall_unix_ns
        self._counted: Callable[[], Sequence[SeriesFamily]] = tuple

    @classmethod
    def build(cls, config: PrometheusConfig, _surroundings: Surroundings) -> "PrometheusSink":
        """As the registry builds it."""
        return cls(config)

    def include(self, counted: Callable[[], Sequence[SeriesFamily]]) -> None:
        """Show beside the pods' families those that `counted` gives at each scrape: what this aggregator made of lines."""
        self._counted = counted

    def expect(self, pod_uids: Iterable[str], now: float) -> None:
        """Say, once at the start, which pods the journal heard of shortly before: until they have pushed, or the warm-up is over, there is no page."""
        self._missing = set(pod_uids)
        self._warm_at = now + self._warmup_seconds

    def wait_seconds(self, now: float) -> float:
        """For how long there is no page yet: half a fleet would read as the other half's end. 0 where there is one."""
        if self._missing and now >= self._warm_at:
            _log.info("page_shown_incomplete", pods_missing=len(self._missing))
            self._missing.clear()
        return self._warm_at - now if self._missing else 0.0

    def take(self, pod: Pod, request: SnapshotRequest, now: float) -> None:
        """Show a pod's snapshot from now on. `pod` is who it is proven to be, `now` is monotonic seconds."""
        self.take_opened(self._opener.open(pod, request), now)

    def take_opened(self, opened: Opened, now: float) -> None:
        """The same, of a snapshot that is open already: with this page's `max_series_per_pod`, not another's."""
        self._missing.discard(opened.pod.uid)
        pushed = self._exposition.push(opened, now, self._wall_unix_ns())
        for family in sorted(pushed.quarantined):
            _log.warning("family_quarantined", family=family, namespace=opened.pod.namespace, pod=opened.pod.name)

    def page(self, accept: str, accept_encoding: str, now: float, own: CollectorRegistry, *, pods: bool = True) -> Page:
        """The whole page as the scraper asked for it: the aggregator's `own` metrics, then the pods', then how many those are.

        The names in `own` must begin with `aggregator_`: these are what no pod may use. Without `pods` the rest is there while the page is withheld, too.
        """
        self._exposition.expire(now)
        self._exposition.show_own(self._counted())
        encoder, content_type = choose_encoder(accept)
        openmetrics = content_type.startswith(_OPENMETRICS)
        render = self._exposition.render if pods else self._exposition.about_itself
        chunks = _chunks(encoder(own).removesuffix(_END), render(openmetrics=openmetrics), openmetrics=openmetrics)
        if gzip_accepted(accept_encoding):
            return Page(content_type, "gzip", _compressed(chunks))
        return Page(content_type, "", chunks)


def _chunks(own: bytes, shown: Iterator[bytes], *, openmetrics: bool) -> Iterator[bytes]:
    if own:  # an empty chunk would end a chunked HTTP body
        yield own
    yield from shown
    if openmetrics:
        yield _END


def _compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    packer = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_WINDOW)
    for chunk in chunks:
        packed = packer.compress(chunk)
        if packed:
            yield packed
    yield packer.flush()
