import pytest

from collector.checkpoint import CheckpointFile
from collector.keeper import SAVE_SECONDS, Keeper
from tests.fakes.dict_journal import DictJournal
from tests.fakes.pod import custody_of


@pytest.fixture
def custody():
    return custody_of(DictJournal("J1"), "a")


@pytest.fixture
def file(tmp_path):
    return CheckpointFile(tmp_path / "state")


def delivered(custody, offset):
    stream = custody.streams["a"]
    stream.held[0].stored = offset
    stream.moved(0, offset)


async def test_a_change_is_saved_and_found_by_the_next_life(file, custody):
    delivered(custody, 5)
    await Keeper(file).save(custody, "10.0.0.1", 0.0)
    found = Keeper(file).load()
    assert (found.journal, found.peer, found.delivered[0].delivered) == ("J1", "10.0.0.1", 5)


async def test_it_is_saved_at_most_every_5_seconds(file, custody):
    keeper, saved = Keeper(file), []
    for tenths in range(0, 200, 5):
        delivered(custody, tenths + 1)
        await keeper.save_if_due(custody, "p", tenths / 10)
        if (found := file.load().delivered[0].delivered) not in saved:
            saved.append(found)
    assert (saved, SAVE_SECONDS) == ([1, 51, 101, 151], 5.0)


async def test_what_did_not_change_is_not_written_again(file, custody, tmp_path):
    keeper = Keeper(file)
    await keeper.save(custody, "p", 0.0)
    (tmp_path / "state" / "checkpoint.json").unlink()
    await keeper.save(custody, "p", 100.0)
    assert file.load() is None
    await keeper.save(custody, "another peer", 100.0)
    assert file.load().peer == "another peer"


async def test_one_that_could_not_be_written_is_counted_and_tried_again_later(file, custody, tmp_path):
    keeper = Keeper(file)
    (tmp_path / "state").write_text("no folder")
    for now in (0.0, 1.0, 4.9, 5.0):
        await keeper.save_if_due(custody, "p", now)
    assert keeper.failures == 2
    (tmp_path / "state").unlink()
    await keeper.save_if_due(custody, "p", 10.0)
    assert (file.load().journal, keeper.failures) == ("J1", 2)
