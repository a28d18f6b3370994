"""A strict remote write 1.0 receiver: refuses what the specification forbids, and keeps what it takes, as Prometheus does: all or nothing.

Amazon Managed Prometheus in front of it: with `sigv4` a request must be signed, which botocore's own signer checks.
"""

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import cramjam
from aiohttp import web
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from google.protobuf.message import DecodeError

from tests.fakes import prompb
from tests.fakes.aws import Credentials, Scope
from tests.fakes.script import AnyBehaviour, MaxBytes, Poison
from tests.fakes.server import Handled, LoopbackServer

PATH = "/api/v1/write"
STALE_BITS = 0x7FF0000000000002
Labels = tuple[tuple[str, str], ...]


class _RefusedError(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Demands:
    """What a request must bring beside a good body."""

    authorization: str = ""
    sigv4: Scope | None = None
    credentials: Credentials = field(default_factory=Credentials)
    headers: Mapping[str, str] = field(default_factory=dict)
    path: str = PATH


def is_stale(value: float) -> bool:
    return struct.unpack("<Q", struct.pack("<d", value))[0] == STALE_BITS


class RemoteWriteReceiver(LoopbackServer):
    """`series[labels]` are the samples taken, (unix ms, value), in order; `metadata[name]` is (type, help, unit)."""

    def __init__(self, demands: Demands | None = None, **server: Any) -> None:
        super().__init__(**server)
        self.demands = demands or Demands()
        self.series: dict[Labels, list[tuple[int, float]]] = {}
        self.metadata: dict[str, tuple[int, str, str]] = {}

    @property
    def write_url(self) -> str:
        return self.url + self.demands.path

    @property
    def alive(self) -> dict[Labels, float]:
        """The newest value of each series that has not ended."""
        return {
            labels: samples[-1][1]
            for labels, samples in self.series.items()
            if samples and not is_stale(samples[-1][1])
        }

    def samples(self, name: str, **labels: str) -> list[tuple[int, float]]:
        """Samples of the one series that has these labels among others; stale markers are None."""
        wanted = {("__name__", name), *labels.items()}
        found = [samples for key, samples in self.series.items() if wanted <= set(key)]
        if len(found) != 1:
            raise LookupError(f"{len(found)} series are {name} {labels}")
        return [(unix_ms, None if is_stale(value) else value) for unix_ms, value in found[0]]

    async def handle(self, request: web.Request, handled: Handled) -> web.StreamResponse:
        behaviour = self.next_behaviour(request, handled)
        instead = await self.act_instead(request, behaviour)
        if instead is not None:
            return instead
        body = await request.read()
        try:
            self._check_request(request, handled, body)
            message = self._parsed(body)
            handled.records = len(message.timeseries)
            _play(behaviour, message, body)
            self._take(message)
        except _RefusedError as refused:
            handled.reason = str(refused)
            return await self.act_after(request, behaviour, web.Response(status=refused.status, text=str(refused)))
        return await self.act_after(request, behaviour, web.Response(status=204))

    def _check_request(self, request: web.Request, handled: Handled, body: bytes) -> None:
        wanted = {
            "content-type": "application/x-protobuf",
            "content-encoding": "snappy",
            "x-prometheus-remote-write-version": "0.1.0",
            **{name.lower(): value for name, value in self.demands.headers.items()},
        }
        if (request.method, request.path) != ("POST", self.demands.path):
            raise _RefusedError(404, "not found")
        for name, value in wanted.items():
            if handled.headers.get(name) != value:
                raise _RefusedError(400, f"header {name} is {handled.headers.get(name)!r}")
        if not handled.headers.get("user-agent"):
            raise _RefusedError(400, "no user agent")
        if self.demands.sigv4 is not None:
            self._check_signature(str(request.url), handled.headers, body, self.demands.sigv4)
        elif self.demands.authorization and handled.headers.get("authorization") != self.demands.authorization:
            raise _RefusedError(401, "who are you")

    def _check_signature(self, url: str, headers: Mapping[str, str], body: bytes, scope: Scope) -> None:
        """Sign what came, as botocore would have, and compare."""
        said = headers.get("authorization", "")
        if not said.startswith("AWS4-HMAC-SHA256 ") or "SignedHeaders=" not in said:
            raise _RefusedError(403, "MissingAuthenticationTokenException")
        names = said.split("SignedHeaders=")[1].split(",")[0].split(";")
        if "host" not in names or headers["host"] != urlsplit(url).netloc:
            raise _RefusedError(403, "host is not signed")
        who = self.demands.credentials
        signer = SigV4Auth(BotoCredentials(who.access_key, who.secret_key), scope.service, scope.region)
        again = AWSRequest("POST", url, headers={name: headers[name] for name in names if name != "host"}, data=body)
        again.context["timestamp"] = headers["x-amz-date"]
        canonical = signer.canonical_request(again)
        signature = signer.signature(signer.string_to_sign(again, canonical), again)
        if f"Credential={signer.scope(again)}" not in said or not said.endswith(f"Signature={signature}"):
            raise _RefusedError(403, "InvalidSignatureException")
        if headers.get("x-amz-security-token", "") != who.session_token:
            raise _RefusedError(403, "ExpiredTokenException")

    def _parsed(self, body: bytes) -> Any:
        try:
            return prompb.parse(bytes(cramjam.snappy.decompress_raw(body)))
        except (cramjam.DecompressionError, DecodeError, ValueError) as error:
            raise _RefusedError(400, f"not a request: {error}") from error

    def _take(self, message: Any) -> None:
        newest: dict[Labels, tuple[int, float]] = {}
        taken: list[tuple[Labels, int, float]] = []
        for one in message.timeseries:
            labels = tuple((label.name, label.value) for label in one.labels)
            self._check_labels(labels)
            for sample in one.samples:
                before = newest.get(labels) or self.series.get(labels, [(0, math.nan)])[-1]
                _check_order(before, sample.timestamp, sample.value)
                newest[labels] = sample.timestamp, sample.value
                taken.append((labels, sample.timestamp, sample.value))
        for labels, unix_ms, value in taken:
            samples = self.series.setdefault(labels, [])
            if not samples or samples[-1][0] != unix_ms:
                samples.append((unix_ms, value))
        for one in message.metadata:
            self.metadata[one.metric_family_name] = (one.type, one.help, one.unit)

    @staticmethod
    def _check_labels(labels: Labels) -> None:
        names = [name for name, _ in labels]
        if names != sorted(set(names)) or not all(value for _, value in labels) or "__name__" not in names:
            raise _RefusedError(400, f"labels are not sorted, repeat, are empty, or hold no name: {names}")


def _play(behaviour: AnyBehaviour | None, message: Any, body: bytes) -> None:
    if isinstance(behaviour, MaxBytes) and len(body) > behaviour.limit_bytes:
        raise _RefusedError(413, "too large")
    if isinstance(behaviour, Poison) and any(behaviour.text in str(one) for one in message.timeseries):
        raise _RefusedError(400, "label value is not to our liking")


def _check_order(before: tuple[int, float], unix_ms: int, value: float) -> None:
    if unix_ms < before[0]:
        raise _RefusedError(400, "out of order sample")
    if unix_ms == before[0] and struct.pack("<d", value) != struct.pack("<d", before[1]):
        raise _RefusedError(400, "duplicate sample for timestamp")
