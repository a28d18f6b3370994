"""What tests of the door start from: a real journal behind a real listener on a port of its own, and a client that speaks the wire."""

import contextlib
from dataclasses import dataclass

import aiohttp
import msgspec
from prometheus_client import CollectorRegistry

from aggregator.auth import Anyone
from aggregator.body import Bodies
from aggregator.core.pace import Pace
from aggregator.core.route import Routes
from aggregator.debtors import Debtors
from aggregator.forwarder import Forwarder
from aggregator.intake import Intake
from aggregator.journal import Journal, Share
from aggregator.listener import listening
from aggregator.metrics import IntakeMetrics, ServiceMetrics
from aggregator.pages import Pages
from tests.aggregator.forwarding import pod_of
from tests.fakes.memory_sink import MemorySink
from towline.wire.block import BlocksAnswer, BlocksRequest, MarksAnswer
from towline.wire.codec import decode_answer, encode_request

WIRE = {"Towline-Wire": "1"}


@dataclass
class Reply:
    status: int
    headers: dict
    body: bytes

    @property
    def blocks(self):
        return decode_answer(self.body, BlocksAnswer)

    @property
    def marks(self):
        return decode_answer(self.body, MarksAnswer)


class Caller:
    """A collector's side of the wire, by hand."""

    def __init__(self, session, url, journal, pod=None):
        self.session = session
        self.url = url
        self.journal = journal
        self.pod = pod or pod_of()

    async def call(self, method, path, headers=WIRE, **keywords):
        async with self.session.request(method, self.url + path, headers=headers, **keywords) as response:
            return Reply(response.status, dict(response.headers), await response.read())

    def request(self, *frames, **changes):
        said = {"journal": self.journal.journal_id, "pod": raw(self.pod), "run": "r", "frames": frames, **changes}
        return BlocksRequest(**said)

    async def post(self, *frames, headers=WIRE, **changes):
        return await self.call("POST", "/v1/blocks", headers, data=encode_request(self.request(*frames, **changes)))


def raw(value):
    return msgspec.Raw(msgspec.msgpack.encode(value))


@dataclass
class Place:
    """Everything behind one listener."""

    caller: Caller
    intake: Intake
    journal: Journal
    forwarder: Forwarder
    address: tuple
    sinks: dict


@contextlib.asynccontextmanager
async def serving(tmp_path, sinks=None, share_bytes=1 << 26, head_seconds=5.0, **changes):
    """A door with a journal behind it; nothing delivers unless the test runs `forwarder`."""
    sinks = {"out": MemorySink()} if sinks is None else sinks
    journal = Journal.open(tmp_path / "journal.db", 1 << 28, {name: Share(name, share_bytes) for name in sinks})
    registry = CollectorRegistry()
    forwarder = Forwarder(journal, sinks)
    registry.register(ServiceMetrics(journal, lambda: forwarder.states, lambda: 1000.0))
    parts = {
        "authenticator": Anyone(),
        "debtors": Debtors(Routes([], list(sinks)), sinks),
        "bodies": Bodies(1 << 20, 5.0),
        "pace": Pace(400.0),
    }
    intake = Intake(journal=journal, metrics=IntakeMetrics(registry), **(parts | changes))
    pages = Pages(
        journal=journal,
        registry=registry,
        sinks=lambda: {name: ("memory", state) for name, state in forwarder.states.items()},
        about={"version": "1", "replica": "here"},
        is_ready=lambda: not intake.leaving,
        metrics_page=changes.get("page"),
    )
    try:
        async with (
            listening([*intake.routes(), *pages.routes()], ("127.0.0.1", 0), head_seconds) as address,
            aiohttp.ClientSession() as session,
        ):
            url = f"http://127.0.0.1:{address[1]}"
            yield Place(Caller(session, url, journal), intake, journal, forwarder, address, sinks)
    finally:
        await journal.close()
