"""Scripted aggregators: HTTP servers of which each answer is told beforehand, on as many loopback addresses as a test needs."""

import asyncio
import contextlib
from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from collector.client import Client
from tests.fakes.dict_journal import DictJournal
from towline.wire.block import WIRE_VERSION, BlocksRequest, Code, MarksAnswer
from towline.wire.codec import ANSWER_TYPE, decode_request, encode_answer


@dataclass
class Said:
    """One answer. `body` is bytes, or a wire value to be encoded; `hang` never answers, `cut` closes without an answer."""

    status: int = 200
    body: object = b""
    headers: dict = field(default_factory=dict)
    hang: bool = False
    cut: bool = False


HANG = Said(hang=True)
CUT = Said(cut=True)


class Scripted:
    """Answers from a script, one entry a request (the last one again and again). An entry may be a function of the request."""

    def __init__(self, *script):
        self.script = list(script)
        self.requests = []  # (method, path, headers, body)
        self.leave = asyncio.Event()

    @property
    def paths(self):
        return [path for _, path, _, _ in self.requests]

    def blocks(self):
        """The decoded bodies of all `POST /v1/blocks`."""
        return [decode_request(body, BlocksRequest) for _, path, _, body in self.requests if path == "/v1/blocks"]

    async def answer(self, request):
        body = await request.read()
        self.requests.append((request.method, request.path_qs, request.headers, body))
        said = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if callable(said):
            said = said(request, body)
        if said.hang:
            await self.leave.wait()
        if said.hang or said.cut:
            request.transport.abort()
            raise web.HTTPOk
        raw = said.body if isinstance(said.body, bytes) else encode_answer(said.body)
        headers = {"Towline-Wire": str(WIRE_VERSION), **said.headers}
        return web.Response(status=said.status, body=raw, content_type=ANSWER_TYPE, headers=headers)


class Believed(Scripted):
    """An aggregator with a journal on a dict. `refuse`, where set, is said to every POST; nothing is delivered unless the test says so."""

    def __init__(self, name="J1", *, heard_seconds_ago=None):
        super().__init__(self._journaled)
        self.journal = DictJournal(name)
        self.heard_seconds_ago = heard_seconds_ago
        self.refuse = None
        self.leaving = False
        self.next_ms = 0

    def _journaled(self, request, body):
        if request.method == "GET":
            return Said(body=self._marks())
        if self.refuse is not None:
            return self.refuse
        said = decode_request(body, BlocksRequest)
        answer = self.journal.take(said)
        if answer is None:
            return Said(Code.OTHER_JOURNAL, self._marks())
        return Said(body=_changed(answer, leaving=self.leaving, next_ms=self.next_ms))

    def _marks(self):
        return _changed(self.journal.marks(), leaving=self.leaving, heard_seconds_ago=self.heard_seconds_ago)

    def text(self):
        """Every byte that was appended, in the order of its coming."""
        return b"".join(block.raw for block in self.journal.blocks)

    def gaps(self):
        """What is known not to be there: (epoch, start, end, reason)."""
        return [(epoch, gap.start, gap.end, gap.reason) for _, epoch, gap in self.journal.gaps]

    @property
    def row(self):
        """The row of the newest epoch of the only stream."""
        return max(self.journal.marks().rows, key=lambda row: row.epoch)


def _changed(answer, **changes):
    return msgspec.structs.replace(answer, **changes)


@contextlib.asynccontextmanager
async def listening(*aggregators, port=0):
    """Serve each on an address of its own, all on one port: 127.0.0.1, 127.0.0.2, ... Gives the port; None in place of one is an address where nobody listens."""
    runners = []
    try:
        for number, aggregator in enumerate(aggregators, 1):
            if aggregator is None:
                continue
            app = web.Application(client_max_size=64 << 20)
            app.router.add_route("*", "/{path:.*}", aggregator.answer)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handle_signals=False)
            await runner.setup()
            runners.append((runner, aggregator))
            site = web.TCPSite(runner, f"127.0.0.{number}", port)
            await site.start()
            port = site._server.sockets[0].getsockname()[1]
        yield port
    finally:
        for runner, aggregator in runners:
            aggregator.leave.set()
            await runner.cleanup()


class Resolving(Client):
    """A real client whose name resolution says what the test says."""

    addresses = ("127.0.0.1",)

    async def resolve(self):
        return list(self.addresses)


def marks(journal="J1", *rows, **changes):
    return MarksAnswer(journal=journal, rows=rows, **changes)
