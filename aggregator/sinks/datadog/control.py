"""Datadog's control plane: which addresses a site means, and whether a key is valid. The official client, over our own session.

Room: aggregator sinks. Never enters: logs (the client costs 40 times the CPU there). Imported only where a Datadog sink is built, for
it takes 4 MB, and by single modules: the client's `models` and `apis` packages would take 45-91 MB.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from datadog_api_client.api_client import AsyncApiClient
from datadog_api_client.configuration import Configuration
from datadog_api_client.exceptions import OpenApiException
from datadog_api_client.v1.api.authentication_api import AuthenticationApi

from aggregator.sinks.posting import Answer, Request, exchange, retry_after_seconds
from towline.plumbing.errors import RetryableError, UnauthorizedError

# The client is typed in parts only; these are the parts that are not.
_configuration: Callable[..., Any] = Configuration
_authentication: Callable[..., Any] = AuthenticationApi

LOGS_SUBDOMAIN = "http-intake.logs"  # logs go to another host than the API
_LISTED_SITES = 0  # index of the client's server whose `site` is checked against Datadog's list
_ANY_SITE = 2  # ... and of the one that takes any


@dataclass(frozen=True, slots=True)
class Addresses:
    """The base URLs that a site means. `listed` is False for a site that the client does not know."""

    api: str
    logs: str
    listed: bool


def addresses_of(site: str) -> Addresses:
    """What the official client would talk to."""
    client = _configuration()
    try:
        api, index = client.get_host_from_settings(_LISTED_SITES, {"site": site}), _LISTED_SITES
    except ValueError:
        api, index = client.get_host_from_settings(_ANY_SITE, {"site": site}), _ANY_SITE
    logs = client.get_host_from_settings(index, {"site": site, "subdomain": LOGS_SUBDOMAIN})
    return Addresses(api, logs, index == _LISTED_SITES)


class KeyCheck:
    """`GET /api/v1/validate`, asked by the official client over the session that everything else uses: one pool, one TLS policy."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        api_url: str,
        timeout_seconds: float,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._api_url = api_url
        self._wire = _OverSession(session, timeout_seconds, wall_clock)

    async def check(self, key: str) -> None:
        """Return where the key is valid. Raises UnauthorizedError where it is not, RetryableError where nobody knows."""
        client = _SessionClient(_configuration(host=self._api_url, api_key={"apiKeyAuth": key}), self._wire)
        try:
            answer = await _authentication(client).validate()
        except OpenApiException as error:
            raise RetryableError("the API's answer to the key check is not Datadog's") from error
        if not answer.valid:
            raise UnauthorizedError("Datadog says that the API key is not valid. Correct api_key_file or DD_API_KEY")


class _OverSession:
    """What AsyncApiClient takes for its HTTP library, without the aiosonic it would otherwise import."""

    def __init__(self, session: aiohttp.ClientSession, timeout_seconds: float, wall_clock: Callable[[], float]) -> None:
        self._session = session
        self._timeout_seconds = timeout_seconds
        self._wall_clock = wall_clock

    async def request(self, method: str, url: str, *, headers: Mapping[str, str], **_unused: Any) -> "_Response":
        """Called by the client. Our own errors pass through it untouched."""
        answer = await exchange(self._session, Request(method, url, headers), self._timeout_seconds)
        if answer.status in {401, 403}:
            raise UnauthorizedError(
                f"Datadog refuses the API key ({answer.status}). Correct api_key_file or DD_API_KEY"
            )
        if answer.status != 200:
            raise RetryableError(
                f"the key check was answered {answer.status}", retry_after_seconds(answer.headers, self._wall_clock())
            )
        return _Response(answer)


class _Response:
    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.headers = answer.headers
        self._body = answer.body

    async def text(self) -> str:
        return self._body.decode("utf-8", "replace")


class _SessionClient(AsyncApiClient):
    def __init__(self, configuration: Configuration, wire: _OverSession) -> None:
        self._wire = wire
        super().__init__(configuration)

    def _build_rest_client(self) -> _OverSession:
        return self._wire
