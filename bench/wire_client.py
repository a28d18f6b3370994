"""Simulated pods: raw requests of the wire protocol, made from blocks, without a collector.

`Stream` names frames in order; `Door` is one kept connection that posts them and waits, as told, when it is told to.
"""

import http.client
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from towline.wire.block import BlocksAnswer, BlocksRequest, Code, Frame, MarksAnswer
from towline.wire.codec import REQUEST_TYPE, checksum_of, decode_answer, encode_request
from towline.wire.identity import Origin, Pod, print_of, stream_id

WAITING_CODES = (Code.BUSY, Code.UNAVAILABLE)
PATIENCE_SECONDS = 120.0


class RefusedError(RuntimeError):
    """The aggregator did not store what it was sent."""


def pod_of(number: int) -> Pod:
    """A pod of a Deployment `web`."""
    return Pod(
        namespace="shop",
        name=f"web-5d4f7c6b9d-{number:05x}",
        uid=f"00000000-0000-4000-8000-{number:012x}",
        node="node-1",
    )


class Stream:
    """One file of a simulated pod: gives its blocks their names, `[start, end)` after `[start, end)`."""

    def __init__(self, pod: Pod, number: int = 0) -> None:
        path = f"/var/log/app/{number}.log"
        self.origin = Origin(path=path, container="web", source="nginx", service="web")
        self.stream = stream_id(pod.uid, "/var/log/app", number + 1, 1)
        self.end = 0

    def next_frame(self, body: bytes, raw_bytes: int, print_at_end: str = "") -> Frame:
        """The frame that comes next: `body` compressed, `raw_bytes` long when opened."""
        start, self.end = self.end, self.end + raw_bytes
        return Frame(
            stream=self.stream,
            start=start,
            end=self.end,
            body=body,
            checksum=checksum_of(body),
            print=print_at_end or print_of(f"{self.stream}{self.end}".encode()),
            read_unix_ns=time.time_ns(),
            origin=self.origin,
        )


def request_of(journal: str, pod: Pod, frames: Sequence[Frame]) -> bytes:
    """The body of a `POST /v1/blocks`."""
    raw = msgspec.Raw(msgspec.msgpack.encode(pod))
    return encode_request(BlocksRequest(journal=journal, pod=raw, run="bench", frames=tuple(frames)))


class Door:
    """One connection to an aggregator's intake."""

    def __init__(self, url: str, timeout_seconds: float = 60.0) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_seconds)

    def marks(self, pod: Pod) -> MarksAnswer:
        self._connection.request("GET", f"/v1/marks?pod={pod.uid}")
        return decode_answer(self._connection.getresponse().read(), MarksAnswer)

    def post(self, journal: str, pod: Pod, frames: Sequence[Frame]) -> BlocksAnswer:
        """Return once every frame is stored. Raises RefusedError where one is not, or not within two minutes."""
        body = request_of(journal, pod, frames)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            self._connection.request("POST", "/v1/blocks", body, {"Content-Type": REQUEST_TYPE})
            response = self._connection.getresponse()
            said = response.read()
            answer = decode_answer(said, BlocksAnswer)
            codes = {frame.code for frame in answer.frames} or {response.status}
            if codes == {Code.STORED}:
                return answer
            if time.monotonic() > deadline or not codes & {*WAITING_CODES}:
                raise RefusedError(f"{response.status}: {said[:500]!r}")
            time.sleep(float(response.headers.get("Retry-After", "1")))

    def close(self) -> None:
        self._connection.close()
