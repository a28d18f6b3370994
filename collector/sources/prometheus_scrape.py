"""Asks the pod's own endpoints for their expositions, and passes the text on unread: the aggregator parses it, once.

Room: collector source. Which endpoints there are is decided in core/targets.py, which texts there is room for in core/room.py. Never enters: what the text says, other pods.
Certificates on localhost are not checked: nobody else can be there, and none is made out to 127.0.0.1.
"""

import asyncio
import math
import ssl
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.parse import urlsplit

import msgspec
import structlog

from collector.client import Client, NoAnswerError
from collector.connection import TooLongError
from collector.core.gathered import Gathered
from collector.core.room import Room
from collector.core.targets import LOCALHOST, Fault, Target, annotated, labels_of, told_apart, without_twins
from collector.memory import give_back
from collector.sources.scrape_options import ScrapeConfig
from collector.sources.scrape_text import NO_ROOM, RefusedError, Text
from towline.wire.identity import Pod
from towline.wire.snapshot import Scrape

_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
# Of one snapshot, compressed. A pod pays for it twice: while one snapshot waits to be taken, the next one gathers.
MAX_TEXTS_BYTES = 2 << 20

_log = structlog.get_logger()


ANNOTATED = ScrapeConfig(url=f"http://{LOCALHOST}")  # the limits of endpoints that annotations name


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
            texts = _Texts(endpoints)
            asked = [
                group.create_task(_scrape(endpoint, texts, place, patience_seconds))
                for place, endpoint in enumerate(endpoints)
            ]
        scrapes = []
        for endpoint, text, task in zip(endpoints, texts.of_each, asked, strict=True):
            scrapes.append(_filled(task.result(), text))
            self._note(endpoint, scrapes[-1].error or "up")
        if any(text.was_long for text in texts.of_each):
            await asyncio.to_thread(give_back)  # what reading and compressing it needed, until the next interval
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

    def _note(self, endpoint: _Endpoint, outcome: str) -> None:
        self.scrapes[outcome] += 1
        if outcome != endpoint.said:
            endpoint.said = outcome
            say = _log.info if outcome == "up" else _log.warning
            say("scrape_changed", url=endpoint.target.url, outcome=outcome)


class _Texts:
    """What the endpoints say at this moment, and the room for it."""

    def __init__(self, endpoints: Sequence[_Endpoint]) -> None:
        self._room = Room(MAX_TEXTS_BYTES)
        self.of_each = [
            Text(one.limits, MAX_TEXTS_BYTES, partial(self._hold, place)) for place, one in enumerate(endpoints)
        ]

    def leave(self, place: int) -> None:
        """This one says nothing that counts."""
        self._room.leave(place)
        self.of_each[place].drop()

    def _hold(self, place: int, size_bytes: int) -> None:
        for gone in self._room.hold(place, size_bytes):
            self.of_each[gone].drop()


async def _scrape(endpoint: _Endpoint, texts: _Texts, place: int, patience_seconds: float) -> Scrape:
    """All but the text, which may still have to go."""
    started_unix_ns, started = time.time_ns(), time.perf_counter()
    error = ""
    try:
        await _ask(endpoint, texts.of_each[place], patience_seconds)
    except RefusedError as refused:
        error = refused.reason
        texts.leave(place)
    return Scrape(
        labels=dict(endpoint.target.labels),
        scraped_unix_ns=started_unix_ns,
        duration_seconds=time.perf_counter() - started,
        error=error,
    )


def _filled(scrape: Scrape, text: Text) -> Scrape:
    """With its text, where there is one and room for it."""
    body = text.handed_over()
    if body is None:
        return msgspec.structs.replace(scrape, error=scrape.error or NO_ROOM)
    return msgspec.structs.replace(scrape, up=True, content_type=text.content_type, length=text.length, body=body)


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


async def _ask(endpoint: _Endpoint, text: Text, patience_seconds: float) -> None:
    """Have `text` take what the endpoint says. Raises RefusedError."""
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
            await endpoint.client.stream(address, endpoint.path, headers, text.take)
            await text.end()
    except TimeoutError as error:
        raise RefusedError("timed_out") from error
    except NoAnswerError as error:
        cause = error.__cause__
        if isinstance(cause, TooLongError):
            raise RefusedError("too_large") from error
        if isinstance(cause, TimeoutError):
            raise RefusedError("timed_out") from error
        raise RefusedError("refused" if isinstance(cause, ConnectionRefusedError) else "no_answer") from error
