"""Puts log events: every call of a payload in turn; what is missing is made, what CloudWatch threw away is told.

Room: aggregator sinks. Never enters: what an event holds, retries.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from aggregator.sink import Refusal
from aggregator.sinks.cloudwatch.calls import NO_HEADERS, LogsCalls, ServiceError
from aggregator.sinks.cloudwatch.groups import Groups
from aggregator.sinks.cloudwatch.payload import Body, CloudWatchPayload, PutRequest
from towline.plumbing.errors import RetryableError, UnauthorizedError

_MISSING = "ResourceNotFoundException"


class EventPutter:
    """`creates`: log groups and streams that turn out not to exist are made."""

    def __init__(
        self, calls: LogsCalls, groups: Groups, *, creates: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._calls = calls
        self._groups = groups
        self._creates = creates
        self._clock = clock

    async def put_all(self, payload: CloudWatchPayload, headers: Mapping[str, str] = NO_HEADERS) -> list[Refusal]:
        """What CloudWatch refused for good: too_old, expired, too_new. A retry with the same payload goes on with the first call that was not answered."""
        while payload.sent < len(payload.requests):
            request = payload.requests[payload.sent]
            answer = await self._put(payload, request, headers)
            payload.refusals += _refusals(answer.get("rejectedLogEventsInfo"), request)
            payload.sent += 1
        return list({one.index: one for one in payload.refusals}.values())

    async def prove(self) -> None:
        """Proves address, clock and credentials with a call that needs no particular log group. A role that may not make it is fine."""
        try:
            await self._calls.call("DescribeLogGroups", Body.of(b'{"limit":1}'))
        except UnauthorizedError as error:
            if "AccessDenied" not in str(error):
                raise

    async def _put(self, payload: CloudWatchPayload, request: PutRequest, headers: Mapping[str, str]) -> dict[str, Any]:
        started = self._clock()
        try:
            return await self._calls.call("PutLogEvents", request.body, headers)
        except ServiceError as error:
            if error.kind != _MISSING or not self._creates:
                fix = "Create it, or set create: true" if error.kind == _MISSING else "Look at its state in AWS"
                raise RetryableError(f"log group or stream: {error}. {fix}") from error
        await self._groups.make(payload.group, payload.stream, started)
        try:
            return await self._calls.call("PutLogEvents", request.body, headers)
        except ServiceError as error:
            raise RetryableError(f"log group or stream: {error}. It was made just now") from error


def _refusals(rejected: dict[str, int] | None, request: PutRequest) -> list[Refusal]:
    """What CloudWatch took with a 200 and threw away: kept as dead letters, for it will not take them later either."""
    if not rejected:
        return []
    events = sum(map(len, request.indexes))
    old, expired = rejected.get("tooOldLogEventEndIndex") or 0, rejected.get("expiredLogEventEndIndex") or 0
    new = rejected.get("tooNewLogEventStartIndex")
    named = dict.fromkeys(request.lines(events if new is None else new, events), "too_new")
    named |= dict.fromkeys(request.lines(0, expired), "expired")
    named |= dict.fromkeys(request.lines(0, old), "too_old")
    return [Refusal(index, reason) for index, reason in named.items()]
