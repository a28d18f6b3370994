"""A real aggregator process, and a pod's worth of wire by hand that follows the protocol whatever becomes of it."""

import asyncio
import json
import os
import signal
import subprocess
import sys

import aiohttp
import msgspec

from tests.aggregator.forwarding import frame_of, pod_of
from tests.aggregator.serving import WIRE
from towline.wire.block import BlocksAnswer, BlocksRequest, MarksAnswer
from towline.wire.codec import decode_answer, encode_request


class Aggregator:
    """Starts, dies and starts again on the same journal and the same port."""

    def __init__(self, folder, sinks, extra=""):
        self.folder = folder
        self._file = folder / "aggregator.yaml"
        self._sinks = sinks
        self._extra = extra
        self._port = 0
        self._log_file = folder / "aggregator.log"
        self.process = None

    @property
    def url(self):
        return f"http://127.0.0.1:{self._port}"

    async def start(self, kill_at=""):
        """Return once it listens, or has ended before."""
        listen = f"127.0.0.1:{self._port}"
        self._file.write_text(
            f'http: {{listen: "{listen}"}}\n'
            f"journal: {{path: {self.folder}/journal.db, max_bytes: 128MiB}}\n"
            f"sinks: {json.dumps(self._sinks)}\n{self._extra}\n"
        )
        environment = {**os.environ, "TOWLINE_KILL_AT": kill_at}
        command = [sys.executable, "-m", "aggregator", "--config", str(self._file)]
        with self._log_file.open("wb") as log:
            self.process = subprocess.Popen(command, stderr=log, env=environment)  # noqa: ASYNC220 - it does not wait
        async with asyncio.timeout(30):
            while not (started := [line for line in self.log if "service_started" in line]):
                if self.process.poll() is not None:
                    return
                await asyncio.sleep(0.02)
        self._port = json.loads(started[0])["port"]

    @property
    def log(self):
        """What this start has logged so far."""
        return self._log_file.read_text().splitlines()

    async def end(self, number=signal.SIGTERM):
        """Send a signal; the exit code."""
        self.process.send_signal(number)
        return await asyncio.to_thread(self.process.wait, 60)


class Shipper:
    """Ships one text as one stream, in blocks of whole lines, and goes on where the journal says."""

    def __init__(self, text, block_bytes=3000):
        self._text = text
        self._block_bytes = block_bytes
        self._journal = ""
        self.mark = 0
        self.delivered = 0

    @property
    def is_done(self):
        return self.delivered == len(self._text)

    async def step(self, session, url):
        """One request and what follows from its answer. Raises what aiohttp raises where the aggregator is not there."""
        block = self._text[self.mark : self.mark + self._block_bytes]
        block = block[: block.rfind(b"\n") + 1]
        frames = (frame_of(block, self.mark, "s"),) if block else ()
        pod = msgspec.Raw(msgspec.msgpack.encode(pod_of()))
        said = BlocksRequest(journal=self._journal, pod=pod, run="r", frames=frames)
        async with session.post(url + "/v1/blocks", data=encode_request(said), headers=WIRE) as response:
            body, status = await response.read(), response.status
        if status == 421:
            answer = decode_answer(body, MarksAnswer)
            self._journal = answer.journal
            self.mark = max((row.mark for row in answer.rows), default=0)
            return
        answer = decode_answer(body, BlocksAnswer)
        for one in answer.frames:
            self.mark = one.mark
        for row in answer.delivered:
            self.delivered = row.delivered

    async def ship(self, aggregator, until):
        """Go on until `until()`; while nobody answers, look again."""
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session, asyncio.timeout(60):
            while not until():
                try:
                    await self.step(session, aggregator.url)
                except (aiohttp.ClientError, TimeoutError):
                    return
                await asyncio.sleep(0.002)
