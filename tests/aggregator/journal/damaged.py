"""A journal with something in it, and ways to damage its file."""

from tests.aggregator.journal.world import frame, open_journal, pod, submission

BIG = 40_000  # bytes: too large for one page


async def filled(folder, pods=3, blocks=4):
    journal = open_journal(folder)
    for number in range(1, pods + 1):
        for index in range(blocks):
            await journal.append(
                submission(frame(f"s{number}", index * BIG, (index + 1) * BIG, packed=False), by=pod(number))
            )
    return journal


def damage_body(path, needle):
    """Flip a bit of a body where it lies."""
    data = bytearray(path.read_bytes())
    place = data.index(needle)
    data[place + 5] ^= 1
    path.write_bytes(data)


def checkpointed(journal):
    journal._store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
