"""A scene of metrics on their way, closed however a test ends."""

import pytest

from tests.aggregator.pointing import Scene


@pytest.fixture
async def scene_of(tmp_path):
    scenes = []

    def make(sink, **more):
        scenes.append(Scene(tmp_path, sink, **more))
        return scenes[-1]

    yield make
    for scene in scenes:
        await scene.journal.close()
