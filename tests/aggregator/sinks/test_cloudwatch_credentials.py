"""Where a CloudWatch sink's credentials and its region come from, and what it says where there are none."""

import asyncio
from types import SimpleNamespace

import aiohttp
import pytest

from aggregator.sinks.aws import BotoSigner, Scope
from aggregator.sinks.cloudwatch.config import CloudWatchConfig
from aggregator.sinks.cloudwatch.sink import CloudWatchSink
from tests.aggregator.sinks.batches import fresh, surroundings
from tests.aggregator.sinks.to_cloudwatch import send, sink_to
from tests.fakes.cloudwatch_front import Credentials, aws_error
from tests.fakes.script import Script
from towline.plumbing.errors import ConfigError, RetryableError, UnauthorizedError

pytestmark = pytest.mark.usefixtures("aws_environment")


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
    signer = BotoSigner(source, Scope("eu-west-1", "logs"), lambda: now)
    for now in (0.0, 59.0, 60.0, 61.0):  # noqa: B007 - the clock reads it
        await signer.sign("https://h/", {}, "0" * 64)
    assert source.fetched == 2
