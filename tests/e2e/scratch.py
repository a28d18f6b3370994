"""A stage for end-to-end tests: a scratch deployment whose processes end with the test, judged by what its sinks were given."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from tests.e2e.deployment import Deployment
from tests.e2e.judge import judge, read_records, read_summary
from tests.e2e.procs import Service, fetch, wait_until
from tests.e2e.writer import Writer, summary_of

T = TypeVar("T")

ARRIVAL_SECONDS = 30.0  # how long a loaded machine may take for what takes it one


class Backstage:
    """An event loop in a thread, for counterparts that live in this process while the test itself waits and polls."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._stack = contextlib.AsyncExitStack()
        self._thread = threading.Thread(target=self._loop.run_forever, name="backstage")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self.run(self._stack.aclose())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def run(self, work: Coroutine[Any, Any, T], timeout_seconds: float = 30.0) -> T:
        """The result of a coroutine, run over there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout_seconds)

    def enter(self, counterpart: Any) -> Any:
        """Start an async context manager; it ends with the stage."""
        return self.run(self._stack.enter_async_context(counterpart))


class Stage(Deployment):
    """A deployment, its processes and its writers. `evt_id` is in every record: order is judged per stream."""

    def __init__(self, folder: Path, identity: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, identity)
        self.stack = contextlib.ExitStack()

    def aggregator_config(self, **changes: Any) -> Path:
        """As the deployment's, with event ids in the file sink."""
        file = {"type": "file", "path": str(self.delivered), "event_id": True}
        return super().aggregator_config(**{"sinks": {"file": file}, **changes})

    def run(self, service: Service) -> Service:
        """Start a service that the end of the test kills. Does not wait."""
        self.stack.callback(service.kill)
        return service.start()

    def start(
        self, collector: Mapping[str, Any] | None = None, aggregator: Mapping[str, Any] | None = None
    ) -> tuple[Service, Service]:
        """Start both with these changes of their configurations, and wait until they are ready."""
        both = self.collector(**(collector or {})), self.aggregator(**(aggregator or {}))
        for service in both:
            self.run(service)
        for service in both:
            service.wait_ready()
        return both

    def writer(self, *arguments: object, lines: int) -> Service:
        """A writer process, not started: `lines` lines per file of `logs/`. `written` reads what it says in the end."""
        options = ["--dir", self.logs, "--summary", self.summary, "--lines", lines, *arguments]
        return Service(["-m", "tests.e2e.writer", *map(str, options)], self.folder / "writer.log")

    @property
    def summary(self) -> Path:
        return self.folder / "written.json"

    def written(self) -> dict[str, Any]:
        return read_summary(self.summary)

    def written_and_delivered(self) -> dict[str, Any]:
        """What the writer wrote, once all of it is delivered."""
        written = self.written()
        self.wait_delivered(sum(written["bytes"].values()))
        return written

    def records(self) -> list[dict[str, Any]]:
        """What the file sink has, in its order."""
        return list(read_records(self.delivered))

    def messages(self) -> list[str]:
        return [record["message"] for record in self.records()]

    def wait_for_lines(self, count: int, timeout_seconds: float = ARRIVAL_SECONDS) -> None:
        """Until the file sink has so many lines."""
        wait_until(lambda: line_count(self.delivered) >= count, timeout_seconds, f"{count} lines in {self.delivered}")

    def wait_delivered(self, size_bytes: int, timeout_seconds: float = ARRIVAL_SECONDS) -> None:
        """Until the journal says that so many bytes, of all streams together, are delivered."""
        wait_until(lambda: self.delivered_bytes() >= size_bytes, timeout_seconds, f"{size_bytes} bytes delivered")

    def status(self) -> dict[str, Any]:
        """The aggregator's /status."""
        return json.loads(fetch(f"{self.aggregator_url}/status")[1])

    def append(self, name: str, content: bytes) -> Path:
        path = self.logs / name
        with path.open("ab") as stream:
            stream.write(content)
        return path


def line_count(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def out_of_order(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """Lines that came after a later line of their own file instance: order is promised per stream, not over rotations."""
    newest: dict[str, tuple[int, int]] = {}
    wrong = []
    for record in records:
        stream, epoch, end = record["evt_id"].split(":")
        if newest.get(stream, (-1, -1)) >= (int(epoch), int(end)):
            wrong.append(record["evt_id"])
        newest[stream] = int(epoch), int(end)
    return wrong


def assert_exact(written: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
    """Lost 0, duplicated 0, torn 0, corrupt 0, and every stream in its order."""
    verdict = judge(written, records)
    verdict.reordered = 0
    assert verdict.clean, verdict
    assert out_of_order(records) == []


def copies_of(records: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How many times too often each event id came."""
    counts: dict[str, int] = {}
    for record in records:
        counts[record["evt_id"]] = counts.get(record["evt_id"], -1) + 1
    return {evt_id: copies for evt_id, copies in counts.items() if copies}


def written_by(*writers: Writer) -> dict[str, Any]:
    return summary_of(writers)
