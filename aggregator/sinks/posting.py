"""One HTTP exchange over the shared session, told plainly: an answer, or a RetryableError whatever went wrong on the way.

Room: aggregator sinks. Never enters: any vendor; what an answer means is the sink's to say.
"""

import asyncio
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import aiohttp

from towline.plumbing.errors import RetryableError

MAX_ANSWER_BYTES = 64 * 1024
MAX_RETRY_AFTER_SECONDS = 3600.0
_LARGE_BODY_BYTES = 1 << 20  # aiohttp warns of larger `bytes`: it would write them in one go
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=None)  # asyncio.timeout below covers the whole exchange


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask. `headers` go out as they are."""

    method: str
    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said: `body` is cut (and `whole` False) above MAX_ANSWER_BYTES. Header names are case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool


async def exchange(session: aiohttp.ClientSession, request: Request, timeout_seconds: float) -> Answer:
    """Send and read the answer, all within `timeout_seconds`. Redirects are not followed: the key would travel along.

    Raises RetryableError where no answer came: refused, reset, unresolved, not HTTP, a bad certificate, too slow.
    """
    large = len(request.body) > _LARGE_BODY_BYTES
    try:
        async with (
            asyncio.timeout(timeout_seconds),
            session.request(
                request.method,
                request.url,
                data=io.BytesIO(request.body) if large else request.body or None,
                headers=request.headers,
                allow_redirects=False,
                timeout=_NO_TIMEOUT,
            ) as response,
        ):
            read = await _read_capped(response)
            return Answer(response.status, response.headers, read[:MAX_ANSWER_BYTES], len(read) <= MAX_ANSWER_BYTES)
    except TimeoutError as error:
        raise RetryableError(f"no answer within {timeout_seconds:g} seconds") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise RetryableError(f"no answer: {type(error).__name__}") from error


def retry_after_seconds(headers: Mapping[str, str], now_unix_seconds: float) -> float:
    """How long the server asks to wait: `Retry-After` (seconds or a date), or `X-RateLimit-Reset` (seconds). 0 where it says nothing."""
    for name in ("Retry-After", "X-RateLimit-Reset"):
        seconds = _seconds(headers.get(name, "").strip(), now_unix_seconds)
        if seconds > 0:
            return min(seconds, MAX_RETRY_AFTER_SECONDS)
    return 0.0


async def _read_capped(response: aiohttp.ClientResponse) -> bytes:
    """The body, or little more than its first MAX_ANSWER_BYTES; what is left unread closes the connection."""
    parts, size = [], 0
    while size <= MAX_ANSWER_BYTES:
        part = await response.content.read(MAX_ANSWER_BYTES)
        if not part:
            break
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _seconds(text: str, now_unix_seconds: float) -> float:
    if not text:
        return 0.0
    try:
        seconds = float(text)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(text).timestamp() - now_unix_seconds
        except ValueError:
            return 0.0
    return seconds if math.isfinite(seconds) else 0.0
