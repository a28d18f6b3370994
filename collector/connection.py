"""One connection to an aggregator: a request out in one write, its answer back.

Room: collector shell. Never enters: addresses, names, what a request means (client.py). An asyncio protocol rather than streams, and
llhttp (httptools) rather than a parser in Python: a quarter of what a quiet pod's request costs (docs/adr/0005-a-cheaper-round.md).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import cast

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

MAX_ANSWER_BYTES = 16 << 20  # rows of 10,000 streams fit; an endless answer does not
# llhttp knows no limits. What is not body (heads, trailers, sizes of chunks) may be so long, and so many times the body: one byte a chunk makes five.
MAX_HEAD_BYTES = 16 << 10
MAX_AROUND_BODY = 8
COPIED_BYTES = 64 << 10  # a body up to here travels in one write with its head
WRITE_BYTES = 256 << 10  # a longer one in pieces of this: a transport copies what it cannot send at once
READ_BYTES = 16 << 10  # read at once, into a buffer that is used again
# Of a body that is taken in parts about so much is held; nothing more is read while a part is taken.
PART_BYTES = 32 << 10
FINAL = 200  # a status below is informational: the answer follows


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer, whatever its status. `fields` are its headers as they came."""

    status: int
    fields: Sequence[tuple[bytes, bytes]]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        """By name in lower case; of several of one name the last. Made when asked for: hardly any answer is."""
        return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in self.fields}

    @property
    def retry_after_seconds(self) -> float:
        """`Retry-After` in seconds; 0.0 where there is none that can be read (dates are not)."""
        try:
            return max(0.0, float(self.headers.get("retry-after", "0")))
        except ValueError:
            return 0.0


Take = Callable[[Answer], Awaitable[None]]  # what is done with an answer of which `body` is the next part


class TooLongError(EOFError):
    """The answer was cut off: it is longer than whoever asked has room for."""


class Connection(asyncio.BufferedProtocol):
    """Carries one request at a time for as long as `is_open`. Bytes that nobody asked for end it."""

    def __init__(self, max_answer_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._max_answer_bytes = max_answer_bytes
        self.is_open = False  # it may carry another request
        self._parser = HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._received_bytes = self._body_bytes = 0
        self._has_head = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._parts: list[bytes] = []
        self._held_bytes = 0  # in `_parts`
        self._is_streaming = False
        self._buffer = bytearray(READ_BYTES)
        self._has_parts = asyncio.Event()  # of a body taken in parts: there are some to take, or there will be no more
        self._may_write = asyncio.Event()
        self._may_write.set()

    async def ask(self, head: bytes, body: bytes, deadline: float) -> Answer:
        """Send a request and return its answer, which may come before all of the body is sent. `deadline` is the loop's time.

        Raises OSError (TimeoutError too) or EOFError (TooLongError too); after any error, cancellation included, the connection must be dropped.
        """
        transport = self._opened()
        with self._asking(transport, deadline) as waiter:
            if len(body) <= COPIED_BYTES:
                transport.write(head + body)
            else:
                transport.write(head)
                await self._write(transport, body, waiter)
            return await waiter

    async def stream(self, head: bytes, take: Take, deadline: float) -> Answer:
        """Send a request without a body and have what it is answered taken part by part; returns the answer without its body.

        Nothing is read while a part is taken: the kernel holds what comes. Raises what `ask` raises, and what `take` does.
        """
        transport = self._opened()
        with self._asking(transport, deadline) as waiter:
            self._is_streaming = True
            transport.write(head)
            while True:
                await self._has_parts.wait()
                self._has_parts.clear()
                ended = waiter.result() if waiter.done() else None  # raises what ended it otherwise
                answer = ended or Answer(self._parser.get_status_code(), self._headers, b"")
                await take(msgspec.structs.replace(answer, body=self._taken()))
                if ended is not None:
                    return ended
                transport.resume_reading()

    @contextlib.contextmanager
    def _asking(self, transport: asyncio.Transport, deadline: float) -> Iterator["asyncio.Future[Answer]"]:
        """While an answer is waited for."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[Answer] = loop.create_future()
        self._waiter = waiter
        self._received_bytes = self._body_bytes = 0
        timer = loop.call_at(deadline, self._fail, TimeoutError())
        try:
            yield waiter
        finally:
            timer.cancel()
            if waiter.done() and not waiter.cancelled():
                waiter.exception()  # so that it counts as heard, where something else ended the request first
            self._waiter, self._is_streaming = None, False
            self._has_parts.clear()
            if transport.get_write_buffer_size():
                self.is_open = False  # answered before the body was read: what is left of it is no request

    def _opened(self) -> asyncio.Transport:
        if self._transport is None or not self.is_open:
            raise EOFError("closed before the request")
        return self._transport

    async def _write(self, transport: asyncio.Transport, body: bytes, waiter: "asyncio.Future[Answer]") -> None:
        """Write a long body as fast as it is taken, and no further than an answer that comes before its end."""
        view = memoryview(body)
        for at in range(0, len(body), WRITE_BYTES):
            if waiter.done():
                self.is_open = False
                return
            transport.write(view[at : at + WRITE_BYTES])
            await self._may_write.wait()

    def abort(self) -> None:
        """Drop the connection at once: an orderly end would go on to write what nobody takes."""
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    # What asyncio says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.is_open = cast("asyncio.Transport", transport), True

    def pause_writing(self) -> None:
        self._may_write.clear()

    def resume_writing(self) -> None:
        self._may_write.set()

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - asyncio's own signature
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        with memoryview(self._buffer) as view:
            self.data_received(view[:nbytes])

    def data_received(self, data: bytes | memoryview) -> None:
        if self._waiter is None:
            self.abort()
            return
        self._received_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fail(EOFError(f"no HTTP answer: {error}"))
        around_bytes = self._received_bytes - self._body_bytes
        if around_bytes > MAX_HEAD_BYTES + MAX_AROUND_BODY * self._body_bytes:
            self._fail(TooLongError(f"the head of the answer is longer than {MAX_HEAD_BYTES} bytes"))
        if self._is_streaming and self._held_bytes >= PART_BYTES and not self._has_parts.is_set():
            if self._transport is not None:
                self._transport.pause_reading()
            self._has_parts.set()

    def eof_received(self) -> None:
        """The other side hung up: the end of an answer whose head says nothing of its length, else of all hope."""
        names = {name.lower() for name, _ in self._headers}
        if self._has_head and not names & {b"content-length", b"transfer-encoding"}:
            self._settle()
        self.is_open = False

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc if isinstance(exc, OSError) else EOFError("closed without an answer"))

    # What the parser says.

    def on_message_begin(self) -> None:
        self._has_head = False
        self._headers = []
        if self._waiter is None or self._waiter.done():
            self.is_open = False  # a second answer to one request
        else:
            self._taken()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        self._has_head = True
        if self._received_bytes > MAX_HEAD_BYTES and sum(map(_length_of, self._headers)) > MAX_HEAD_BYTES:
            self._fail(TooLongError(f"the head of the answer is longer than {MAX_HEAD_BYTES} bytes"))
        elif any(self._is_too_long(field) for field in self._headers):
            self._fail(TooLongError(f"the answer is longer than {self._max_answer_bytes} bytes"))

    def on_body(self, part: bytes) -> None:
        self._body_bytes += len(part)
        if self._body_bytes > self._max_answer_bytes:
            self._fail(TooLongError(f"the answer is longer than {self._max_answer_bytes} bytes"))
        elif self._waiter is not None and not self._waiter.done():
            self._parts.append(part)
            self._held_bytes += len(part)

    def on_message_complete(self) -> None:
        if self._parser.get_status_code() < FINAL:
            return
        if not self._parser.should_keep_alive():
            self.is_open = False
        self._settle()

    def _is_too_long(self, field: tuple[bytes, bytes]) -> bool:
        name, value = field
        return name.lower() == b"content-length" and int(value) > self._max_answer_bytes

    # What comes of it.

    def _settle(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            body = b"" if self._is_streaming else self._taken()
            self._waiter.set_result(Answer(self._parser.get_status_code(), self._headers, body))
        self._ended()

    def _fail(self, error: Exception) -> None:
        """End the connection, and the request if it has no answer yet."""
        self.is_open = False
        if self._waiter is None or not self._waiter.done():
            self._taken()  # the error's traceback holds us until the next full garbage collection
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(error)
        self._ended()

    def _ended(self) -> None:
        """Whoever takes parts, or waits to write, is told that there will be no more."""
        self._has_parts.set()
        self._may_write.set()

    def _taken(self) -> bytes:
        """What is held of the body, which is then held no longer."""
        body, self._parts, self._held_bytes = b"".join(self._parts), [], 0
        return body


def _length_of(field: tuple[bytes, bytes]) -> int:
    name, value = field
    return len(name) + len(value)
