"""Datadog's door: a body is posted with the key as it is now, and the answer has its meaning, whichever intake it was for.

Room: aggregator sinks. Never enters: what is in a body. Answers: Datadog's OpenAPI document, and what its Agent does with the statuses that
the document leaves out.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import aiohttp
import orjson

from aggregator.sinks.posting import Answer, Request, exchange, retry_after_seconds
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, UnauthorizedError
from towline.plumbing.secret import Secret

_MEDIA = "application/json"


class KeyCheck(Protocol):
    """What knows whether a key is valid (control.py)."""

    async def check(self, key: str) -> None:
        """Raises UnauthorizedError where it is not, RetryableError where nobody knows."""


@dataclass(frozen=True, slots=True)
class Post:
    """One body for one address."""

    url: str
    body: bytes
    encoding: str = "identity"
    media: str = _MEDIA


class Door:
    """One sink's way to Datadog."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        key: Secret,
        key_check: KeyCheck,
        timeout_seconds: float,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._session, self._key, self._key_check = session, key, key_check
        self._timeout_seconds, self._wall_clock = timeout_seconds, wall_clock

    async def post(self, post: Post) -> Answer:
        """Raises RetryableError where no answer came."""
        headers = {
            "DD-API-KEY": self._key.reveal(),
            "Content-Type": post.media,
            "Accept": _MEDIA,
            "Accept-Encoding": "identity",
        }
        if post.encoding != "identity":
            headers["Content-Encoding"] = post.encoding
        return await exchange(self._session, Request("POST", post.url, headers, post.body), self._timeout_seconds)

    async def raise_unless_taken(self, answer: Answer, intake: str) -> None:
        """Raise what a Sink's `send` raises where the answer is not Datadog's own yes. `intake`: its name in a message."""
        if is_taken(answer):
            return
        status = answer.status
        if status == 413:
            raise TooLargeError(f"{intake} says that it is too large (413)")
        if status == 400:
            raise RejectedError(f"{intake} says that it is malformed (400)")
        if status in {401, 403}:
            await self._ask_about_key(status, intake)
        what = "with something that is not Datadog's answer" if is_success(status) else str(status)
        raise RetryableError(f"{intake} answered {what}", retry_after_seconds(answer.headers, self._wall_clock()))

    async def check_key(self) -> None:
        """Raises as KeyCheck does."""
        await self._key_check.check(self._key.reveal())

    async def _ask_about_key(self, status: int, intake: str) -> None:
        """Return where the key is good after all (it was changed meanwhile). Raises UnauthorizedError where it is not, or nobody knows."""
        try:
            await self.check_key()
        except RetryableError as error:
            raise UnauthorizedError(
                f"{intake} refuses the API key ({status}). Correct api_key_file or DD_API_KEY"
            ) from error


def is_success(status: int) -> bool:
    """True for any 2xx."""
    return 200 <= status < 300


def is_taken(answer: Answer) -> bool:
    """True for Datadog's own yes: 202 (200 from older gateways) with an object or nothing. A login page's 200 is none."""
    if answer.status not in {200, 202} or not answer.whole:
        return False
    if not answer.body.strip():
        return True
    try:
        return isinstance(orjson.loads(answer.body), dict)
    except orjson.JSONDecodeError:
        return False
