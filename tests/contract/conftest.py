"""What the counterparts are tested with: a real client, and an intake that behaves."""

import aiohttp
import pytest

from tests.fakes.datadog_intake import DatadogIntake


@pytest.fixture
async def client():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def intake():
    async with DatadogIntake() as server:
        yield server
