"""AWS credentials and signatures by botocore, without a single provider that asks a link-local address.

Room: aggregator sinks. Never enters: what is signed. Finding and refreshing credentials blocks (files, STS) and is done in a thread.
Imported only where a sink is built that signs: botocore takes 15 MB.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import CredentialResolver, ReadOnlyCredentials, create_credential_resolver
from botocore.exceptions import BotoCoreError, ClientError
from botocore.session import Session

from towline.plumbing.errors import ConfigError, RetryableError, UnauthorizedError
from towline.plumbing.place import Place

# IRSA, the environment, and the files that people mount. What is not named asks instance or container metadata, or may be told to
# by a profile (assume-role's credential_source).
_PROVIDERS = ("env", "assume-role-with-web-identity", "shared-credentials-file", "config-file")

# Whoever waits tries again: botocore's own patience (5 attempts of 60 seconds) would only hold its thread.
_STS_CONFIG = Config(connect_timeout=5, read_timeout=5, retries={"max_attempts": 0})
FRESH_SECONDS = 60.0  # credentials are looked at again this often; botocore renews them 10 minutes before they end


class Scope(NamedTuple):
    """Where a signature holds."""

    region: str
    service: str


def region_of(configured: str, place: Place) -> str:
    """The region that is configured, else the environment's. Raises ConfigError where there is none; `place` is the option's."""
    region = configured or os.environ.get("AWS_REGION", "") or os.environ.get("AWS_DEFAULT_REGION", "")
    if not region:
        raise ConfigError(place.says("is missing. Write the region's name, or set AWS_REGION"))
    return region


class CredentialSource:
    """Finds credentials once and keeps them fresh; a web identity token is read again from its file at each refresh."""

    def __init__(self, region: str) -> None:
        self._region = region
        self._found: Any = None

    def fetch(self) -> ReadOnlyCredentials:
        """Valid credentials; refreshed where they end within some 10 minutes. Blocks.

        Raises UnauthorizedError where there are none or AWS refuses them, RetryableError where STS cannot be asked.
        """
        try:
            if self._found is None:
                self._found = self._resolver().load_credentials()
            if self._found is not None:
                return self._found.get_frozen_credentials()
        except ClientError as error:
            self._found = None
            raise _translated(error) from error
        except (BotoCoreError, OSError, RuntimeError) as error:  # RuntimeError: still expired after a refresh
            self._found = None
            raise RetryableError(f"AWS credentials cannot be fetched: {type(error).__name__}") from error
        raise UnauthorizedError(
            "there are no AWS credentials. Annotate the service account for IRSA, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )

    def forget(self) -> None:
        """The next fetch starts anew: AWS says that what was fetched is no longer good."""
        self._found = None

    def _resolver(self) -> CredentialResolver:
        os.environ["AWS_EC2_METADATA_DISABLED"] = "true"  # whatever else of botocore may want to ask
        session = Session()
        session.set_config_variable("region", self._region)
        session.set_default_client_config(_STS_CONFIG)
        chain = create_credential_resolver(session, region_name=self._region)
        return CredentialResolver([one for one in chain.providers if one.METHOD in _PROVIDERS])


class BotoSigner:
    """Signs requests to one service in one region."""

    def __init__(self, source: CredentialSource, scope: Scope, clock: Callable[[], float] = time.monotonic) -> None:
        self._source = source
        self._scope = scope
        self._clock = clock
        self._credentials: ReadOnlyCredentials | None = None
        self._fetched_at = 0.0
        self._lock = asyncio.Lock()
        # One thread of its own: where STS hangs, whoever gave up waiting must not leave one of the encoders' behind.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="aws-credentials")

    async def sign(self, url: str, headers: Mapping[str, str], sha256: str) -> tuple[dict[str, str], str]:
        """The headers to send, and the key they were signed with. Raises UnauthorizedError, RetryableError."""
        credentials = await self._fresh()
        request = AWSRequest(method="POST", url=url, headers=headers)
        _DigestSigner(credentials, self._scope, sha256).add_auth(request)
        return dict(request.headers.items()), credentials.access_key

    async def renew(self, refused_key: str) -> bool:
        """Whether there are other credentials than those that were refused. Raises UnauthorizedError, RetryableError."""
        if self._credentials is not None and self._credentials.access_key == refused_key:
            self._credentials = None
            self._source.forget()
        return bool((await self._fresh()).access_key != refused_key)

    async def _fresh(self) -> ReadOnlyCredentials:
        async with self._lock:
            if self._credentials is None or self._clock() - self._fetched_at >= FRESH_SECONDS:
                self._credentials = await asyncio.get_running_loop().run_in_executor(self._thread, self._source.fetch)
                self._fetched_at = self._clock()
            return self._credentials


class _DigestSigner(SigV4Auth):  # type: ignore[misc]  # botocore ships no types
    """Signature Version 4 with the body's digest already known: a batch is hashed once, not once per attempt."""

    def __init__(self, credentials: ReadOnlyCredentials, scope: Scope, sha256: str) -> None:
        super().__init__(credentials, scope.service, scope.region)
        self._sha256 = sha256

    def payload(self, request: AWSRequest) -> str:  # noqa: ARG002 - botocore's signature
        return self._sha256


def _translated(error: ClientError) -> Exception:
    """What STS said: a refusal, or trouble of its own."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = error.response.get("Error", {}).get("Code", "unknown")
    if status >= 500 or status == 429 or "Throttl" in code:
        return RetryableError(f"STS answered {code}")
    return UnauthorizedError(f"STS refuses the web identity: {code}. Check the role's trust policy and its ARN")
