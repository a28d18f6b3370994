import os

import pytest

from collector.checkpoint import Checkpoint, CheckpointFile
from collector.core.custody import Kept

SAVED = Checkpoint(journal="J1", peer="10.0.0.1", delivered=(Kept("a", 0, 5, "p5"), Kept("b", 3, 1 << 40)))


@pytest.fixture
def file(tmp_path):
    return CheckpointFile(tmp_path / "state")


def test_what_was_saved_is_loaded(file):
    file.save(SAVED)
    assert file.load() == SAVED


def test_where_there_is_none_there_is_none(file):
    assert file.load() is None


@pytest.mark.parametrize(
    "spoiled",
    [
        b"",
        b"{",
        b"[]",
        b'{"version": 2}',
        b'{"version": "1"}',
        b'{"version": 1, "peer": "\xff"}',
        b'{"version": 1, "delivered": [["a"]]}',
        b'{"x": ' + b"[" * 100_000,
        b"\0" * 4096,
    ],
)
def test_one_that_cannot_be_read_is_none(file, tmp_path, spoiled):
    file.save(SAVED)
    (tmp_path / "state" / "checkpoint.json").write_bytes(spoiled)
    assert file.load() is None


def test_a_folder_in_its_place_is_none(file, tmp_path):
    (tmp_path / "state" / "checkpoint.json").mkdir(parents=True)
    assert file.load() is None


def test_saving_again_replaces_it_whole(file, tmp_path):
    file.save(SAVED)
    file.save(Checkpoint(journal="J2"))
    assert file.load() == Checkpoint(journal="J2")
    assert os.listdir(tmp_path / "state") == ["checkpoint.json"]  # noqa: PTH208 - names are what is compared


def test_a_save_that_fails_leaves_the_old_one(file, tmp_path):
    file.save(SAVED)
    (tmp_path / "state" / "checkpoint.tmp").mkdir()
    with pytest.raises(OSError, match="checkpoint"):
        file.save(Checkpoint(journal="J2"))
    assert file.load() == SAVED


def test_a_crash_before_the_rename_leaves_the_old_one(file, tmp_path):
    file.save(SAVED)
    (tmp_path / "state" / "checkpoint.tmp").write_bytes(b'{"version": 1, "jour')
    assert file.load() == SAVED
    file.save(Checkpoint(journal="J2"))
    assert file.load() == Checkpoint(journal="J2")


def test_it_is_on_disk_before_its_name_is(file, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (order.append("fsync"), fsync(fd)))
    monkeypatch.setattr(os, "replace", lambda *paths: (order.append("rename"), replace(*paths)))
    file.save(SAVED)
    assert order == ["fsync", "rename", "fsync"]
