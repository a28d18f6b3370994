"""A pod under test: log files in a folder, and the collector's real wiring over them, driven round by round with a clock that tests move."""

import contextlib
from pathlib import Path

import msgspec

from collector.app import _Collector
from collector.config import CollectorConfig
from collector.core.custody import Custody
from collector.core.files import FileKey, Opened
from collector.identity import open_identity
from tests.fakes.aggregator import Resolving
from towline.wire.block import Frame
from towline.wire.codec import checksum_of
from towline.wire.identity import Origin, Pod, print_of

IDENTITY = {"POD_UID": "uid-1", "POD_NAME": "web-1", "POD_NAMESPACE": "shop"}
POD = Pod(namespace="shop", name="web-1", uid="uid-1")
RAW_POD = msgspec.Raw(msgspec.msgpack.encode(POD))


class Clock:
    """Monotonic seconds that pass when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


class Collecting:
    """One life of a collector over `folder/logs`. `turn` does what its loop does in one round, whatever time it is."""

    def __init__(self, folder, port, *, addresses=("127.0.0.1",), clock=None, **options):
        self.logs = folder / "logs"
        self.logs.mkdir(exist_ok=True)
        said = {
            "aggregator": {"url": f"http://towline.test:{port}", "timeout_seconds": 5} | options.pop("aggregator", {}),
            "state_dir": str(folder / "state"),
            "logs": [{"path": f"{self.logs}/*.log"} | options.pop("log", {})],
            "metrics": {"interval_seconds": 0},
            "http": {"listen": "127.0.0.1:0"},
            **options,
        }
        self.config = msgspec.convert(said, CollectorConfig, strict=False)
        identity = open_identity(self.config.identity, str(folder / "podinfo"), self.config.state_dir, IDENTITY)
        self.app = _Collector(self.config, identity)
        self.shipper, self.watcher, self.peers = self.app._shipper, self.app._watcher, self.app._peers
        self.custody, self.progress = self.shipper.custody, self.shipper.progress
        self.clock = clock or Clock()
        self.shipper.clock = self.shipper.link._clock = self.clock
        self.link = self.shipper.link
        self.set_addresses(*addresses)

    def set_addresses(self, *addresses):
        self.link._client.__class__ = Resolving
        self.link._client.addresses = addresses

    def write(self, name, text):
        """Append to a log, as an app does."""
        with (self.logs / name).open("ab") as file:
            file.write(text)

    def readings(self):
        """Every value of the collector's own metrics: (name, label) -> number."""
        return {
            (reading.name, value): number
            for reading in self.app._own_metrics._read()
            for value, number in reading.values.items()
        }

    async def turn(self, rounds=1, seconds=1.0):
        """Meet the journal if that was not done, then go round: every round sees the files as they are and may send."""
        for _ in range(rounds):
            self.clock.now += seconds
            if not self.progress.met:
                await self.shipper.meet_once()
                continue
            self.shipper.pace.hold_until = self.shipper.pace.scanned_at = float("-inf")
            await self.shipper.round()

    async def look(self, *, read=False):
        """See the files as they are now; `read` what may be read. Nothing is sent."""
        await self.watcher.turn(self.custody, self.clock.now, look=True, gather=read)

    @property
    def stream(self):
        """The only stream there is."""
        (stream,) = self.custody.streams.values()
        return stream

    def open_files(self):
        """Paths below the logs' folder that this process holds open."""
        found = set()
        for fd in Path("/proc/self/fd").iterdir():
            with contextlib.suppress(OSError):
                path = str(fd.readlink())
                if path.startswith(f"{self.logs}/"):
                    found.add(path.removeprefix(f"{self.logs}/"))
        return found

    async def close(self):
        self.link.close()
        self.app._scrape.close()
        if self.app._sampling is not None:
            self.app._sampling.link.close()
        await self.watcher.close()


@contextlib.asynccontextmanager
async def collecting(folder, port, **options):
    """One life; its files and sockets are closed in the end, nothing is drained."""
    one = Collecting(folder, port, **options)
    try:
        yield one
    finally:
        await one.close()


def key_of(number=1):
    return FileKey("/var/log/app", number, 1000 + number)


def block(stream, start, raw, **changes):
    """A frame that holds `raw`, uncompressed."""
    said = {
        "stream": stream,
        "start": start,
        "end": start + len(raw),
        "codec": "none",
        "body": raw,
        "checksum": checksum_of(raw),
        "print": print_of(raw),
        "origin": Origin(path="/var/log/app/x.log"),
    }
    return Frame(**(said | changes))


def custody_of(journal, *names):
    """A custody that has met `journal` and opened a file for each name."""
    custody = Custody()
    custody.meet(journal.marks(), 0.0)
    for number, name in enumerate(names, 1):
        custody.apply(Opened(name, key_of(number), Origin(path=f"/var/log/app/{name}.log"), 0, 0))
    return custody
