"""HTTP to the aggregator: where it is, what its requests say, one kept connection (connection.py), one request at a time.

Room: collector shell. Never enters: what the requests mean. aiohttp would cost every pod 15 MB more (docs/adr/0002-what-a-pod-pays.md).
"""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import Literal
from urllib.parse import urlsplit

from collector.connection import MAX_ANSWER_BYTES, Answer, Connection, Take
from collector.resolver import Resolver

Method = Literal["GET", "POST"]
Asking = Callable[[Connection, bytes, float], Awaitable[Answer]]

_TARGET = re.compile(r"/[!-~]*")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110: token
_NOT_IN_A_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class NoAnswerError(Exception):
    """No HTTP answer: refused, reset, timed out, or not HTTP. Only this counts towards fail-over."""


class Client:
    """One connection to one address, made when needed and kept while it serves.

    `url` gives scheme, Host header and TLS server name; `address` is what name resolution said of it.
    """

    def __init__(
        self,
        url: str,
        timeout_seconds: float,
        tls: ssl.SSLContext | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        parts = urlsplit(url)
        self._host, self._netloc, self._path = parts.hostname or "", parts.netloc, parts.path.rstrip("/")
        self._port = parts.port or (443 if parts.scheme == "https" else 80)
        self._tls = tls if tls is not None or parts.scheme != "https" else ssl.create_default_context()
        self._timeout_seconds, self._max_answer_bytes = timeout_seconds, max_answer_bytes
        self._resolver = Resolver(self._host, self._port)
        self._address = ""
        self._connection: Connection | None = None
        self._said: tuple[object, bytes] = (None, b"")  # the last request's first lines, and of what they are made

    async def resolve(self) -> list[str]:
        """The addresses behind the host name. Raises NoAnswerError."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await self._resolver.addresses()
        except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
            raise NoAnswerError(f"name resolution of {self._host}: {str(error) or 'timed out'}") from error

    async def request(
        self, address: str, method: Method, path: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Answer:
        """Send one request to `address` and return its answer, whatever it says. Raises NoAnswerError."""
        return await self._exchanged(
            address,
            lambda: self._head(method, path, headers, len(body)),
            lambda connection, head, deadline: connection.ask(head, body, deadline),
        )

    async def stream(self, address: str, path: str, headers: Mapping[str, str], take: Take) -> Answer:
        """GET what may be long: `take` is awaited with the answer part by part. Returns it without its body. Raises NoAnswerError, and what `take` raises."""
        return await self._exchanged(
            address,
            lambda: self._head("GET", path, headers, 0),
            lambda connection, head, deadline: connection.stream(head, take, deadline),
        )

    async def _exchanged(self, address: str, head_of: Callable[[], bytes], asking: Asking) -> Answer:
        deadline = asyncio.get_running_loop().time() + self._timeout_seconds
        try:
            head = head_of()
            connection = self._connection
            if connection is None or not connection.is_open or address != self._address:
                connection = await self._connected(address, deadline)
            answer = await asking(connection, head, deadline)
        except (OSError, EOFError) as error:  # ssl.SSLError and TimeoutError are OSErrors
            self.close()
            raise NoAnswerError(str(error) or type(error).__name__) from error
        except BaseException:
            self.close()
            raise
        if not connection.is_open:
            self.close()
        return answer

    async def _connected(self, address: str, deadline: float) -> Connection:
        self.close()
        name = self._host if self._tls is not None else None
        loop = asyncio.get_running_loop()
        async with asyncio.timeout_at(deadline):
            _, connection = await loop.create_connection(
                lambda: Connection(self._max_answer_bytes), address, self._port, ssl=self._tls, server_hostname=name
            )
        self._address, self._connection = address, connection
        return connection

    def _head(self, method: Method, path: str, headers: Mapping[str, str], body_bytes: int) -> bytes:
        """The head of a request. All but the length is the same from request to request: checked and put together once."""
        asked = (method, path, headers)
        if self._said[0] != asked:
            self._said = asked, self._first_lines(method, self._path + path, headers)
        length = b"content-length: %d\r\n" % body_bytes if body_bytes else b""
        return self._said[1] + length + b"\r\n"

    def _first_lines(self, method: Method, target: str, headers: Mapping[str, str]) -> bytes:
        """In UTF-8: a token that is no ASCII is the aggregator's to refuse, and must not end our loop. Raises NoAnswerError."""
        if _TARGET.fullmatch(target) is None:
            raise NoAnswerError(f"{target!r} cannot be asked for: a path is printable ASCII without spaces")
        lines = [f"{method} {target} HTTP/1.1"]
        for name, value in {"host": self._netloc, **headers}.items():
            if _NAME.fullmatch(name) is None or _NOT_IN_A_VALUE.search(value) is not None:
                raise NoAnswerError(f"header {name!r} cannot be sent: it holds control characters")
            lines.append(f"{name}: {value}")
        return ("\r\n".join(lines) + "\r\n").encode()

    def close(self) -> None:
        """Drop the connection; the next request makes a new one."""
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
