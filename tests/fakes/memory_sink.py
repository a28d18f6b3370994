"""A destination in memory that follows a script: for tests of what drives sinks."""

import asyncio

from aggregator.sink import Limits, Receipt


class MemorySink:
    """Accepts every batch unless the script says otherwise: each entry is an exception to raise, a Receipt, or None to accept.

    `judge`, where set, is asked for every batch (as a list of lines) and raises what it wants.
    """

    def __init__(self, *script, limits=None, judge=None, lane=None, key=None, encode=None):
        self.limits = limits or Limits(max_lines=1000, max_bytes=1_000_000)
        self.script = list(script)
        self.judge = judge
        self.accepted = []  # a list of lines per accepted batch
        self.pieces = []  # all slices accepted
        self.attempts = []  # lines of each attempt
        self.encodes = 0
        self.healthchecks = []  # errors to raise, first first; empty: well
        self.checked = 0
        self.recalled = []
        self.closed = False
        self.gate = None  # an asyncio.Event that sends wait for
        self.sending = asyncio.Event()
        self._lane = lane or (lambda pod, origin: "all")
        self._key = key or (lambda pod, origin: "")
        self._encode = encode

    def lane(self, pod, origin):
        return self._lane(pod, origin)

    def key(self, pod, origin):
        return self._key(pod, origin)

    def encode(self, batch):
        self.encodes += 1
        lines = [line for piece in batch.slices for line in piece.lines]
        if self._encode is not None:
            self._encode(lines)
        return lines

    async def send(self, batch, payload):
        self.attempts.append(payload)
        self.sending.set()
        if self.gate is not None:
            await self.gate.wait()
        answer = self.script.pop(0) if self.script else None
        if isinstance(answer, BaseException):
            raise answer
        if self.judge is not None:
            self.judge(payload)
        self.accepted.append(payload)
        self.pieces += batch.slices
        return answer or Receipt()

    async def healthcheck(self):
        self.checked += 1
        if self.healthchecks:
            raise self.healthchecks.pop(0)

    async def recall(self, memo):
        self.recalled.append(dict(memo))

    async def close(self):
        self.closed = True

    @property
    def lines(self):
        return [line for batch in self.accepted for line in batch]
