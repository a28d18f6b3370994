"""Sends one part of a batch, once: encodes it, waits for the answer, translates what should never be raised.

Room: aggregator, forwarder. Never enters: retries, settling.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

import structlog

from aggregator.forwarder.desk import Desk
from aggregator.forwarder.state import place_of
from towline.plumbing.errors import RejectedError, RetryableError, TowlineError
from towline.plumbing.kill_points import kill_point

log = structlog.get_logger()


class Sized(Protocol):
    """What can be sent: so many records, of so many bytes."""

    def __len__(self) -> int: ...

    @property
    def size_bytes(self) -> int: ...


SizedT = TypeVar("SizedT", bound=Sized)
AnswerT = TypeVar("AnswerT")


class UnencodableError(RejectedError):
    """The sink's own encoding failed: a fault of ours, which must not stop the lines around it."""


class Sender(Generic[SizedT, AnswerT]):
    """Keeps the payload of the last part, so that every attempt sends the same one."""

    def __init__(
        self, desk: Desk[Any], encode: Callable[[SizedT], Any], send: Callable[[SizedT, Any], Awaitable[AnswerT]]
    ) -> None:
        self._desk = desk
        self._encode_part, self._send_part = encode, send
        self._encoded: tuple[SizedT, Any] | None = None

    async def send(self, part: SizedT) -> AnswerT:
        """Send once. Raises what the sink raises; what it should never raise becomes a RetryableError."""
        payload = await self._encode(part)
        try:
            async with asyncio.timeout(self._desk.timing.send_timeout_seconds):
                answer = await self._send_part(part, payload)
        except (TowlineError, TimeoutError):
            raise
        except Exception as error:
            # Only the place: an exception's own text may quote the line.
            log.error("sink_failed_unexpectedly", sink=self._desk.name, error=place_of(error))  # noqa: TRY400
            raise RetryableError(f"unexpected {place_of(error)}") from error
        kill_point("forwarder.after_2xx")
        return answer

    def forget(self) -> None:
        """Let the payload go."""
        self._encoded = None

    async def _encode(self, part: SizedT) -> Any:
        """The payload of `part`, made once for all its attempts."""
        if self._encoded is None or self._encoded[0] is not part:
            try:
                payload = await self._desk.opener.compute(part.size_bytes, lambda: self._encode_part(part))
            except TowlineError:
                raise
            except Exception as error:
                log.error("batch_not_encoded", sink=self._desk.name, records=len(part), error=place_of(error))  # noqa: TRY400 - as in send
                raise UnencodableError(place_of(error)) from error
            self._encoded = (part, payload)
        return self._encoded[1]
