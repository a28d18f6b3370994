"""Who may ship: everybody who reaches the port, or whoever knows a token.

Room: aggregator, intake. Never enters: what is shipped.
"""

import hmac
from collections.abc import Sequence
from typing import Protocol

from aggregator.config import AuthConfig
from towline.plumbing.place import Place
from towline.plumbing.secret import Secret, read_secret

_MAX_TOKEN_CHARACTERS = 16 * 1024


class Authenticator(Protocol):
    """Decides on the `Authorization` header of a request."""

    def allows(self, authorization: str) -> bool: ...


class Anyone:
    """`auth: {mode: none}`: the network decides."""

    def allows(self, authorization: str) -> bool:  # noqa: ARG002 - nothing it could say matters
        return True


class StaticTokens:
    """`auth: {mode: static_token}`: any of several tokens, read again when their files change, compared in constant time."""

    def __init__(self, tokens: Sequence[Secret]) -> None:
        self._tokens = tokens

    def allows(self, authorization: str) -> bool:
        """True for `Bearer <token>` with a token that is good now."""
        scheme, _, said = authorization.partition(" ")
        if scheme.lower() != "bearer" or len(said) > _MAX_TOKEN_CHARACTERS:
            return False
        given = said.strip().encode(errors="surrogateescape")
        # Every token is compared, whatever the first ones said: time must not tell which one was near.
        good = [hmac.compare_digest(given, token.reveal().encode()) for token in self._tokens]
        return any(good) and bool(given)


def build_authenticator(config: AuthConfig, file: str) -> Authenticator:
    """Raises ConfigError where a token file cannot be used."""
    if config.mode == "none":
        return Anyone()
    place = Place(file, "auth").child("token_files")
    secrets = (read_secret(place.item(index), path) for index, path in enumerate(config.token_files))
    return StaticTokens([secret for secret in secrets if secret is not None])
