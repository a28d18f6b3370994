"""What people, Prometheus and the kubelet ask: /metrics, /status, /healthz, /readyz. No token: nothing here shows a line or a secret.

Room: aggregator, HTTP. Never enters: what collectors ask (intake.py).
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from aggregator.forwarder.state import SinkState
from aggregator.journal import Journal
from aggregator.status import status_page

_STALLED_SECONDS = 30.0
_SCRAPE_SECONDS = 60.0  # a scraper that reads more slowly than this has gone on to its next scrape
_NOT_YET = "started just now: not all pods have been heard again. /metrics?pods=0 has the aggregator's own metrics\n"
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Page(Protocol):
    """An answer to a scrape, made as it is sent."""

    @property
    def content_type(self) -> str: ...
    @property
    def encoding(self) -> str: ...
    @property
    def chunks(self) -> Iterator[bytes]: ...


class MetricsPage(Protocol):
    """Where the pods' metrics are shown, after our `own`. There is no page for the next `wait_seconds`, if they are above 0."""

    def wait_seconds(self, now: float) -> float: ...
    def page(self, accept: str, accept_encoding: str, now: float, own: CollectorRegistry) -> Page: ...


@dataclass(slots=True, kw_only=True)
class Pages:
    """Handlers and what they read. `beat()` is called about once a second: liveness is the loop's own progress."""

    journal: Journal
    registry: CollectorRegistry
    sinks: Callable[[], Mapping[str, tuple[str, SinkState]]]
    about: Mapping[str, Any]
    is_ready: Callable[[], bool]
    metrics_page: MetricsPage | None = None
    clock: Callable[[], float] = time.monotonic
    now_unix: Callable[[], float] = time.time
    _beat_at: float = field(default=0.0, init=False)

    def __post_init__(self) -> None:
        self.beat()

    def routes(self) -> Sequence[web.RouteDef]:
        """What answers."""
        return [
            web.get("/metrics", self._metrics),
            web.get("/status", self._status),
            web.get("/healthz", self._healthz),
            web.get("/readyz", self._readyz),
        ]

    def beat(self) -> None:
        """The loop goes on."""
        self._beat_at = self.clock()

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        """Our own metrics and the pods', or with `?pods=0` our own alone: these are there while the pods' are not."""
        accept, now = request.headers.get("Accept", ""), self.clock()
        if self.metrics_page is None or request.query.get("pods") == "0":
            encode, content_type = choose_encoder(accept)
            return web.Response(body=encode(self.registry), headers={**_HEADERS, "Content-Type": content_type})
        if (wait_seconds := self.metrics_page.wait_seconds(now)) > 0:
            headers = {**_HEADERS, "Retry-After": str(math.ceil(wait_seconds))}
            return web.Response(text=_NOT_YET, status=503, headers=headers)
        accept_encoding = request.headers.get("Accept-Encoding", "")
        page = self.metrics_page.page(accept, accept_encoding, now, self.registry)
        response = web.StreamResponse(headers={**_HEADERS, "Content-Type": page.content_type})
        if page.encoding:
            response.headers["Content-Encoding"] = page.encoding
        await response.prepare(request)
        async with asyncio.timeout(_SCRAPE_SECONDS):
            for chunk in page.chunks:
                await response.write(chunk)
            await response.write_eof()
        return response

    async def _status(self, request: web.Request) -> web.Response:
        streams = await self.journal.streams(request.query.get("pod"))
        page = status_page(self.about, self.journal.status(), self.sinks(), streams, self.now_unix())
        body = orjson.dumps(page, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2)
        return web.Response(body=body, headers={**_HEADERS, "Content-Type": "application/json"})

    async def _healthz(self, _: web.Request) -> web.Response:
        return _word(is_well=self.clock() - self._beat_at < _STALLED_SECONDS, otherwise="stalled")

    async def _readyz(self, _: web.Request) -> web.Response:
        return _word(is_well=self.is_ready(), otherwise="leaving")


def _word(*, is_well: bool, otherwise: str) -> web.Response:
    return web.Response(text="ok\n" if is_well else f"{otherwise}\n", status=200 if is_well else 503, headers=_HEADERS)
