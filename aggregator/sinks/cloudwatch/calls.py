"""One call of CloudWatch Logs (JSON 1.1), signed, sent over the shared session, its errors translated.

Room: aggregator sinks. Never enters: what is sent, and what becomes of it. Errors: botocore's service model of `logs`, and the common
errors of AWS (a ThrottlingException comes with status 400).
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import aiohttp
import orjson

from aggregator.sinks.cloudwatch.payload import Body
from aggregator.sinks.posting import Answer, Request, exchange, retry_after_seconds
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, TowlineError, UnauthorizedError

NO_HEADERS: Mapping[str, str] = {}
_CONTENT_TYPE = "application/x-amz-json-1.1"
_UNAUTHORIZED = frozenset(
    {
        *("AccessDenied", "AccessDeniedException", "NotAuthorized", "OptInRequired", "SignatureDoesNotMatch"),
        *("UnrecognizedClientException", "InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException"),
        *("InvalidSignatureException", "IncompleteSignature", "IncompleteSignatureException"),
        *("MissingAuthenticationToken", "MissingAuthenticationTokenException", "InvalidAccessKeyId", "RequestExpired"),
    }
)
_REJECTED = frozenset({"InvalidParameterException", "ValidationException", "SerializationException"})


class ServiceError(TowlineError):
    """An error that the caller may know an answer to: `kind` is AWS's name for it, without its namespace."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class Signer(Protocol):
    """Signs requests, and looks for other credentials once some are refused."""

    async def sign(self, url: str, headers: Mapping[str, str], sha256: str) -> tuple[dict[str, str], str]: ...

    async def renew(self, refused_key: str) -> bool: ...


class Endpoint(NamedTuple):
    """Where calls go, and how long one may take."""

    url: str
    timeout_seconds: float


class LogsCalls:
    """Calls operations by name."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoint: Endpoint,
        signer: Signer,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._session = session
        self._url = endpoint.url.rstrip("/") + "/"
        self._timeout_seconds = endpoint.timeout_seconds
        self._signer = signer
        self._wall_clock = wall_clock

    async def call(self, operation: str, body: Body, headers: Mapping[str, str] = NO_HEADERS) -> dict[str, Any]:
        """The answer of a 200. Raises ServiceError for `Resource...` errors, else one of plumbing's errors."""
        headers = {"Content-Type": _CONTENT_TYPE, "X-Amz-Target": f"Logs_20140328.{operation}", **headers}
        signed, key = await self._signer.sign(self._url, headers, body.sha256)
        signed["Accept-Encoding"] = "identity"
        answer = await exchange(self._session, Request("POST", self._url, signed, body.content), self._timeout_seconds)
        form = _form(answer)
        if answer.status == 200 and form is not None:
            return form
        error = self._translated(operation, answer, form or {})
        if isinstance(error, UnauthorizedError) and await self._signer.renew(key):
            raise RetryableError("the AWS credentials were renewed") from error
        raise error

    def _translated(self, operation: str, answer: Answer, form: dict[str, Any]) -> TowlineError:
        kind, message = _kind_of(answer, form), str(form.get("message") or form.get("Message") or "")[:300]
        if kind.startswith("Resource"):
            return ServiceError(kind, message)
        if kind in _UNAUTHORIZED or (answer.status in {401, 403} and not kind):
            return UnauthorizedError(
                f"{operation} is refused: {kind or answer.status}. Check the role's policy and its trust"
            )
        if answer.status == 413 or (kind in _REJECTED and "too large" in message.lower()):
            return TooLargeError(f"{operation}: {kind or answer.status}")
        if kind in _REJECTED:
            return RejectedError(f"{operation}: {kind}")
        what = kind or ("with something that is not CloudWatch's answer" if answer.status == 200 else answer.status)
        return RetryableError(
            f"{operation} was answered {what}", retry_after_seconds(answer.headers, self._wall_clock())
        )


def _form(answer: Answer) -> dict[str, Any] | None:
    """The JSON object of an answer; None where it is none."""
    if not answer.body and answer.status == 200:
        return {}  # CreateLogGroup and its like say nothing
    try:
        form = orjson.loads(answer.body) if answer.whole else None
    except orjson.JSONDecodeError:
        return None
    return form if isinstance(form, dict) else None


def _kind_of(answer: Answer, form: dict[str, Any]) -> str:
    """`com.amazonaws.logs#ThrottlingException:http://...` is a ThrottlingException; proxies in front say it in a header."""
    said = str(form.get("__type") or answer.headers.get("x-amzn-ErrorType", ""))
    return said.rpartition("#")[2].partition(":")[0].strip()[:100]
