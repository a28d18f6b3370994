"""The Prometheus page: the last snapshot of every pod, for whoever comes and scrapes it.

Room: aggregator sinks. A *pull* sink: it takes no part in *delivered*, is owed nothing and loses nothing that the journal should hold.
Never enters: HTTP; app.py mounts it at GET /metrics. Scrape with `honor_labels: true`: `namespace` and `pod` are the pods' own.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

import msgspec
import structlog
from isal import isal_zlib
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder, gzip_accepted

from aggregator.core.exposition import Exposition
from aggregator.sink import Surroundings
from towline.wire.identity import Pod
from towline.wire.snapshot import SnapshotRequest

_log = structlog.get_logger()

_OPENMETRICS = "application/openmetrics-text"
_END = b"# EOF\n"
_GZIP_LEVEL = 1
_GZIP_WINDOW = 31  # zlib's way of saying: 32 kB window, gzip header


class PrometheusConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`expire_seconds`: a pod that has not pushed for this long leaves the page. `max_series_per_pod`: what is above is refused and counted."""

    expire_seconds: Annotated[float, msgspec.Meta(gt=0)] = 60.0
    max_series_per_pod: Annotated[int, msgspec.Meta(gt=0)] = 10_000


class Page(msgspec.Struct, frozen=True):
    """An answer to a scrape. `encoding` is "" or "gzip"; the chunks are made (compressed) one by one as they are taken."""

    content_type: str
    encoding: str
    chunks: Iterator[bytes]


class PrometheusSink:
    """Owns the page."""

    def __init__(self, config: PrometheusConfig, wall_unix_ns: Callable[[], int] = time.time_ns) -> None:
        self._exposition = Exposition(config.expire_seconds, config.max_series_per_pod)
        self._wall_unix_ns = wall_unix_ns

    @classmethod
    def build(cls, config: PrometheusConfig, _surroundings: Surroundings) -> "PrometheusSink":
        """As the registry builds it."""
        return cls(config)

    def take(self, pod: Pod, request: SnapshotRequest, now: float) -> None:
        """Show a pod's snapshot from now on. `pod` is who it is proven to be, `now` is monotonic seconds."""
        pushed = self._exposition.push(pod, request, now, self._wall_unix_ns())
        for family in sorted(pushed.quarantined):
            _log.warning("family_quarantined", family=family, namespace=pod.namespace, pod=pod.name)

    def page(self, accept: str, accept_encoding: str, now: float, own: CollectorRegistry) -> Page:
        """The whole page as the scraper asked for it: the aggregator's `own` metrics, then the pods'.

        The names in `own` must begin with `aggregator_`: these are what no pod may use.
        """
        self._exposition.expire(now)
        encoder, content_type = choose_encoder(accept)
        openmetrics = content_type.startswith(_OPENMETRICS)
        chunks = [encoder(own).removesuffix(_END), *self._exposition.render(openmetrics=openmetrics)]
        if openmetrics:
            chunks.append(_END)
        if gzip_accepted(accept_encoding):
            return Page(content_type, "gzip", _compressed(chunks))
        return Page(content_type, "", iter(chunks))


def _compressed(chunks: Iterable[bytes]) -> Iterator[bytes]:
    packer = isal_zlib.compressobj(_GZIP_LEVEL, isal_zlib.DEFLATED, _GZIP_WINDOW)
    for chunk in chunks:
        packed = packer.compress(chunk)
        if packed:  # an empty chunk would end a chunked HTTP body
            yield packed
    yield packer.flush()
