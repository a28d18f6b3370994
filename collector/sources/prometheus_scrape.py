"""Asks the pod's own endpoints for their expositions, and passes the text on unread: the aggregator parses it, once.

Room: collector source. Which endpoints there are is decided in core/targets.py. Never enters: what the text says, other pods.
Certificates on localhost are not checked: nobody else can be there, and none is made out to 127.0.0.1.
"""

import asyncio
import math
import ssl
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import msgspec
import structlog

from collector.client import Client, NoAnswerError
from collector.connection import Answer, TooLongError
from collector.core.gathered import Gathered
from collector.core.snapshot import without_text
from collector.core.targets import LOCALHOST, Fault, Target, annotated, labels_of, told_apart, without_twins
from collector.sources.scrape_options import ScrapeConfig
from towline.wire.codec import compress
from towline.wire.identity import Pod
from towline.wire.snapshot import Scrape

_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
_TYPES = frozenset({"text/plain", "application/openmetrics-text", ""})
_OK = 200
MAX_BODIES_BYTES = 8 << 20  # of one snapshot, compressed: it must be far from what an aggregator takes (16 MiB)

_log = structlog.get_logger()


ANNOTATED = ScrapeConfig(url=f"http://{LOCALHOST}")  # the limits of endpoints that annotations name


class RefusedError(Exception):
    """No exposition. `reason` is from a closed list, statuses apart: it becomes a label."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(slots=True)
class _Endpoint:
    """A target with its connection."""

    target: Target
    limits: ScrapeConfig
    client: Client
    path: str
    said: str = ""  # how the last scrape went, so that only a change is logged


@dataclass(slots=True)
class PrometheusScrape:
    """Scrapes what the configuration names and, if `follows_annotations`, what the pod's annotations name at that moment."""

    configs: Sequence[ScrapeConfig]
    pod: Callable[[], Pod]
    follows_annotations: bool = True
    scrapes: Counter[str] = field(default_factory=Counter)  # by outcome
    _endpoints: dict[Target, _Endpoint] = field(default_factory=dict)
    _faults: tuple[Fault, ...] = ()

    async def gather(self, _now_unix_ns: int, _is_fresh: bool, patience_seconds: float = math.inf) -> Gathered:
        """Scrape every endpoint, at once. One that takes longer than `patience_seconds` is down, whatever its own time-out; the others are heard."""
        self._follow(self.pod())
        async with asyncio.TaskGroup() as group:
            endpoints = list(self._endpoints.values())
            asked = [group.create_task(self._scrape(endpoint, patience_seconds)) for endpoint in endpoints]
        left_bytes, scrapes = MAX_BODIES_BYTES, []
        for endpoint, task in zip(endpoints, asked, strict=True):
            scrape = task.result()
            if len(scrape.body) > left_bytes:
                scrape = without_text(scrape)
            left_bytes -= len(scrape.body)
            self._note(endpoint, scrape.error or "up")
            scrapes.append(scrape)
        return Gathered(scrapes=tuple(scrapes))

    def close(self) -> None:
        """Drop the connections."""
        for endpoint in self._endpoints.values():
            endpoint.client.close()
        self._endpoints.clear()

    def _follow(self, pod: Pod) -> None:
        """Bring the endpoints up to date with the annotations."""
        wanted = {Target(it.url, labels_of(it.url, pod, it.job, it.labels)): it for it in self.configs}
        found, faults = annotated(pod) if self.follows_annotations else ([], [])
        targets, hidden = told_apart(without_twins([*wanted, *found]))
        faults += hidden
        if tuple(faults) != self._faults:
            self._faults = tuple(faults)
            for fault in faults:
                _log.warning("annotation_not_followed", annotation=fault.annotation, reason=fault.reason)
        for gone in self._endpoints.keys() - set(targets):
            self._endpoints.pop(gone).client.close()
        for target in targets:
            if target not in self._endpoints:
                self._endpoints[target] = _endpoint(target, wanted.get(target, ANNOTATED))

    async def _scrape(self, endpoint: _Endpoint, patience_seconds: float) -> Scrape:
        started_unix_ns, started = time.time_ns(), time.perf_counter()
        scrape = Scrape(labels=dict(endpoint.target.labels), scraped_unix_ns=started_unix_ns, duration_seconds=0.0)
        try:
            answer = await _ask(endpoint, patience_seconds)
            content_type = _checked(answer, endpoint.limits)
        except RefusedError as error:
            scrape = msgspec.structs.replace(scrape, error=error.reason)
        else:
            # On a worker thread: nothing is compressed on the event loop.
            body = await asyncio.to_thread(compress, answer.body)
            scrape = msgspec.structs.replace(
                scrape, up=True, content_type=content_type, length=len(answer.body), body=body
            )
        return msgspec.structs.replace(scrape, duration_seconds=time.perf_counter() - started)

    def _note(self, endpoint: _Endpoint, outcome: str) -> None:
        self.scrapes[outcome] += 1
        if outcome != endpoint.said:
            endpoint.said = outcome
            say = _log.info if outcome == "up" else _log.warning
            say("scrape_changed", url=endpoint.target.url, outcome=outcome)


def _endpoint(target: Target, limits: ScrapeConfig) -> _Endpoint:
    parts = urlsplit(target.url)
    client = Client(
        f"{parts.scheme}://{parts.netloc}",
        limits.timeout_seconds,
        _unchecked() if parts.scheme == "https" else None,
        limits.max_bytes,
    )
    return _Endpoint(target, limits, client, (parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def _ask(endpoint: _Endpoint, patience_seconds: float) -> Answer:
    """Raises RefusedError."""
    seconds = min(endpoint.limits.timeout_seconds, patience_seconds)
    headers = {
        "accept": _ACCEPT,
        "user-agent": "towline",
        "x-prometheus-scrape-timeout-seconds": f"{seconds:g}",
    }
    host = urlsplit(endpoint.target.url).hostname or LOCALHOST
    address = LOCALHOST if host == "localhost" else host
    try:
        async with asyncio.timeout(seconds):
            return await endpoint.client.request(address, "GET", endpoint.path, headers)
    except TimeoutError as error:
        raise RefusedError("timed_out") from error
    except NoAnswerError as error:
        cause = error.__cause__
        if isinstance(cause, TooLongError):
            raise RefusedError("too_large") from error
        if isinstance(cause, TimeoutError):
            raise RefusedError("timed_out") from error
        raise RefusedError("refused" if isinstance(cause, ConnectionRefusedError) else "no_answer") from error


def _checked(answer: Answer, limits: ScrapeConfig) -> str:
    """The content type of an acceptable answer. Raises RefusedError."""
    if answer.status != _OK:
        raise RefusedError(f"status_{answer.status}")
    content_type = answer.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() not in _TYPES or answer.headers.get("content-encoding"):
        raise RefusedError("not_text")
    comments = answer.body.count(b"\n#") + answer.body.startswith(b"#")
    if answer.body.count(b"\n") - comments > limits.max_series:
        raise RefusedError("too_many_series")
    return content_type
