"""A strict Datadog intake on loopback: refuses what Datadog would refuse, records what it would take, fails as scripted.

In-process: `async with DatadogIntake() as intake`. As a process that may be killed:
`python -m tests.fakes.datadog_intake --port N --record FILE [--api-key K] [--fail RATE --seed S]`, script by `POST /_script`.
"""

import argparse
import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from tests.fakes.datadog_limits import Accepted
from tests.fakes.datadog_oracles import OpenApiOracle, check_with_client_models
from tests.fakes.datadog_points import Points
from tests.fakes.datadog_routes import ROUTES, Route
from tests.fakes.record import RecordFile
from tests.fakes.script import (
    Answer,
    AnyBehaviour,
    HalfRead,
    MaxBytes,
    Poison,
    RandomFaults,
    Recorded,
    Reset,
    Script,
)
from tests.fakes.server import Handled, LoopbackServer, serve_until_signal
from tests.fakes.strict import RefusedError, inflate

__all__ = ["DatadogIntake", "IntakeOptions", "RecordedEntry", "check_with_client_models"]

ENCODINGS = frozenset({"identity", "gzip", "deflate", "zstd"})
_FAULTS: tuple[AnyBehaviour, ...] = (
    Answer(500),
    Answer(429, {"Retry-After": "1"}),
    Reset(),
    HalfRead(),
    Recorded("cut"),
)
_TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 413: "Payload Too Large"}


@dataclass(frozen=True)
class IntakeOptions:
    """What an intake insists on. `record`: every accepted log entry as a JSON line; other kinds: `<record>.<kind>`."""

    api_key: str = "test-api-key"
    record: Path | None = None
    openapi: Path | None = None
    encodings: frozenset[str] = ENCODINGS


@dataclass(frozen=True)
class RecordedEntry:
    """An entry that was answered with a 2xx (or would have been): when, in which request, and what Datadog does to it."""

    entry: dict[str, Any]
    arrived_unix_ns: int
    request: int
    flags: tuple[str, ...]


class DatadogIntake(LoopbackServer):
    """POST to what ROUTES lists, GET /api/v1/validate; anything else is a 404 that `requests` remembers.

    `accepted` (logs) and `taken[kind]` hold what was taken, in order; `points` reads series and distributions as Datadog would show them.
    `api_key` may be changed at any time (a key rotation). `script` deals for the POSTs, `validate_script` for the GET.
    """

    def __init__(self, options: IntakeOptions | None = None, **server: Any) -> None:
        super().__init__(**server)
        self._options = options or IntakeOptions()
        self.api_key = self._options.api_key
        self.validate_script = Script()
        self.taken: dict[str, list[RecordedEntry]] = {route.kind: [] for route in ROUTES.values()}
        self.accepted = self.taken["logs"]
        self.accepted_series = self.taken["series"]
        self._oracle = OpenApiOracle(self._options.openapi) if self._options.openapi else None
        self._files: dict[str, RecordFile] = {}

    async def __aenter__(self) -> Self:
        record = self._options.record
        if record is not None:
            self._files = {"logs": RecordFile(record)}
            for kind in self.taken.keys() - {"logs"}:
                self._files[kind] = RecordFile(Path(f"{record}.{kind}"))
        return await super().__aenter__()

    async def __aexit__(self, *exc: object) -> None:
        await super().__aexit__(*exc)
        for file in self._files.values():
            file.close()

    @property
    def entries(self) -> list[dict[str, Any]]:
        """Every accepted log entry, in order, as it was sent (cut, where Datadog would cut it)."""
        return [one.entry for one in self.accepted]

    @property
    def messages(self) -> list[str]:
        return [one.entry["message"] for one in self.accepted]

    @property
    def points(self) -> Points:
        """Series and distributions as they can be seen there now."""
        return Points.of(
            *([one.entry for one in self.taken[kind] if not one.flags] for kind in ("series", "distributions"))
        )

    def flagged(self, flag: str) -> list[dict[str, Any]]:
        """Accepted entries that Datadog would not keep whole: `too_old`, `too_new`, `truncated`."""
        return [one.entry for one in self.accepted if flag in one.flags]

    def state(self) -> dict[str, Any]:
        flags = Counter(flag for one in self.accepted for flag in one.flags)
        counts = {f"accepted_{kind}": len(held) for kind, held in self.taken.items()}
        return super().state() | counts | {"accepted": len(self.accepted), "flags": flags}

    async def handle(self, request: web.Request, handled: Handled) -> web.StreamResponse:
        if (request.method, request.path) == ("GET", "/api/v1/validate"):
            return await self._validate(request, handled)
        if request.method != "POST" or request.path not in ROUTES:
            return _refusal(handled, RefusedError(404, "no such route"))
        behaviour = self.next_behaviour(request, handled)
        instead = await self.act_instead(request, behaviour)
        if instead is not None:
            return instead
        try:
            honest = self._take(await request.read(), handled, behaviour)
        except web.HTTPRequestEntityTooLarge:
            honest = _refusal(handled, RefusedError(413, "beyond every limit"))
        except RefusedError as refused:
            honest = _refusal(handled, refused)
        return await self.act_after(request, behaviour, honest)

    async def _validate(self, request: web.Request, handled: Handled) -> web.StreamResponse:
        behaviour = self.validate_script.next(self.seen(request, handled))
        instead = await self.act_instead(request, behaviour)
        if instead is not None:
            return instead
        fine = handled.headers.get("dd-api-key") == self.api_key
        honest = web.json_response({"valid": True} if fine else {"errors": ["Forbidden"]}, status=200 if fine else 403)
        return await self.act_after(request, behaviour, honest)

    def _take(self, body: bytes, handled: Handled, behaviour: AnyBehaviour | None) -> web.Response:
        """Judge and record one body: no await, so that what is recorded stands in the order of the answers."""
        route = ROUTES[handled.path]
        self._check_headers(handled, route)
        handled.wire_bytes = len(body)
        encoding = handled.headers.get("content-encoding", "identity").lower()
        taken = (
            self._options.encodings if route.kind == "logs" else route.encodings & (self._options.encodings | {"zstd1"})
        )
        if encoding not in taken:
            raise RefusedError(415, f"Content-Encoding {encoding} is not taken here")
        raw = inflate(body, encoding, route.max_raw_bytes)
        handled.raw_bytes = len(raw)
        if isinstance(behaviour, MaxBytes) and len(raw) > behaviour.limit_bytes:
            raise RefusedError(413, f"{len(raw)} bytes, {behaviour.limit_bytes} are taken for now")
        accepted = route.check(raw, len(body), handled.arrived_unix_ns // 1_000_000)
        if isinstance(behaviour, Poison) and any(behaviour.text in route.words(one.entry) for one in accepted):
            raise RefusedError(400, "poison")
        self._take_in(route, accepted, handled)
        return web.json_response(route.answer, status=202)

    def _check_headers(self, handled: Handled, route: Route) -> None:
        key = handled.headers.get("dd-api-key", "")
        if not key:
            raise RefusedError(401, "no DD-API-KEY")
        if key != self.api_key:
            raise RefusedError(403, "a wrong DD-API-KEY")
        content_type = handled.headers.get("content-type", "").partition(";")[0].strip().lower()
        if content_type != route.media:
            raise RefusedError(415, f"Content-Type {content_type!r} is not {route.media}")

    def _take_in(self, route: Route, accepted: list[Accepted], handled: Handled) -> None:
        if self._oracle and route.schema:
            entries = [one.entry for one in accepted]
            self._oracle.check(entries if route.kind == "logs" else {"series": entries}, route.schema)
        self._record(route.kind, self.taken[route.kind], accepted, handled)

    def _record(self, kind: str, held: list[RecordedEntry], accepted: list[Accepted], handled: Handled) -> None:
        handled.records = len(accepted)
        mark = {"arrived_unix_ns": handled.arrived_unix_ns, "request": handled.number}
        if kind in self._files:
            lines = [{**one.entry, "_intake": {**mark, "flags": one.flags}} for one in accepted]
            self._files[kind].append(lines)
        held += [RecordedEntry(one.entry, flags=one.flags, **mark) for one in accepted]


def _refusal(handled: Handled, refused: RefusedError) -> web.Response:
    handled.reason = refused.reason
    error = {"status": str(refused.status), "title": _TITLES.get(refused.status, "Error"), "detail": refused.reason}
    return web.json_response({"errors": [error]}, status=refused.status)


def main() -> None:
    parser = argparse.ArgumentParser(description="A strict Datadog intake on loopback.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--api-key", default=IntakeOptions.api_key)
    parser.add_argument("--openapi", type=Path)
    parser.add_argument("--fail", type=float, default=0.0, help="share of requests that fail in a random way")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    options = IntakeOptions(given.api_key, given.record, given.openapi)
    script = Script(then=RandomFaults(given.fail, given.seed, _FAULTS))
    asyncio.run(_serve(options, given.port, script))


async def _serve(options: IntakeOptions, port: int, script: Script) -> None:
    await serve_until_signal(DatadogIntake(options, port=port, script=script))


if __name__ == "__main__":
    main()
