"""HTTP to the aggregator: one kept connection, one request at a time, on asyncio streams and h11.

Room: collector shell. Never enters: what the requests mean. aiohttp would cost every pod 15 MB more (docs/adr/0002-what-a-pod-pays.md).
"""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import h11

from collector.resolver import Resolver

MAX_ANSWER_BYTES = 16 << 20  # rows of 10,000 streams fit; an endless answer does not
READ_BYTES = 1 << 16


class NoAnswerError(Exception):
    """No HTTP answer: refused, reset, timed out, or not HTTP. Only this counts towards fail-over."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def retry_after_seconds(self) -> float:
        """`Retry-After` in seconds; 0.0 where there is none that can be read (dates are not)."""
        try:
            return max(0.0, float(self.headers.get("retry-after", "0")))
        except ValueError:
            return 0.0


class Client:
    """One connection to one address, made when needed and kept while it serves.

    `url` gives scheme, Host header and TLS server name; `address` is what name resolution said of it.
    """

    def __init__(self, url: str, timeout_seconds: float, tls: ssl.SSLContext | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._netloc, self._path = parts.hostname or "", parts.netloc, parts.path.rstrip("/")
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = tls if tls is not None or parts.scheme != "https" else ssl.create_default_context()
        self._timeout_seconds = timeout_seconds
        self._resolver = Resolver(self._host, self._port)
        self._address = ""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._protocol = h11.Connection(h11.CLIENT)

    async def resolve(self) -> list[str]:
        """The addresses behind the host name. Raises NoAnswerError."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._resolver.addresses()
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            raise NoAnswerError(f"name resolution of {self._host}: {str(error) or 'timed out'}") from error

    async def request(
        self, address: str, method: str, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Send one request to `address` and return its answer, whatever it says. Raises NoAnswerError."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                reader, writer = await self._connected(address)
                answer = await self._exchange(reader, writer, (method, self._path + path, headers, body))
        except (OSError, EOFError, h11.ProtocolError, ssl.SSLError) as error:
            self.close()
            raise NoAnswerError(str(error) or type(error).__name__) from error
        except BaseException:
            self.close()
            raise
        is_sent = not writer.transport.get_write_buffer_size()
        if is_sent and self._protocol.our_state is h11.DONE and self._protocol.their_state is h11.DONE:
            self._protocol.start_next_cycle()
        else:
            self.close()
        return answer

    async def _connected(self, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is not None and (self._address != address or self._streams[0].at_eof()):
            self.close()
        if self._streams is None:
            name = self._host if self._tls is not None else None
            self._streams = await asyncio.open_connection(address, self._port, ssl=self._tls, server_hostname=name)
            self._address, self._protocol = address, h11.Connection(h11.CLIENT)
        return self._streams

    async def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        said: tuple[str, str, Mapping[str, str], bytes],
    ) -> Answer:
        method, target, headers, body = said
        length = {"content-length": str(len(body))} if body else {}
        named = {"host": self._netloc, **headers, **length}
        # In UTF-8: a token that is no ASCII is the aggregator's to refuse, and must not end our loop.
        head = h11.Request(
            method=method, target=target, headers=[(name.encode(), value.encode()) for name, value in named.items()]
        )
        writer.write(self._protocol.send(head) or b"")
        if body:
            # The body passes h11 by reference: it is counted, not copied.
            for part in self._protocol.send_with_data_passthrough(h11.Data(data=body)) or ():
                writer.write(part)
        writer.write(self._protocol.send(h11.EndOfMessage()) or b"")
        # Not drained first: who refuses a body answers before it is read, and closes.
        return await self._read_answer(reader)

    async def _read_answer(self, reader: asyncio.StreamReader) -> Answer:
        response, parts, size = None, [], 0
        while True:
            event = self._protocol.next_event()
            if event is h11.NEED_DATA:
                self._protocol.receive_data(await reader.read(READ_BYTES))
            elif isinstance(event, h11.Response):
                response = event
            elif isinstance(event, h11.Data):
                parts.append(bytes(event.data))
                size += len(event.data)
                if size > MAX_ANSWER_BYTES:
                    raise EOFError(f"the answer is longer than {MAX_ANSWER_BYTES} bytes")
            elif isinstance(event, h11.EndOfMessage) and response is not None:
                names = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
                return Answer(response.status_code, names, b"".join(parts))
            elif isinstance(event, h11.ConnectionClosed):
                raise EOFError("closed without an answer")

    def close(self) -> None:
        """Drop the connection; the next request makes a new one."""
        if self._streams is not None:
            self._streams[1].transport.abort()  # not close(): that would go on to write what nobody takes
            self._streams = None
