import asyncio
import shutil

import pytest

from collector.sources.inotify import Inotify


@pytest.fixture
def inotify():
    found = Inotify.open()
    if found is None:
        pytest.skip("no inotify here: polling does alone")
    yield found
    found.close()


def watched(inotify, *folders):
    inotify.watch({str(folder): folder.stat().st_ino for folder in folders})


async def woken(inotify, act):
    loop, wake = asyncio.get_running_loop(), asyncio.Event()
    inotify.arm(loop, wake.set)
    act()
    try:
        async with asyncio.timeout(5):
            await wake.wait()
    finally:
        inotify.disarm(loop)


DEEDS = {
    "append": lambda path: path.write_bytes(b"two\n"),
    "create": lambda path: path.with_name("y.log").touch(),
    "rename": lambda path: path.rename(path.with_name("x.log.1")),
    "unlink": lambda path: path.unlink(),
}


@pytest.mark.parametrize("deed", DEEDS)
async def test_whatever_happens_in_a_watched_folder_wakes(inotify, tmp_path, deed):
    path = tmp_path / "x.log"
    path.write_bytes(b"one\n")
    watched(inotify, tmp_path)
    await woken(inotify, lambda: DEEDS[deed](path))


async def test_what_happened_while_disarmed_wakes_once_when_armed(inotify, tmp_path):
    watched(inotify, tmp_path)
    for n in range(100):
        (tmp_path / f"{n}.log").touch()
    await woken(inotify, lambda: None)
    assert not inotify.drain()


def test_nothing_happened_nothing_drained(inotify, tmp_path):
    watched(inotify, tmp_path)
    assert not inotify.drain()
    (tmp_path / "x.log").touch()
    assert inotify.drain()


def test_a_folder_made_anew_is_watched_again(inotify, tmp_path):
    folder = tmp_path / "app"
    folder.mkdir()
    watched(inotify, folder)
    shutil.rmtree(folder)
    folder.mkdir()
    inotify.drain()
    watched(inotify, folder)
    (folder / "x.log").touch()
    assert inotify.drain()


def test_a_folder_no_longer_wanted_is_not_watched(inotify, tmp_path):
    watched(inotify, tmp_path)
    inotify.watch({})
    inotify.drain()
    (tmp_path / "x.log").touch()
    assert not inotify.drain()
    assert inotify.complete


def test_a_folder_that_is_not_there_is_no_failure(inotify, tmp_path):
    inotify.watch({str(tmp_path / "later"): 1})
    assert inotify.complete
