"""kill -9 of the real process: what was said to be stored is there once, what was said to be settled does not come back (rules 2 and 9)."""

import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.aggregator.journal.world import Clock, audit, done, open_journal, raw, take_all
from towline.plumbing.kill_points import ENVIRONMENT_KEY

ROOT = Path(__file__).parents[3]


class Promises:
    def __init__(self):
        self.stored, self.settling, self.settled, self.journals = defaultdict(int), set(), set(), set()

    def hear(self, line):
        match line.split():
            case ["stored", stream, mark]:
                self.stored[stream] = max(self.stored[stream], int(mark))
            case ["settling", stream, start, end]:
                self.settling.add((stream, int(start), int(end)))
            case ["settled", stream, start, end]:
                self.settled.add((stream, int(start), int(end)))
            case ["journal", name]:
                self.journals.add(name)


def run_until_killed(folder, promises, seed, *, kill_at="", lines=0):
    """Run the child until a kill point ends it, or until it has said `lines` lines."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.aggregator.journal.killed", str(folder), str(seed)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, ENVIRONMENT_KEY: kill_at},
    )
    with child:
        for number, line in enumerate(child.stdout, start=1):
            if line.endswith("\n"):  # the last words of the killed may be cut
                promises.hear(line)
            if number == lines:
                child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL


def run(command):
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)


async def check(folder, promises):
    journal = open_journal(folder)
    assert promises.journals == {journal.journal_id}
    for number in (1, 2, 3):
        for row in (await journal.marks(f"uid-{number}")).rows:
            blocks = await take_all(journal, uid=f"uid-{number}")
            assert row.mark >= promises.stored[row.stream]
            assert not promises.settled & {(block.stream, block.start, block.end) for block in blocks}
            starts = {block.start: block for block in blocks}
            assert len(starts) == len(blocks), "no block is there twice"
            assert row.delivered == min(starts, default=row.mark)
            assert all(raw(block) for block in blocks)
    await journal.close()
    audit(folder)


@pytest.mark.parametrize("point", ["journal.before_commit", "journal.after_commit"])
async def test_killed_around_a_commit_it_holds_what_it_promised(tmp_path, point):
    promises = Promises()
    for passes in (1, 2, 3, 7, 20):
        run_until_killed(tmp_path, promises, passes, kill_at=f"{point}:{passes}")
        await check(tmp_path, promises)


async def test_killed_at_random_it_holds_what_it_promised(tmp_path):
    promises, chance = Promises(), random.Random(8)
    for seed in range(8):
        run_until_killed(tmp_path, promises, seed, lines=chance.randint(2, 300))
        await check(tmp_path, promises)
    journal = open_journal(tmp_path)
    for number in (1, 2, 3):
        await journal.settle(done(await take_all(journal, uid=f"uid-{number}")))
        assert all(row.delivered == row.mark for row in (await journal.marks(f"uid-{number}")).rows)
    assert journal.status().sinks["main"].owed_bytes == 0
    await journal.close()


@pytest.mark.needs("strace")
async def test_s5_after_an_fsync_that_failed_every_promise_is_kept_by_what_was_set_aside(tmp_path):
    promises, clock = Promises(), Clock()
    command = [sys.executable, "-m", "tests.aggregator.journal.killed", str(tmp_path), "5"]
    inject = ["strace", "-f", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=25"]
    ended = run([*inject, *command])
    if "ptrace" in ended.stderr:
        pytest.skip(f"strace may not trace here: {ended.stderr.strip()[:80]}")
    for line in ended.stdout.splitlines():
        promises.hear(line)
    assert "JournalFullError" in ended.stderr, "whoever waited for that fsync was told"
    journal = open_journal(tmp_path, clock)
    assert promises.journals != {journal.journal_id}
    clock.now += 601
    await journal.sweep()
    for number in (1, 2, 3):
        blocks = await take_all(journal, uid=f"uid-{number}")
        assert all(raw(block) for block in blocks)
        ranges = {(start, end) for stream, start, end in promises.settling if stream == f"s{number}"}
        reached = 0
        for start, end in sorted(ranges | {(block.start, block.end) for block in blocks}):
            assert start <= reached, "nothing is missing between what was settled and what is owed anew"
            reached = max(reached, end)
        assert reached >= promises.stored[f"s{number}"] > 0
    await journal.close()
