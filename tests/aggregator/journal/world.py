"""A small world to journal: pods, streams whose bytes are known everywhere, and submissions of them."""

import hashlib
import sqlite3

from aggregator.core.records import Debt
from aggregator.journal import Journal, JournalFullError, Settlement, Share, Submission
from aggregator.journal.books import load_books
from towline.wire import codec
from towline.wire.block import Frame
from towline.wire.identity import Origin, Pod

MIB = 1 << 20
MAIN = Debt("main", "lane")
OTHER = Debt("other", "lane")
SHARES = {"main": Share("main", 64 * MIB), "other": Share("other", 64 * MIB)}


class Clock:
    """Monotonic seconds that pass when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def pod(number=1):
    return Pod(namespace="shop", name=f"web-{number}", uid=f"uid-{number}", labels={"app": "web"})


def content(stream, start, end):
    """The bytes of a stream: every offset has its own, known without a file. Lines of 32 bytes."""
    lines = range(start // 32, end // 32 + 1)
    text = b"".join(
        hashlib.blake2b(f"{stream}:{line}".encode(), digest_size=15).hexdigest().encode() + b".\n" for line in lines
    )
    return text[start - lines.start * 32 :][: end - start]


def frame(stream="s1", start=0, end=64, *, path="/var/log/x.log", packed=True, **more):
    if "reason" in more or start == end:
        return Frame(stream=stream, start=start, end=end, origin=Origin(path=path), print=f"p{end}", **more)
    raw = content(stream, start, end)
    body = codec.compress(raw) if packed else raw
    return Frame(
        stream=stream,
        start=start,
        end=end,
        body=body,
        codec="zstd" if packed else "none",
        checksum=codec.checksum_of(body),
        print=f"p{end}",
        read_unix_ns=1_700_000_000_000_000_000 + start,
        origin=Origin(path=path, container="web"),
        **more,
    )


def submission(*frames, debts=(MAIN,), by=None, since=0, goodbye=False):
    return Submission(by or pod(), "run", since, goodbye, [(one, debts) for one in frames])


def open_journal(folder, clock=None, max_bytes=64 * MIB, shares=None, **more):
    return Journal.open(
        folder / "journal.db", max_bytes, SHARES if shares is None else shares, clock or Clock(), **more
    )


async def take_all(journal, debt=MAIN, uid="uid-1"):
    blocks, after = [], 0
    while found := await journal.take(debt.sink, debt.lane, uid, after, MIB):
        blocks += found
        after = found[-1].block_id
    return blocks


def done(blocks, debt=MAIN):
    return [Settlement(block.block_id, debt, block.end, done=True) for block in blocks]


def raw(block):
    """What a block still owes, checked against what its stream holds."""
    opened = codec.open_body(block.codec, block.body, block.end - block.start)
    assert opened == content(block.stream, block.start, block.end)
    return opened[block.place - block.start :]


async def append_until_full(journal, size, first=0):
    """Append blocks of one stream until the journal refuses; how many it holds then."""
    for number in range(first, 1000):
        try:
            await journal.append(submission(frame("s1", number * size, (number + 1) * size, packed=False)))
        except JournalFullError:
            return number
    raise AssertionError("it never got full")


def audit(folder):
    """What must hold in every file between two transactions."""
    db = sqlite3.connect(folder / "journal.db")
    assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert db.execute("SELECT block_id FROM entries EXCEPT SELECT id FROM blocks").fetchall() == []
    assert db.execute("SELECT id FROM blocks EXCEPT SELECT block_id FROM entries").fetchall() == []
    assert (
        db.execute(
            "SELECT 1 FROM entries e WHERE owing = 0 OR owing <> (SELECT count(*) FROM owed o WHERE o.block_id = e.block_id)"
        ).fetchall()
        == []
    )
    assert db.execute("SELECT block_id FROM owed EXCEPT SELECT block_id FROM entries").fetchall() == []
    derived = "coalesce((SELECT start + skip FROM entries e WHERE e.row = s.id ORDER BY block_id LIMIT 1), s.mark)"
    assert (
        db.execute(f"SELECT stream, delivered, {derived} FROM streams s WHERE delivered <> {derived}").fetchall() == []
    )
    owed = "SELECT q.sink, sum(e.size), count(*) FROM owed o JOIN queues q ON q.id = o.queue JOIN entries e USING(block_id) GROUP BY q.sink"
    books = load_books(db)
    assert {sink: (tally.bytes, tally.blocks) for sink, tally in books.sinks.items() if tally.blocks} == {
        sink: (size, number) for sink, size, number in db.execute(owed)
    }
    db.close()
