"""CloudWatch is sent to: groups and streams are made, each answer has its meaning."""

import asyncio
import json
import time
from itertools import pairwise

import pytest

from aggregator.sinks.cloudwatch.groups import SPACING_SECONDS, Groups
from tests.aggregator.sinks.batches import fresh
from tests.aggregator.sinks.to_cloudwatch import batch_for, operations, send, sink_to
from tests.fakes.cloudwatch_front import aws_error
from tests.fakes.script import Answer, Endless, Hang, MaxBytes, Recorded, Redirect, Reset, Rubbish
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, UnauthorizedError

HOUR_NS = 3600 * 10**9

pytestmark = pytest.mark.usefixtures("aws_environment")


async def test_a_missing_group_and_stream_are_made_once(front, session):
    sink = sink_to(front, session, retention_days=14)
    await send(sink, fresh([b"one", b"two"]))
    await send(sink, fresh([b"three"]))
    assert front.messages == ["one", "two", "three"]
    assert front.retention == {"/eks/shop/web": 14}
    assert operations(front) == [
        *("PutLogEvents", "CreateLogStream", "CreateLogGroup", "PutRetentionPolicy", "CreateLogStream"),
        *("PutLogEvents", "PutLogEvents"),
    ]


async def test_a_group_that_exists_only_gets_its_stream(front, session):
    await send(sink_to(front, session), fresh([b"one"]))
    front.requests.clear()
    await send(sink_to(front, session, log_stream="other"), fresh([b"two"]))
    assert operations(front) == ["PutLogEvents", "CreateLogStream", "PutLogEvents"]
    assert set(front.accepted) == {("/eks/shop/web", "web/agg-0"), ("/eks/shop/web", "other")}


async def test_where_creating_is_not_allowed_a_missing_group_waits_for_somebody(front, session):
    with pytest.raises(RetryableError, match=r"ResourceNotFoundException.*Create it, or set create: true"):
        await send(sink_to(front, session, create=False), fresh([b"one"]))
    assert operations(front) == ["PutLogEvents"]


async def test_two_batches_that_miss_the_same_stream_make_it_once(front, session):
    sink = sink_to(front, session)
    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(send(sink, fresh([b"line %d" % number])))
    assert sorted(front.messages) == ["line 0", "line 1", "line 2", "line 3"]
    assert operations(front).count("CreateLogGroup") == 1


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (aws_error("ThrottlingException", "Rate exceeded"), RetryableError),
        (aws_error("ServiceUnavailableException"), RetryableError),
        (aws_error("com.amazonaws.logs#ThrottlingException"), RetryableError),
        (aws_error("OperationAbortedException"), RetryableError),
        (aws_error("SomethingNewException"), RetryableError),
        (aws_error("InvalidParameterException", "bad"), RejectedError),
        (aws_error("SerializationException", "bad"), RejectedError),
        (aws_error("InvalidParameterException", "Upload too large: 1 bytes"), TooLargeError),
        (aws_error("AccessDeniedException"), UnauthorizedError),
        (aws_error("UnrecognizedClientException"), UnauthorizedError),
        (aws_error("ExpiredTokenException"), UnauthorizedError),
        (Answer(403, {"x-amzn-ErrorType": "AccessDeniedException:http://aws"}, ""), UnauthorizedError),
        (Answer(403, {}, ""), UnauthorizedError),
        (Answer(429, {}, ""), RetryableError),
        (Answer(500, {}, "oops"), RetryableError),
        (Answer(200, {"Content-Type": "text/html"}, "<html>please log in"), RetryableError),
        (Answer(413, {}, ""), TooLargeError),
        (Endless(size_bytes=4 << 20), RetryableError),
        (Redirect("http://127.0.0.1:1/"), RetryableError),
        (Rubbish(), RetryableError),
        (Reset(), RetryableError),
    ],
)
async def test_each_answer_has_its_meaning(front, session, behaviour, error):
    front.play(then=behaviour)
    with pytest.raises(error):
        await send(sink_to(front, session), fresh([b"x"]))
    assert front.entries == []


async def test_a_service_that_never_answers_is_left_after_the_time_out(front, session):
    front.play(Hang())
    with pytest.raises(RetryableError, match=r"within 0\.2 seconds"):
        await send(sink_to(front, session, timeout_seconds=0.2), fresh([b"x"]))


async def test_what_cloudwatch_throws_away_behind_a_200_is_refused_by_name(front, session):
    now = time.time_ns()
    sink = sink_to(front, session, retention_days=7)
    ahead = fresh([b"ahead 1", b"ahead 2"], read_unix_ns=now + 3 * HOUR_NS)
    expired, old = (
        fresh([name], read_unix_ns=now - days * 24 * HOUR_NS) for name, days in ((b"expired", 8), (b"old", 15))
    )
    receipt = await send(sink, ahead, expired, fresh([b"kept"]), old)
    assert front.messages == ["kept"]
    assert sorted((one.index, one.reason, one.keep) for one in receipt.refusals) == [
        *((0, "too_new", True), (1, "too_new", True)),
        *((2, "expired", True), (4, "too_old", True)),
    ]


async def test_a_retry_goes_on_after_the_calls_that_were_answered(front, session):
    now = time.time_ns()
    sink = sink_to(front, session)
    batch = batch_for(sink, fresh([b"late"]), fresh([b"early"], read_unix_ns=now - 48 * HOUR_NS))
    payload = sink.encode(batch)
    front.play(None, None, Answer(500), Answer(500))  # miss, made, and then the second call fails
    for _ in range(2):
        with pytest.raises(RetryableError):
            await sink.send(batch, payload)
    await sink.send(batch, payload)
    assert front.messages == ["early", "late"]


async def test_a_lost_answer_is_retryable(front, session):
    await send(sink_to(front, session), fresh([b"first"]))
    front.play(Recorded("cut"))
    with pytest.raises(RetryableError):
        await send(sink_to(front, session), fresh([b"x"]))
    front.play(then=MaxBytes(100))
    with pytest.raises(TooLargeError):
        await send(sink_to(front, session), fresh([b"x" * 200]))


async def test_creation_is_spaced_out():
    class Calls:
        async def call(self, operation, body):
            asked.append((operation, json.loads(body.content), now))

    asked, now = [], 100.0

    async def sleep(seconds):
        nonlocal now
        now += seconds

    groups = Groups(Calls(), 0, lambda: now, sleep)
    for number in range(5):
        await groups.make("g", str(number), now)
    times = [at for *_, at in asked]
    assert [round(after - before, 6) for before, after in pairwise(times)] == [SPACING_SECONDS] * 4
