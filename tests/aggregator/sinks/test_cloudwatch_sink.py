import asyncio
import json
import time
from itertools import pairwise
from types import SimpleNamespace

import aiohttp
import pytest

from aggregator.sinks.cloudwatch.config import CloudWatchConfig
from aggregator.sinks.cloudwatch.credentials import BotoSigner
from aggregator.sinks.cloudwatch.groups import SPACING_SECONDS, Groups
from aggregator.sinks.cloudwatch.sink import CloudWatchSink
from tests.aggregator.sinks.batches import batch_of, piece, surroundings
from tests.fakes.cloudwatch_front import CloudWatchFront, Credentials, FrontOptions, MotoThread, aws_error
from tests.fakes.script import Answer, Endless, Hang, MaxBytes, Recorded, Redirect, Reset, Rubbish, Script
from towline.plumbing.errors import ConfigError, RejectedError, RetryableError, TooLargeError, UnauthorizedError

HOUR_NS = 3600 * 10**9


@pytest.fixture(scope="module")
def moto():
    with MotoThread() as moto:
        yield moto


@pytest.fixture
async def front(moto):
    await asyncio.to_thread(moto.reset)
    async with CloudWatchFront(FrontOptions(moto_url=moto.url)) as front:
        yield front


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(autouse=True)
def aws_environment(monkeypatch, tmp_path):
    """Nothing of this machine's: keys in the environment, no files."""
    for name in (
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_ROLE_ARN",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", Credentials.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", Credentials.secret_key)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


def sink_to(front, session, **options):
    config = CloudWatchConfig(**{"region": "eu-central-1", "endpoint_url": front.url, **options})
    return CloudWatchSink.build(config, surroundings(session))


def batch_for(sink, *pieces):
    first = pieces[0]
    return batch_of(*pieces, key=sink.key(first.pod, first.origin))


def fresh(lines, **more):
    return piece(lines, **{"read_unix_ns": time.time_ns(), **more})


async def send(sink, *pieces):
    batch = batch_for(sink, *pieces)
    return await sink.send(batch, sink.encode(batch))


def operations(front):
    return [one.operation for one in front.requests]


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


async def test_the_health_check_proves_the_credentials(front, session, monkeypatch):
    await sink_to(front, session).healthcheck()
    front.scripts["DescribeLogGroups"] = Script(then=aws_error("AccessDeniedException"))
    await sink_to(front, session).healthcheck()
    front.scripts.clear()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(UnauthorizedError, match="InvalidSignatureException"):
        await sink_to(front, session).healthcheck()


async def test_credentials_that_were_rotated_are_found_after_the_refusal(front, session, monkeypatch):
    sink = sink_to(front, session)
    await send(sink, fresh([b"one"]))
    front.credentials = Credentials("AKIANEW", "new-secret", "new-token")
    with pytest.raises(UnauthorizedError):
        await send(sink, fresh([b"two"]))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANEW")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "new-secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "new-token")
    with pytest.raises(RetryableError, match="the AWS credentials were renewed"):
        await send(sink, fresh([b"two"]))
    await send(sink, fresh([b"two"]))
    assert front.messages == ["one", "two"]


async def test_no_credentials_at_all_hold_the_lane(front, session, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UnauthorizedError, match="there are no AWS credentials"):
        await send(sink_to(front, session), fresh([b"x"]))
    assert front.requests == []


async def test_a_web_identity_becomes_credentials_by_sts_alone(moto, session, monkeypatch, tmp_path):
    """IRSA, as EKS sets it up; moto plays STS and CloudWatch."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    token = tmp_path / "token"
    token.write_text("header.claims.signature")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/towline")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", moto.url)
    await asyncio.to_thread(moto.reset)
    sink = sink_to(SimpleNamespace(url=moto.url), session)
    assert (await send(sink, fresh([b"x"]))).refusals == []


async def test_sts_trouble_is_told_apart_from_a_refusal(front, session, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/towline")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "not-mounted"))
    with pytest.raises(RetryableError, match="AWS credentials cannot be fetched"):
        await send(sink_to(front, session), fresh([b"x"]))


async def test_no_region_is_a_configuration_error(session, monkeypatch):
    with pytest.raises(
        ConfigError, match=r"sinks\.out\.region: is missing\. Write the region's name, or set AWS_REGION"
    ):
        CloudWatchSink.build(CloudWatchConfig(), surroundings(session))
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    CloudWatchSink.build(CloudWatchConfig(), surroundings(session))


@pytest.mark.parametrize(
    ("region", "host"),
    [("eu-west-1", "logs.eu-west-1.amazonaws.com"), ("cn-north-1", "logs.cn-north-1.amazonaws.com.cn")],
)
async def test_a_region_means_its_endpoint(region, host):
    class Session:
        asked = ""

        def request(self, _method, url, **_options):
            self.asked = url
            raise aiohttp.ClientConnectionError

    session = Session()
    with pytest.raises(RetryableError):
        await CloudWatchSink.build(CloudWatchConfig(region=region), surroundings(session)).healthcheck()
    assert session.asked == f"https://{host}/"


async def test_credentials_are_looked_at_again_every_minute():
    class Source:
        fetched = 0

        def fetch(self):
            self.fetched += 1
            return SimpleNamespace(access_key="AK", secret_key="S", token=None)

    source, now = Source(), 0.0
    signer = BotoSigner(source, "eu-west-1", lambda: now)
    for now in (0.0, 59.0, 60.0, 61.0):  # noqa: B007 - the clock reads it
        await signer.sign("https://h/", {}, "0" * 64)
    assert source.fetched == 2


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
