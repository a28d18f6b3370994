"""Configurations that change while a service runs."""

import asyncio
import contextlib
import os
import signal

import pytest

from towline.plumbing import reloading as module
from towline.plumbing.errors import ConfigError
from towline.plumbing.reloading import Reloading


class Service:
    """What goes on with one configuration after another. `says` is what the file holds."""

    def __init__(self, folder):
        self.file = folder / "x.yaml"
        self.file.write_text("a")
        self.ran_with = ["a"]
        self.reloading = Reloading("a", self.load, self.apply, lambda: [self.file])

    def load(self):
        said = self.file.read_text()
        if said == "bad":
            raise ConfigError("x.yaml: is bad. Make it good")
        return said

    async def apply(self, config):
        if config == "impossible":
            raise ConfigError("x.yaml: cannot be had. Choose another")
        self.ran_with.append(config)


@pytest.fixture
def service(tmp_path):
    return Service(tmp_path)


@contextlib.asynccontextmanager
async def running(service):
    task = asyncio.get_running_loop().create_task(service.reloading.run())
    await asyncio.sleep(0)
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def applied(service, count):
    async with asyncio.timeout(10):
        while len(service.ran_with) < count:  # noqa: ASYNC110 - the file system tells nobody
            await asyncio.sleep(0.005)


async def test_a_good_configuration_takes_the_place_of_the_old_one(service):
    service.file.write_text("b")
    assert await service.reloading.reload() == "applied"
    assert service.ran_with == ["a", "b"]
    assert (service.reloading.state.generation, service.reloading.state.error) == (2, "")


async def test_one_that_says_the_same_changes_nothing(service):
    os.utime(service.file)
    assert await service.reloading.reload() == "unchanged"
    assert service.ran_with == ["a"]


@pytest.mark.parametrize(
    ("said", "error"),
    [("bad", "x.yaml: is bad. Make it good"), ("impossible", "x.yaml: cannot be had. Choose another")],
)
async def test_one_that_is_refused_leaves_the_old_one_and_says_why_until_a_good_one_comes(service, said, error):
    service.file.write_text(said)
    assert await service.reloading.reload() == "refused"
    state = service.reloading.state
    assert (state.generation, state.refused, state.error) == (1, 1, error)
    service.file.write_text("a")
    assert await service.reloading.reload() == "unchanged"
    assert service.reloading.state.error == ""
    assert service.reloading.state.refused == 1


async def test_whoever_asks_is_told_what_came_of_it(service):
    async with running(service):
        service.file.write_text("b")
        assert await service.reloading.ask() == "applied"
        service.file.write_text("bad")
        assert await service.reloading.ask() == "refused"


async def test_whoever_asked_may_leave_before_it_is_done(service):
    async with running(service):
        service.file.write_text("b")
        service.reloading.ask().cancel()
        await applied(service, 2)
        assert await service.reloading.ask() == "unchanged"


async def test_sighup_asks(service):
    async with running(service):
        service.file.write_text("b")
        os.kill(os.getpid(), signal.SIGHUP)
        await applied(service, 2)
    assert service.ran_with == ["a", "b"]


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr(module, "POLL_SECONDS", 0.01)


async def test_a_file_that_was_saved_is_noticed(service, often):
    async with running(service):
        service.file.write_text("bb")
        await applied(service, 2)
    assert service.ran_with == ["a", "bb"]


async def test_a_configmap_whose_data_link_is_swapped_is_noticed(service, often, tmp_path):
    for name, said in (("..1", "a"), ("..2", "c")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.yaml").write_text(said)
    (tmp_path / "..data").symlink_to("..1")
    service.file.unlink()
    service.file.symlink_to("..data/x.yaml")
    service.reloading = Reloading("a", service.load, service.apply, lambda: [service.file])
    async with running(service):
        (tmp_path / "..new").symlink_to("..2")
        (tmp_path / "..new").rename(tmp_path / "..data")
        await applied(service, 2)
    assert service.ran_with == ["a", "c"]


async def test_a_file_that_is_gone_for_a_moment_is_refused_and_read_again_when_it_is_back(service, often):
    service.load = service.reloading._load = lambda: _read(service.file)
    async with running(service):
        service.file.unlink()
        async with asyncio.timeout(10):
            while not service.reloading.state.refused:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.005)
        service.file.write_text("d")
        await applied(service, 2)
    assert service.reloading.state.error == ""


def _read(file):
    try:
        return file.read_text()
    except FileNotFoundError:
        raise ConfigError("x.yaml: there is no such file") from None
