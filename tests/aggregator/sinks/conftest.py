"""What sinks are tested against: their counterparts on loopback, and a client session."""

import asyncio

import aiohttp
import pytest

from tests.aggregator.sinks.to_file import again
from tests.fakes.cloudwatch_front import CloudWatchFront, Credentials, FrontOptions, MotoThread
from tests.fakes.datadog_intake import DatadogIntake


@pytest.fixture(scope="session")
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


@pytest.fixture
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


@pytest.fixture
async def intake():
    async with DatadogIntake() as intake:
        yield intake


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "key"
    path.write_text("test-api-key\n")
    return path


@pytest.fixture
async def sink(tmp_path):
    """A file sink that writes below the test's folder."""
    sink = again(tmp_path)
    yield sink
    await sink.close()
