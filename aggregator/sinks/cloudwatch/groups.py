"""Makes log groups and streams that turn out not to exist: one at a time, within the quota.

Room: aggregator sinks. Never enters: log lines.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import orjson
import structlog

from aggregator.sinks.cloudwatch.calls import LogsCalls, ServiceError
from aggregator.sinks.cloudwatch.payload import Body
from towline.plumbing.errors import RetryableError

SPACING_SECONDS = 0.025  # CreateLogStream allows 50 a second per account; other aggregators want some of it

_log = structlog.get_logger()


class Groups:
    """What is missing is made once, however many batches wait for it."""

    def __init__(
        self,
        calls: LogsCalls,
        retention_days: int,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._calls = calls
        self._retention_days = retention_days
        self._clock = clock
        self._sleep = sleep
        self._lock = asyncio.Lock()
        self._made: dict[tuple[str, str], float] = {}
        self._next_at = 0.0

    async def make(self, group: str, stream: str, missing_since: float) -> None:
        """Return once group and stream exist; at once where they were made after `missing_since` (when the caller missed them)."""
        async with self._lock:
            if self._made.get((group, stream), -1.0) >= missing_since:
                return
            try:
                await self._create("CreateLogStream", group, logStreamName=stream)
            except ServiceError as error:
                if error.kind != "ResourceNotFoundException":
                    raise RetryableError(str(error)) from error
                await self._make_group(group)
                await self._create("CreateLogStream", group, logStreamName=stream)
            self._made = {**self._made, (group, stream): self._clock()} if len(self._made) < 10_000 else {}
        _log.info("log_stream_created", group=group, stream=stream)

    async def _make_group(self, group: str) -> None:
        await self._create("CreateLogGroup", group)
        if self._retention_days:
            await self._create("PutRetentionPolicy", group, retentionInDays=self._retention_days)
        _log.info("log_group_created", group=group, retention_days=self._retention_days)

    async def _create(self, operation: str, group: str, **form: object) -> None:
        now = self._clock()
        if now < self._next_at:
            await self._sleep(self._next_at - now)
        self._next_at = max(now, self._next_at) + SPACING_SECONDS
        try:
            await self._calls.call(operation, Body.of(orjson.dumps({"logGroupName": group, **form})))
        except ServiceError as error:
            if error.kind != "ResourceAlreadyExistsException":
                raise
