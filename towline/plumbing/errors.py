"""Errors, typed by what the caller does next.

Room: plumbing. Never enters: any vendor's exception; the edge that meets one translates it.
"""


class TowlineError(Exception):
    """Everything Towline raises on purpose."""


class ConfigError(TowlineError):
    """Stop at start. The message names the file, the key, the problem and the fix."""


class SecretAbsentError(ConfigError):
    """A ConfigError that only says that a secret is not on this machine: whoever checks a file for another machine may go on."""


class RetryableError(TowlineError):
    """The same bytes may pass later, not before `retry_after_seconds`."""

    def __init__(self, message: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class TooLargeError(TowlineError):
    """Halve it and send the halves."""


class RejectedError(TowlineError):
    """Something in it is poison: bisect."""


class UnauthorizedError(TowlineError):
    """Hold the lane and alarm; nothing is dropped."""
