"""What people, Prometheus and the kubelet ask: /metrics, /status, /healthz, /readyz. No token: nothing here shows a line or a secret.

Room: aggregator, HTTP. Never enters: what collectors ask (intake.py).
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import orjson
from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from aggregator.forwarder.state import SinkState
from aggregator.journal import Journal
from aggregator.status import status_page
from towline.plumbing.reloading import Reloading

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
    """Where the pods' metrics are shown, after our `own`. There is no page for the next `wait_seconds`, if they are above 0, but that without `pods`."""

    def wait_seconds(self, now: float) -> float: ...
    def page(
        self, accept: str, accept_encoding: str, now: float, own: CollectorRegistry, *, pods: bool = True
    ) -> Page: ...


@dataclass(slots=True, kw_only=True)
class Pages:
    """Handlers and what they read. `beat()` is called about once a second: liveness is the loop's own progress."""

    journal: Journal
    registry: CollectorRegistry
    sinks: Callable[[], Mapping[str, tuple[str, SinkState]]]
    about: Mapping[str, Any]
    is_ready: Callable[[], bool]
    metrics_page: MetricsPage | None = None
    reloading: Reloading[Any] | None = None
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
            web.post("/-/reload", self._reload),
        ]

    def beat(self) -> None:
        """The loop goes on."""
        self._beat_at = self.clock()

    async def _metrics(self, request: web.Request) -> web.StreamResponse:
        """Our own metrics and the pods', or with `?pods=0` our own alone: these are there while the pods' are not."""
        accept, accept_encoding = request.headers.get("Accept", ""), request.headers.get("Accept-Encoding", "")
        shown, now, pods = self.metrics_page, self.clock(), request.query.get("pods") != "0"
        if shown is None:
            encode, content_type = choose_encoder(accept)
            return web.Response(body=encode(self.registry), headers={**_HEADERS, "Content-Type": content_type})
        if pods and (wait_seconds := shown.wait_seconds(now)) > 0:
            headers = {**_HEADERS, "Retry-After": str(math.ceil(wait_seconds))}
            return web.Response(text=_NOT_YET, status=503, headers=headers)
        return await _sent(request, shown.page(accept, accept_encoding, now, self.registry, pods=pods))

    async def _status(self, request: web.Request) -> web.Response:
        streams = await self.journal.streams(request.query.get("pod"))
        about = dict(self.about)
        if self.reloading is not None:
            about["configuration"] = asdict(self.reloading.state)
        page = status_page(about, self.journal.status(), self.sinks(), streams, self.now_unix())
        body = orjson.dumps(page, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2)
        return web.Response(body=body, headers={**_HEADERS, "Content-Type": "application/json"})

    async def _healthz(self, _: web.Request) -> web.Response:
        return _word(is_well=self.clock() - self._beat_at < _STALLED_SECONDS, otherwise="stalled")

    async def _readyz(self, _: web.Request) -> web.Response:
        return _word(is_well=self.is_ready(), otherwise="leaving")

    async def _reload(self, _: web.Request) -> web.Response:
        """Read the configuration again, and say what came of it."""
        if self.reloading is None:
            raise web.HTTPNotFound
        outcome = await self.reloading.ask()
        if outcome == "refused":
            return web.Response(text=f"{self.reloading.state.error}\n", status=400, headers=_HEADERS)
        return web.Response(text=f"{outcome}\n", headers=_HEADERS)


async def _sent(request: web.Request, page: Page) -> web.StreamResponse:
    response = web.StreamResponse(headers={**_HEADERS, "Content-Type": page.content_type})
    if page.encoding:
        response.headers["Content-Encoding"] = page.encoding
    await response.prepare(request)
    async with asyncio.timeout(_SCRAPE_SECONDS):
        for chunk in page.chunks:
            await response.write(chunk)
        await response.write_eof()
    return response


def _word(*, is_well: bool, otherwise: str) -> web.Response:
    return web.Response(text="ok\n" if is_well else f"{otherwise}\n", status=200 if is_well else 503, headers=_HEADERS)
