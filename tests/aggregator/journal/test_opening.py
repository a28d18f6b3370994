import sqlite3
import subprocess
import sys

import pytest

from aggregator.journal import JournalDownError
from tests.aggregator.journal.world import MAIN, OTHER, done, frame, open_journal, pod, submission, take_all
from towline.plumbing.errors import ConfigError


async def test_a_restart_changes_nothing_that_can_be_seen(opened):
    journal = await opened()
    await journal.append(submission(frame("s1", alias="a"), frame("s2", reason="hole"), debts=(MAIN, OTHER)))
    await journal.append(submission(frame("s3", 0, 96), by=pod(2)))
    await journal.settle(done(await take_all(journal)), memo={"k": "v"}, sink="main")

    async def seen(journal):
        marks = [(await journal.marks(uid)).rows for uid in ("uid-1", "uid-2")]
        owing = {sink: {lane: set(pods) for lane, pods in journal.owing(sink).items()} for sink in ("main", "other")}
        blocks = [await take_all(journal, debt, uid) for debt in (MAIN, OTHER) for uid in ("uid-1", "uid-2")]
        status = journal.status()
        return (
            journal.journal_id,
            marks,
            owing,
            blocks,
            await journal.memo("main"),
            status.sinks,
            status.gaps,
            await journal.moved("uid-1", 0),
        )

    before = await seen(journal)
    assert await seen(await opened()) == before


async def test_the_folder_is_made(tmp_path):
    journal = open_journal(tmp_path / "a" / "b")
    await journal.close()
    assert (tmp_path / "a" / "b" / "journal.db").exists()


def output_of(command):
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


async def test_a_second_process_is_refused_while_the_first_holds_the_journal(journal, tmp_path):
    script = (
        "from pathlib import Path; from tests.aggregator.journal.world import open_journal; import sys\n"
        "try: open_journal(Path(sys.argv[1]))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    said = output_of([sys.executable, "-c", script, str(tmp_path)])
    assert said.startswith("ConfigError")
    assert "another process holds this journal" in said


async def test_a_closed_journal_can_be_opened_again_and_takes_nothing_itself(journal, tmp_path):
    await journal.close()
    with pytest.raises(JournalDownError):
        await journal.append(submission(frame()))
    again = open_journal(tmp_path)
    await again.close()


def refusal(folder):
    with pytest.raises(ConfigError) as caught:
        open_journal(folder)
    return str(caught.value)


async def test_a_journal_of_a_newer_version_is_refused_and_left_alone(journal, tmp_path):
    await journal.append(submission(frame()))
    await journal.close()
    db = sqlite3.connect(tmp_path / "journal.db")
    db.execute("PRAGMA user_version=99")
    db.close()
    assert "written by a newer version (schema 99" in refusal(tmp_path)
    assert not (tmp_path / "journal.db.aside").exists()


def test_a_database_of_somebody_else_is_refused_and_left_alone(tmp_path):
    db = sqlite3.connect(tmp_path / "journal.db")
    db.execute("CREATE TABLE theirs(x)")
    db.close()
    assert "but not a journal" in refusal(tmp_path)


def test_a_file_that_was_never_a_journal_is_refused_and_left_alone(tmp_path):
    (tmp_path / "journal.db").write_text("root:x:0:0:root:/root:/bin/bash\n" * 100)
    assert "this is not a journal" in refusal(tmp_path)
    assert (tmp_path / "journal.db").read_text().startswith("root:x")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path):
    (tmp_path / "journal.db").mkdir()
    assert "journal.path" in refusal(tmp_path)


def test_a_path_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").touch()
    assert "Name a file in a writable folder in journal.path" in refusal(tmp_path / "file")


async def test_the_journal_keeps_its_name_over_restarts_and_a_new_one_has_another(opened, tmp_path):
    first = (await opened()).journal_id
    assert (await opened()).journal_id == first
    other = open_journal(tmp_path / "other")
    assert other.journal_id != first
    await other.close()
