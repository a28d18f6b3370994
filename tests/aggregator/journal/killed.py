"""A process to be killed: appends to streams from where the journal stands, settles some, and says on stdout what it was promised.

Run as `python -m tests.aggregator.journal.killed FOLDER SEED`.
"""

import asyncio
import random
import sys
from pathlib import Path

from tests.aggregator.journal.world import MAIN, done, frame, open_journal, pod, submission, take_all


def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


async def live(folder, seed):
    chance = random.Random(seed)
    journal = open_journal(folder)
    say("journal", journal.journal_id)
    marks = {row.stream: row.mark for number in (1, 2, 3) for row in (await journal.marks(f"uid-{number}")).rows}

    async def collect(number):
        stream = f"s{number}"
        while True:
            start = marks.get(stream, 0)
            end = start + 32 * chance.randint(1, 400)
            appended = await journal.append(submission(frame(stream, start, end), by=pod(number)))
            marks[stream] = appended.frames[0].mark
            say("stored", stream, marks[stream])

    async def deliver(number):
        while True:
            blocks = await take_all(journal, MAIN, f"uid-{number}")
            some = blocks[: chance.randint(0, 3)]
            for block in some:
                say("settling", block.stream, block.start, block.end)
            await journal.settle(done(some))
            for block in some:
                say("settled", block.stream, block.start, block.end)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in (1, 2, 3):
            group.create_task(collect(number))
            group.create_task(deliver(number))


if __name__ == "__main__":
    asyncio.run(live(Path(sys.argv[1]), int(sys.argv[2])))
