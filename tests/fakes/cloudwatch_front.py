"""A strict front before moto's CloudWatch Logs: checks signature and limits, which moto does not, and fails as scripted.

In-process: `async with CloudWatchFront() as front` (starts a moto of its own, empty: one at a time per process, moto's state is
global). As a process: `python -m tests.fakes.cloudwatch_front --port N --record FILE [--moto-url URL] [--fail RATE --seed S]`.
Groups and streams live in moto's memory: where they must outlive a kill -9 of the front, name a moto that runs elsewhere.
"""

import argparse
import asyncio
import io
import json
import logging
import time
import urllib.request
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web
from moto.server import ThreadedMotoServer

from tests.fakes.aws import JSON_TYPE, AwsRefusedError, Credentials, Scope, aws_error, verify_signature
from tests.fakes.cloudwatch_emf import Datum, EmfFaultError, read
from tests.fakes.cloudwatch_limits import EVENT_OVERHEAD_BYTES, MAX_EVENT_BYTES, check_request, rejected_of
from tests.fakes.record import RecordFile
from tests.fakes.script import AnyBehaviour, MaxBytes, Poison, RandomFaults, Recorded, Reset, Script
from tests.fakes.server import Handled, LoopbackServer, scripted, serve_until_signal
from tests.fakes.strict import RefusedError, parse

__all__ = ["CloudWatchFront", "Credentials", "FrontOptions", "MotoThread", "Scope", "aws_error"]

_TARGET = "Logs_20140328."
_FAULTS: tuple[AnyBehaviour, ...] = (
    aws_error("ThrottlingException", "Rate exceeded"),
    aws_error("ServiceUnavailableException"),
    Reset(),
    Recorded("cut"),
)


@dataclass(frozen=True)
class FrontOptions:
    """What a front insists on. `moto_url`: a moto that runs already. `record`: every accepted event as a JSON line."""

    credentials: Credentials = field(default_factory=Credentials)
    scope: Scope = field(default_factory=Scope)
    record: Path | None = None
    moto_url: str = ""
    max_event_bytes: int = MAX_EVENT_BYTES
    create_stream_per_second: int = 50


class MotoThread:
    """A moto server in a thread of this process; `with` starts it empty and stops it. Serves `FrontOptions(moto_url=...)`."""

    def __enter__(self) -> Self:
        self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.reset()
        return self

    def reset(self) -> None:
        """Forget every group and stream."""
        urllib.request.urlopen(f"{self.url}/moto-api/reset", data=b"", timeout=30).close()

    def __exit__(self, *_exc: object) -> None:
        listening = self._server._server
        self._server.stop()
        if listening is not None:
            listening.server_close()  # moto leaves its socket open


class CloudWatchFront(LoopbackServer):
    """CloudWatch Logs, JSON 1.1. `accepted[group, stream]` holds the events taken, in order; `rejected` those a 200 refused.

    `script` deals for PutLogEvents, `scripts[operation]` for the others. `credentials` may be changed at any time (they expired).
    `requests[n].operation` names what was asked. `metrics`: what CloudWatch would make of events in the embedded metric format;
    `emf_faults`: why it would make nothing of one that was sent as such.
    """

    def __init__(
        self, options: FrontOptions | None = None, *, monotonic: Callable[[], float] = time.monotonic, **server: Any
    ) -> None:
        super().__init__(**server)
        self._options = options or FrontOptions()
        self._monotonic = monotonic
        self.credentials = self._options.credentials
        self.scripts: dict[str, Script] = {}
        self.accepted: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.rejected: list[dict[str, Any]] = []
        self.entries: list[dict[str, Any]] = []
        self.retention: dict[str, int] = {}
        self.metrics: list[Datum] = []
        self.emf_faults: list[str] = []
        self.moto_url = self._options.moto_url
        self._moto: MotoThread | None = None
        self._session: aiohttp.ClientSession | None = None
        self._file: RecordFile | None = None
        self._streams_created: deque[float] = deque()

    async def __aenter__(self) -> Self:
        if not self._options.moto_url:
            self._moto = await asyncio.to_thread(MotoThread().__enter__)
            self.moto_url = self._moto.url
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))
        self._file = RecordFile(self._options.record) if self._options.record else None
        return await super().__aenter__()

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        if self._session is not None:
            await self._session.close()
        if self._file is not None:
            self._file.close()
        if self._moto is not None:
            await asyncio.to_thread(self._moto.__exit__)

    @property
    def messages(self) -> list[str]:
        return [one["message"] for one in self.entries]

    def state(self) -> dict[str, Any]:
        operations = [one.operation for one in self.requests]
        return super().state() | {
            "operations": operations,
            "accepted": len(self.entries),
            "rejected": len(self.rejected),
        }

    async def handle(self, request: web.Request, handled: Handled) -> web.StreamResponse:
        handled.operation = handled.headers.get("x-amz-target", "").removeprefix(_TARGET)
        script = self.script if handled.operation == "PutLogEvents" else self.scripts.get(handled.operation)
        behaviour = script.next(self.seen(request, handled)) if script else None
        instead = await self.act_instead(request, behaviour)
        if instead is not None:
            return instead
        try:
            body = await request.read()
            handled.wire_bytes = handled.raw_bytes = len(body)
            form = self._judge(request, body, handled, behaviour)
            honest = await self._pass_on(form, handled)
        except AwsRefusedError as refused:
            handled.reason = str(refused)
            honest = scripted(aws_error(refused.kind, refused.message))
        return await self.act_after(request, behaviour, honest)

    def _judge(
        self, request: web.Request, body: bytes, handled: Handled, behaviour: AnyBehaviour | None
    ) -> dict[str, Any]:
        """The request's body, or AwsRefusedError."""
        _check_protocol(request, handled)
        now = datetime.fromtimestamp(handled.arrived_unix_ns / 1e9, UTC)
        headers = list(request.headers.items())
        verify_signature(headers, body, self.credentials, self._options.scope, now)
        try:
            form = parse(body)
        except RefusedError as refused:
            raise AwsRefusedError("SerializationException", refused.reason) from refused
        check_request(handled.operation, form, handled.arrived_unix_ns // 1_000_000, self._options.max_event_bytes)
        if handled.operation == "CreateLogStream":
            self._count_stream()
        events = form.get("logEvents", [])
        handled.records = len(events)
        _check_script(events, behaviour)
        return form

    def _count_stream(self) -> None:
        now = self._monotonic()
        while self._streams_created and self._streams_created[0] <= now - 1.0:
            self._streams_created.popleft()
        if len(self._streams_created) >= self._options.create_stream_per_second:
            raise AwsRefusedError("ThrottlingException", "Rate exceeded")
        self._streams_created.append(now)

    async def _pass_on(self, form: dict[str, Any], handled: Handled) -> web.Response:
        """moto's answer to what is valid of `form`. moto misnames rejected events (its indices are off), so the front names them."""
        if handled.operation != "PutLogEvents":
            status, answer = await self._ask_moto(form, handled)
            if handled.operation == "PutRetentionPolicy" and status == 200:
                self.retention[form["logGroupName"]] = form["retentionInDays"]
            return _json(status, answer)
        timestamps = [event["timestamp"] for event in form["logEvents"]]
        now_unix_ms = handled.arrived_unix_ns // 1_000_000
        rejected = rejected_of(timestamps, now_unix_ms, self.retention.get(form["logGroupName"]))
        kept, refused = rejected.split(form["logEvents"])
        status, answer = await self._ask_moto({**form, "logEvents": kept}, handled)
        if status == 200:
            self._record((form["logGroupName"], form["logStreamName"]), kept, handled)
            self.rejected += refused
            named = rejected.as_json()
            answer = {**answer, "rejectedLogEventsInfo": named} if named else answer
        return _json(status, answer)

    async def _ask_moto(self, form: dict[str, Any], handled: Handled) -> tuple[int, dict[str, Any]]:
        passed = ("authorization", "content-type", "x-amz-target", "x-amz-date")
        headers = {name: handled.headers[name] for name in passed if name in handled.headers}
        body = io.BytesIO(json.dumps(form).encode())
        if self._session is None:
            raise RuntimeError("the front is not started")
        async with self._session.post(self.moto_url, data=body, headers=headers) as answer:
            text = await answer.read()
            return answer.status, json.loads(text) if text else {}

    def _record(self, place: tuple[str, str], kept: list[dict[str, Any]], handled: Handled) -> None:
        entries = [{**event, "group": place[0], "stream": place[1]} for event in kept]
        if self._file is not None:
            mark = {"arrived_unix_ns": handled.arrived_unix_ns, "request": handled.number}
            self._file.append([{**entry, "_front": mark} for entry in entries])
        self.accepted.setdefault(place, []).extend(kept)
        self.entries += entries
        if handled.headers.get("x-amzn-logs-format") == "json/emf":
            for event in kept:
                self._extract(event, handled.arrived_unix_ns // 1_000_000)

    def _extract(self, event: dict[str, Any], now_unix_ms: int) -> None:
        try:
            self.metrics += read(event["message"], now_unix_ms)
        except EmfFaultError as fault:
            self.emf_faults.append(str(fault))


def _check_protocol(request: web.Request, handled: Handled) -> None:
    if (request.method, request.path_qs) != ("POST", "/"):
        raise AwsRefusedError("UnknownOperationException", "only POST / is known here")
    if not handled.headers.get("x-amz-target", "").startswith(_TARGET):
        raise AwsRefusedError("UnknownOperationException", f"X-Amz-Target does not start with {_TARGET}")
    if handled.headers.get("content-type") != JSON_TYPE:
        raise AwsRefusedError("UnknownOperationException", f"Content-Type is not {JSON_TYPE}")
    if "content-encoding" in handled.headers:
        raise AwsRefusedError("SerializationException", "this service takes no Content-Encoding")


def _check_script(events: list[dict[str, Any]], behaviour: AnyBehaviour | None) -> None:
    if isinstance(behaviour, Poison) and any(behaviour.text in event["message"] for event in events):
        raise AwsRefusedError("InvalidParameterException", "poison")
    if isinstance(behaviour, MaxBytes):
        size_bytes = sum(len(event["message"].encode()) + EVENT_OVERHEAD_BYTES for event in events)
        if size_bytes > behaviour.limit_bytes:
            raise AwsRefusedError("InvalidParameterException", f"Upload too large: {size_bytes} bytes")


def _json(status: int, answer: dict[str, Any]) -> web.Response:
    return web.Response(status=status, body=json.dumps(answer).encode(), content_type=JSON_TYPE)


def main() -> None:
    parser = argparse.ArgumentParser(
        description="A strict CloudWatch Logs on loopback: limits and signatures before moto."
    )
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--moto-url", default="", help="a moto server that runs already")
    parser.add_argument("--access-key", default=Credentials.access_key)
    parser.add_argument("--secret-key", default=Credentials.secret_key)
    parser.add_argument("--session-token", default=Credentials.session_token)
    parser.add_argument("--region", default=Scope.region)
    parser.add_argument("--fail", type=float, default=0.0, help="share of PutLogEvents that fail in a random way")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    credentials = Credentials(given.access_key, given.secret_key, given.session_token)
    options = FrontOptions(credentials, Scope(given.region), given.record, given.moto_url)
    script = Script(then=RandomFaults(given.fail, given.seed, _FAULTS))
    asyncio.run(_serve(options, given.port, script))


async def _serve(options: FrontOptions, port: int, script: Script) -> None:
    await serve_until_signal(CloudWatchFront(options, port=port, script=script))


if __name__ == "__main__":
    main()
