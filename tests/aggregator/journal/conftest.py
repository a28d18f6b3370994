"""A journal in a folder of its own, closed however a test ends."""

import pytest

from tests.aggregator.journal.world import Clock, audit, open_journal


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def opened(tmp_path, clock):
    """Opens journals at one path, one after another; the last one is closed at the end."""
    journals = []

    async def open_one(**more):
        if journals:
            await journals[-1].close()
        journals.append(open_journal(tmp_path, clock, **more))
        return journals[-1]

    yield open_one
    for journal in journals:
        await journal.close()
    if journals:
        audit(tmp_path)


@pytest.fixture
async def journal(opened):
    return await opened()
