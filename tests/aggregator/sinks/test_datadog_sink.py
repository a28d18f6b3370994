"""Datadog is sent to: in each encoding, and each answer has its meaning."""

import asyncio
import email.utils
import os
import time

import pytest

from aggregator.sink import Receipt
from aggregator.sinks.posting import MAX_ANSWER_BYTES, retry_after_seconds
from tests.aggregator.sinks.batches import batch_of, fresh
from tests.aggregator.sinks.looked_into import events
from tests.aggregator.sinks.to_datadog import send, sink_to
from tests.fakes.datadog_intake import DatadogIntake, IntakeOptions
from tests.fakes.script import Answer, Endless, HalfRead, Hang, MaxBytes, Redirect, Reset, Rubbish, Script
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, UnauthorizedError

HOUR_NS = 3600 * 10**9


@pytest.mark.parametrize("compression", ["zstd", "gzip", "identity"])
async def test_a_batch_arrives_in_each_encoding(intake, session, key_file, compression):
    sink = sink_to(intake, session, key_file, compression=compression)
    receipt = await send(sink, batch_of(fresh([b"one", b"two"])))
    assert (intake.messages, receipt) == (["one", "two"], Receipt())
    assert intake.requests[0].headers.get("content-encoding", "identity") == compression


async def test_a_body_above_a_megabyte_goes_out_uncompressed_if_so_configured(intake, session, key_file):
    await send(
        sink_to(intake, session, key_file, compression="identity"),
        batch_of(fresh([os.urandom(500).hex().encode()] * 1000)),
    )
    assert len(intake.messages) == 1000


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (Answer(413), TooLargeError),
        (Answer(400), RejectedError),
        (Answer(401), RetryableError),  # the key check passes: the key was changed meanwhile
        (Answer(408), RetryableError),
        (Answer(429), RetryableError),
        (Answer(500), RetryableError),
        (Answer(404), RetryableError),
        (Answer(200, {"Content-Type": "text/html"}, "<html>please log in"), RetryableError),
        (Endless(size_bytes=4 << 20), RetryableError),
        (Redirect("http://127.0.0.1:1/"), RetryableError),
        (Rubbish(), RetryableError),
        (Reset(), RetryableError),
        (HalfRead(16), RetryableError),
    ],
)
async def test_each_answer_has_its_meaning(intake, session, key_file, behaviour, error):
    intake.play(then=behaviour)
    with pytest.raises(error):
        await send(sink_to(intake, session, key_file), batch_of(fresh([b"x"])))
    assert intake.entries == []


async def test_a_server_that_never_answers_is_left_after_the_time_out(intake, session, key_file):
    intake.play(Hang())
    with pytest.raises(RetryableError, match=r"within 0\.2 seconds"):
        await send(sink_to(intake, session, key_file, timeout_seconds=0.2), batch_of(fresh([b"x"])))


async def test_nobody_listening_is_retryable(session, key_file):
    async with DatadogIntake() as gone:
        sink = sink_to(gone, session, key_file)
    with pytest.raises(RetryableError, match="no answer"):
        await send(sink, batch_of(fresh([b"x"])))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"X-RateLimit-Reset": "9"}, 9.0),
        ({"Retry-After": email.utils.formatdate(1060, usegmt=True)}, 60.0),
        ({"Retry-After": "soon"}, 0.0),
        ({"Retry-After": "-5"}, 0.0),
        ({"Retry-After": "nan"}, 0.0),
        ({"Retry-After": "1e99"}, 3600.0),
        ({}, 0.0),
    ],
)
def test_what_a_server_asks_to_wait(headers, seconds):
    assert retry_after_seconds(headers, now_unix_seconds=1000.0) == seconds


async def test_a_busy_intake_says_how_long_to_wait(intake, session, key_file):
    intake.play(Answer(429, {"Retry-After": "7"}))
    with pytest.raises(RetryableError) as caught:
        await send(sink_to(intake, session, key_file), batch_of(fresh([b"x"])))
    assert caught.value.retry_after_seconds == 7.0


async def test_a_wrong_key_holds_the_lane_and_a_new_file_releases_it(intake, session, key_file):
    sink = sink_to(intake, session, key_file)
    intake.api_key = "rotated"
    with pytest.raises(UnauthorizedError) as caught:
        await send(sink, batch_of(fresh([b"x"])))
    assert "test-api-key" not in str(caught.value)
    with pytest.raises(UnauthorizedError):
        await sink.healthcheck()
    key_file.write_text("rotated")
    await sink.healthcheck()
    await send(sink, batch_of(fresh([b"x"])))
    assert intake.messages == ["x"]


async def test_a_key_rotated_between_two_requests_is_tried_again(intake, session, key_file):
    sink = sink_to(intake, session, key_file)
    intake.play(Answer(403))
    with pytest.raises(RetryableError, match="403"):
        await send(sink, batch_of(fresh([b"x"])))


async def test_a_refused_key_holds_the_lane_though_the_key_check_fails(intake, session, key_file):
    sink = sink_to(intake, session, key_file)
    intake.play(Answer(403))
    intake.validate_script = Script(then=Answer(503))
    with pytest.raises(UnauthorizedError):
        await send(sink, batch_of(fresh([b"x"])))


@pytest.mark.parametrize(
    "behaviour", [Answer(500), Answer(200, {}, "not json"), Answer(200, {}, '{"valid": 7}'), Reset()]
)
async def test_a_key_check_that_says_nothing_of_the_key_is_retryable(intake, session, key_file, behaviour):
    intake.validate_script = Script(then=behaviour)
    with pytest.raises(RetryableError):
        await sink_to(intake, session, key_file).healthcheck()


async def test_an_intake_without_zstd_gets_gzip_from_then_on(session, key_file):
    async with DatadogIntake(IntakeOptions(encodings=frozenset({"gzip", "identity"}))) as intake:
        sink = sink_to(intake, session, key_file)
        early = batch_of(fresh([b"encoded before"]))
        payload = sink.encode(early)
        await send(sink, batch_of(fresh([b"first"])))
        await sink.send(early, payload)
        await send(sink, batch_of(fresh([b"second"])))
        assert intake.messages == ["first", "encoded before", "second"]
        assert [one.status for one in intake.requests] == [415, 202, 202, 202]


async def test_a_400_for_poison_does_not_end_zstd(intake, session, key_file):
    sink = sink_to(intake, session, key_file)
    intake.play(Answer(400), Answer(400))
    with pytest.raises(RejectedError):
        await send(sink, batch_of(fresh([b"poison"])))
    await send(sink, batch_of(fresh([b"good"])))
    intake.play(Answer(400))
    with pytest.raises(RejectedError):
        await send(sink, batch_of(fresh([b"poison"])))
    assert [one.headers["content-encoding"] for one in intake.requests] == ["zstd", "gzip", "zstd", "zstd"]


async def test_lines_that_datadog_would_drop_for_their_age_are_refused_here(intake, session, key_file):
    now = time.time_ns()
    old = fresh([b"old 1", b"old 2"], read_unix_ns=now - 19 * HOUR_NS)
    new = fresh([b"ahead"], read_unix_ns=now + 3 * HOUR_NS)
    receipt = await send(sink_to(intake, session, key_file), batch_of(old, fresh([b"kept", b"x" * 1_100_000]), new))
    assert [message[:4] for message in intake.messages] == ["kept", "xxxx"]
    assert [(one.index, one.reason, one.keep) for one in receipt.refusals] == [
        *((0, "too_old", True), (1, "too_old", True), (4, "too_new", True)),
    ]
    assert receipt.truncated == 1
    assert intake.flagged("too_old") == intake.flagged("too_new") == intake.flagged("truncated") == []


async def test_a_batch_of_nothing_but_old_lines_needs_no_request(intake, session, key_file):
    old = batch_of(fresh([b"old"], read_unix_ns=time.time_ns() - 19 * HOUR_NS))
    assert len((await send(sink_to(intake, session, key_file), old)).refusals) == 1
    assert intake.requests == []


async def test_what_is_too_large_is_not_sent(intake, session, key_file):
    with pytest.raises(TooLargeError):
        await send(sink_to(intake, session, key_file), batch_of(fresh([b"x"] * 1001)))
    intake.play(then=MaxBytes(2000))
    with pytest.raises(TooLargeError):
        await send(sink_to(intake, session, key_file), batch_of(fresh([b"x"] * 10)))
    assert len(intake.requests) == 1


async def test_an_endless_answer_is_read_no_further_than_the_cap(intake, session, key_file):
    intake.play(Endless(size_bytes=1 << 30, status=500))
    async with asyncio.timeout(5):
        with pytest.raises(RetryableError, match="500"):
            await send(sink_to(intake, session, key_file), batch_of(fresh([b"x"])))
    assert MAX_ANSWER_BYTES < 1 << 20


async def test_a_line_that_is_cut_to_fit_is_delivered_and_counted_apart(intake, session, key_file):
    receipt = await send(sink_to(intake, session, key_file), batch_of(fresh([b"short", b"x" * 1_100_000])))
    assert (len(intake.messages), receipt.truncated, receipt.refusals) == (2, 1, ())


async def test_events_are_too_old_by_the_time_that_they_are_sent_with(intake, session, key_file):
    read = time.time_ns() - 10 * HOUR_NS
    said = [{"message": "10 h"}, {"message": "22 h"}, {"message": "50 h, so the time of reading"}]
    times = [read, read - 12 * HOUR_NS, read - 40 * HOUR_NS]
    receipt = await send(
        sink_to(intake, session, key_file), batch_of(events(*said, times=times, read_unix_ns=read, is_source=True))
    )
    assert [(one.index, one.reason) for one in receipt.refusals] == [(1, "too_old")]
    assert intake.messages == ["10 h", "50 h, so the time of reading"]
    assert intake.flagged("too_old") == []
