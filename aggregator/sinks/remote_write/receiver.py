"""One POST to a remote write receiver, and what its answer means.

Room: aggregator sinks. Never enters: retries, what is in a body. Answers: the remote write 1.0 specification (5xx again, 429 when it says,
other 4xx never), and what Prometheus, VictoriaMetrics, Mimir, Thanos and Amazon Managed Prometheus say with them.
"""

import base64
import hashlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
import cramjam

from aggregator.sinks.posting import Answer, Request, exchange, retry_after_seconds
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, TowlineError, UnauthorizedError
from towline.plumbing.secret import Secret

_HEADERS: Mapping[str, str] = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": "towline",
    "Accept-Encoding": "identity",
}
_NOT_THERE = frozenset({404, 405, 410, *range(300, 400)})
_TOO_LARGE = re.compile(rb"too (?:large|big)|larger than max|message size|write message of size", re.IGNORECASE)
# What a sample is refused for, so that it would be refused whoever sent it: the words of the receivers named above.
_REASONS: Mapping[str, re.Pattern[bytes]] = {
    "limit": re.compile(rb"series limit|max-series|max-active-series|limit of \d+ series", re.IGNORECASE),
    "duplicate": re.compile(
        rb"duplicate (?:sample|timestamp)|duplicate-timestamp|new-value-for-timestamp", re.IGNORECASE
    ),
    "out_of_order": re.compile(rb"out[ -]of[ -]order", re.IGNORECASE),
    "too_old": re.compile(rb"out of bounds?|too[ -]old|too far in the past", re.IGNORECASE),
    "too_new": re.compile(rb"too far in(?:to)? the future|too-far-in-future", re.IGNORECASE),
}


# Receivers that store what they can of a request before they answer 4xx: Cortex and those made of it (Mimir, Amazon), Thanos.
_STORES_THE_REST = re.compile(rb"\buser=|err-mimir|rpc error", re.IGNORECASE)
_CONFLICT = 409


class RefusedError(RejectedError):
    """The receiver says what is wrong with a sample. `reason` is a word of the closed list.

    halving_helps: good samples of the same request are not stored, and would be without the bad one.
    """

    def __init__(self, message: str, reason: str, *, halving_helps: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.halving_helps = halving_helps


@dataclass(frozen=True, slots=True)
class Body:
    """A WriteRequest in snappy's block format, of so many parts that can be sent alone. `sha256` is "" where nobody signs."""

    content: bytes = field(repr=False)
    parts: int = 0
    sha256: str = ""

    @classmethod
    def of(cls, message: bytes, parts: int, *, hashed: bool) -> "Body":
        content = bytes(cramjam.snappy.compress_raw(message))
        return cls(content, parts, hashlib.sha256(content).hexdigest() if hashed else "")


class Credentials(Protocol):
    """Says who we are."""

    hashes: bool  # whether it wants a body's sha256

    async def headers(self, url: str, headers: Mapping[str, str], sha256: str) -> tuple[Mapping[str, str], str]:
        """The headers to send, and the key that they show."""

    async def renewed(self, refused_key: str) -> bool:
        """Whether there are others than those that were refused."""


class Stated:
    """An Authorization header from a secret's file, or none."""

    hashes = False

    def __init__(self, secret: Secret | None = None, username: str = "") -> None:
        self._secret, self._username = secret, username

    async def headers(self, url: str, headers: Mapping[str, str], sha256: str) -> tuple[Mapping[str, str], str]:  # noqa: ARG002 - the protocol's signature
        if self._secret is None:
            return headers, ""
        said = f"Bearer {self._secret.reveal()}"
        if self._username:
            pair = f"{self._username}:{self._secret.reveal()}".encode()
            said = f"Basic {base64.b64encode(pair).decode()}"
        return {**headers, "Authorization": said}, said

    async def renewed(self, refused_key: str) -> bool:
        """The file may have been replaced meanwhile."""
        return (await self.headers("", {}, ""))[1] != refused_key


class Signer(Protocol):
    """Signs as aggregator/sinks/aws.py does."""

    async def sign(self, url: str, headers: Mapping[str, str], sha256: str) -> tuple[dict[str, str], str]: ...

    async def renew(self, refused_key: str) -> bool: ...


class Signed:
    """AWS Signature Version 4."""

    hashes = True

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    async def headers(self, url: str, headers: Mapping[str, str], sha256: str) -> tuple[Mapping[str, str], str]:
        return await self._signer.sign(url, headers, sha256)

    async def renewed(self, refused_key: str) -> bool:
        return await self._signer.renew(refused_key)


@dataclass(frozen=True, slots=True)
class Address:
    """Where to, with which headers, and how long an exchange may take."""

    url: str
    headers: Mapping[str, str]
    timeout_seconds: float


class Receiver:
    """Posts bodies."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        address: Address,
        credentials: Credentials,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._session = session
        self._address = address
        self._headers = {**_HEADERS, **address.headers}
        self._credentials = credentials
        self._wall_clock = wall_clock

    async def post(self, body: Body) -> None:
        """Return where it was taken. Raises what `MetricSink.send` raises; RefusedError where the answer names a reason."""
        url = self._address.url
        headers, key = await self._credentials.headers(url, self._headers, body.sha256)
        answer = await exchange(
            self._session, Request("POST", url, headers, body.content), self._address.timeout_seconds
        )
        if _is_taken(answer):
            return
        error = self._translated(answer)
        if isinstance(error, UnauthorizedError) and await self._credentials.renewed(key):
            raise RetryableError("the credentials were renewed") from error
        raise error

    def _translated(self, answer: Answer) -> TowlineError:
        status = answer.status
        if status in {401, 403}:
            return UnauthorizedError(
                f"the receiver refuses us ({status}). Correct bearer_token_file, basic_auth, or sigv4 and its role's policy"
            )
        if status == 413 or (400 <= status < 500 and _TOO_LARGE.search(answer.body)):
            return TooLargeError(f"the receiver says that it is too large ({status})")
        if status in _NOT_THERE or status < 300:
            # Nobody judged what was sent: it is the address that is wrong, and nothing is lost by waiting for another.
            return RetryableError(f"{status} is no answer of a remote write receiver. Correct url, its path included")
        if 400 <= status < 500 and status not in {408, 425, 429}:
            return _refusal(answer)
        wait = retry_after_seconds(answer.headers, self._wall_clock())
        return RetryableError(f"the receiver answered {status}", wait)


def _is_taken(answer: Answer) -> bool:
    """True for a receiver's yes: 204, or a 200 with nothing to read. A login page's 200 is none."""
    return 200 <= answer.status < 300 and not answer.headers.get("Content-Type", "").startswith("text/html")


def _refusal(answer: Answer) -> TowlineError:
    for reason, words in _REASONS.items():
        if words.search(answer.body):
            stores_the_rest = answer.status == _CONFLICT or _STORES_THE_REST.search(answer.body) is not None
            halving_helps = reason != "limit" and not stores_the_rest
            return RefusedError(f"the receiver says {answer.status}: {reason}", reason, halving_helps=halving_helps)
    return RejectedError(f"the receiver says that it is malformed ({answer.status})")
