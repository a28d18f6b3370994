"""A full volume (S3): nothing is acknowledged that is not stored, what is owed can still be settled, and it recovers by itself."""

import os
import subprocess

import pytest

from aggregator.journal import JournalFullError, Share
from tests.aggregator.journal.world import MIB, append_until_full, done, frame, open_journal, raw, submission, take_all
from towline.plumbing.errors import ConfigError

BIG = 64 * 1024
ROOMY = {"main": Share("main", 1 << 40)}


@pytest.fixture
def volume(tmp_path):
    """A tmpfs of 8 MiB."""
    folder = tmp_path / "volume"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a tmpfs: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder):
    """Take every last byte of the volume."""
    with (folder / "hog").open("ab") as hog:
        while True:
            try:
                os.write(hog.fileno(), b"x" * 4096)
            except OSError:
                return


async def test_a_volume_smaller_than_max_bytes_closes_the_intake_before_it_is_full(volume):
    journal = open_journal(volume, shares=ROOMY, max_bytes=16 * MIB)
    stored = await append_until_full(journal, BIG)
    assert (journal.status().closed_by, journal.status().reserve_bytes > 0, journal.counters.reserves_given_up) == (
        "disk",
        True,
        0,
    )
    blocks = await take_all(journal)
    assert len(blocks) == stored > 5
    await journal.settle(done(blocks))
    assert (await journal.marks("uid-1")).rows[0].delivered == stored * BIG
    assert (await journal.append(submission(frame("s1", stored * BIG, (stored + 1) * BIG, packed=False)))).frames[
        0
    ].code == 200
    await journal.close()


async def test_on_a_volume_that_others_filled_everything_owed_can_still_be_settled(volume):
    journal = open_journal(volume, shares=ROOMY, max_bytes=4 * MIB)
    for number in range(20):
        await journal.append(submission(frame("s1", number * BIG, (number + 1) * BIG, packed=False)))
    fill(volume)
    first = journal.journal_id
    stored = await append_until_full(journal, BIG, 20)
    fill(volume)
    blocks = await take_all(journal)
    for block in blocks:
        assert raw(block)
        await journal.settle(done([block]), memo={"length": str(block.end)}, sink="main")
    assert (len(blocks), journal.owing("main"), journal.journal_id) == (stored, {}, first)
    assert (await journal.marks("uid-1")).rows[0].delivered == stored * BIG
    (volume / "hog").unlink()
    assert (await journal.append(submission(frame("s1", stored * BIG, (stored + 1) * BIG, packed=False)))).frames[
        0
    ].code == 200
    assert (journal.status().closed_by, journal.status().reserve_bytes > 0) == (None, True)
    await journal.close()


async def test_the_reserve_is_given_up_when_not_even_settling_has_room_and_made_again(volume):
    journal = open_journal(volume, shares=ROOMY, max_bytes=4 * MIB)
    for number in range(30):
        await journal.append(submission(frame("s1", number * BIG, (number + 1) * BIG, packed=False)))
    journal._store.db.execute(
        "PRAGMA wal_checkpoint(TRUNCATE)"
    ).fetchone()  # so that the WAL has no bytes of its own left to write into
    fill(volume)
    await journal.settle(done(await take_all(journal)))
    assert (journal.counters.reserves_given_up, journal.status().reserve_bytes, journal.owing("main")) == (1, 0, {})
    with pytest.raises(JournalFullError):  # the bytes of the reserve are not for new blocks
        await journal.append(submission(frame("s2", packed=False)))
    (volume / "hog").unlink()
    await journal.append(submission(frame("s2", packed=False)))
    assert journal.status().reserve_bytes == 256 * 1024
    await journal.close()


async def test_a_journal_starts_on_a_full_volume_and_settles(volume):
    journal = open_journal(volume, shares=ROOMY, max_bytes=4 * MIB)
    for number in range(30):
        await journal.append(submission(frame("s1", number * BIG, (number + 1) * BIG, packed=False)))
    await journal.close()
    fill(volume)
    journal = open_journal(volume, shares=ROOMY, max_bytes=4 * MIB)
    await journal.settle(done(await take_all(journal)))
    assert (await journal.marks("uid-1")).rows[0].delivered == 30 * BIG
    await journal.close()


async def test_a_volume_smaller_than_the_reserve_is_refused(volume):
    with pytest.raises(ConfigError, match=r"lower journal\.max_bytes"):
        open_journal(volume, max_bytes=1 << 40)
