import os
import time

import pytest

from collector.sources import statx


@pytest.fixture
def folder(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY)
    yield fd
    os.close(fd)


def test_a_file_is_born_once_and_by_name_and_by_descriptor_alike(tmp_path, folder):
    path = tmp_path / "x.log"
    path.write_bytes(b"one")
    inode, born = statx.birth_by_name(folder, "x.log")
    if born is None:
        pytest.skip("this file system keeps no birth times")
    path.write_bytes(b"two")
    with path.open("rb") as file:
        assert (inode, born) == (path.stat().st_ino, statx.birth_of(file.fileno()))
    assert abs(time.time_ns() - born) < 60_000_000_000


def test_a_link_is_looked_at_and_not_followed(tmp_path, folder):
    (tmp_path / "x.log").write_bytes(b"one")
    (tmp_path / "link").symlink_to("x.log")
    assert statx.birth_by_name(folder, "link")[0] == (tmp_path / "link").lstat().st_ino


def test_a_name_that_is_gone_is_an_error(folder):
    with pytest.raises(FileNotFoundError):
        statx.birth_by_name(folder, "nothing")


def test_without_statx_the_inode_is_all_there_is(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(statx, "_statx", lambda: None)
    (tmp_path / "x.log").write_bytes(b"one")
    assert statx.birth_by_name(folder, "x.log") == ((tmp_path / "x.log").stat().st_ino, None)
    with (tmp_path / "x.log").open("rb") as file:
        assert statx.birth_of(file.fileno()) is None
