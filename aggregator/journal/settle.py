"""What destinations answered, into the open transaction: places move, debts go, dead letters and memos are kept (protocol rules 9, 11).

Room: aggregator journal. Never enters: new bodies: this must work on a full disk; threads.
"""

from collections.abc import Mapping, Sequence

from aggregator.journal.blocks import Releases
from aggregator.journal.rows import entry_of_block
from aggregator.journal.schema import check_seal, seal
from aggregator.journal.store import Store
from aggregator.journal.words import DeadLetter, KeptLetter, Settlement

LETTERS_SHARE = 10  # a sink's dead letters may use this part (1/n) of its share; then its oldest go, counted
LETTER_OVERHEAD_BYTES = 200


def settle(
    store: Store, settlements: Sequence[Settlement], dead: Sequence[DeadLetter], memo: tuple[str, Mapping[str, str]]
) -> None:
    """Write one answer of one sink (`memo`: its name, and its own durable state). What is not owed any more is passed over."""
    for letter in dead:
        _keep_letter(store, letter)
    for sink in {letter.sink for letter in dead}:
        _drop_letters(store, sink)
    releases = Releases(store)
    for settlement in settlements:
        _settle_one(store, releases, settlement)
    releases.finish()
    _remember(store, *memo)


def _remember(store: Store, sink: str, memo: Mapping[str, str]) -> None:
    """Write a sink's own state; "" is forgotten."""
    store.db.executemany(
        "DELETE FROM memos WHERE sink=? AND key=?", [(sink, key) for key, it in memo.items() if not it]
    )
    kept = [(sink, key, value) for key, value in memo.items() if value]
    store.db.executemany("INSERT OR REPLACE INTO memos VALUES(?,?,?)", kept)


def _settle_one(store: Store, releases: Releases, settlement: Settlement) -> None:
    entry = entry_of_block(store.db, settlement.block_id)
    if entry is None:
        return
    queue = store.names.queue(settlement.debt, entry.pod, store.names.uid_of(entry.pod))
    if settlement.done:
        if releases.release(entry, queue):
            store.effects.counts["settled_blocks"] += 1
        return
    owed = store.db.execute(
        "SELECT queue, block_id, place, seal FROM owed WHERE queue=? AND block_id=?", (queue.id, entry.block_id)
    ).fetchone()
    if owed is None:
        return
    check_seal(owed, "owed")
    if owed[2] < settlement.place <= entry.stop:
        moved = (queue.id, entry.block_id, settlement.place)
        store.db.execute(
            "UPDATE owed SET place=?, seal=? WHERE queue=? AND block_id=?", (settlement.place, seal(*moved), *moved[:2])
        )


def _keep_letter(store: Store, letter: DeadLetter) -> None:
    entry = entry_of_block(store.db, letter.block_id)
    pod, stream, epoch = (entry.pod, entry.stream, entry.epoch) if entry else (0, "", 0)
    store.db.execute(
        "INSERT INTO dead_letters(sink, pod, stream, epoch, start, stop, reason, line, unix_ns) VALUES(?,?,?,?,?,?,?,?,?)",
        (letter.sink, pod, stream, epoch, letter.start, letter.end, letter.reason, letter.line, store.unix_ns),
    )
    tally = store.books.tally(letter.sink)
    tally.letters += 1
    tally.letter_bytes += len(letter.line) + LETTER_OVERHEAD_BYTES
    store.effects.counts["dead_letters"] += 1


def _drop_letters(store: Store, sink: str) -> None:
    """Let the oldest dead letters go while they use more than their part: they must not close the intake for ever."""
    share, tally = store.shares.get(sink), store.books.tally(sink)
    if share is None:
        return
    while tally.letters and tally.letter_bytes > share.max_bytes // LETTERS_SHARE:
        found = store.db.execute(
            "SELECT id, length(line) FROM dead_letters WHERE sink=? ORDER BY id LIMIT 1", (sink,)
        ).fetchone()
        if found is None:
            tally.letters = tally.letter_bytes = 0
            return
        store.db.execute("DELETE FROM dead_letters WHERE id=?", (found[0],))
        tally.letters -= 1
        tally.letter_bytes -= found[1] + LETTER_OVERHEAD_BYTES
        store.effects.counts["dropped_dead_letters"] += 1


def kept_letters(rows: Sequence[tuple[int, str, str, str, int, int, int, str, bytes, int]]) -> list[KeptLetter]:
    """Dead letters from `id, sink, uid, stream, epoch, start, stop, reason, line, unix_ns`."""
    return [
        KeptLetter(
            number=number,
            sink=sink,
            pod_uid=uid,
            stream=stream,
            epoch=epoch,
            start=start,
            end=stop,
            reason=reason,
            line=line,
            kept_unix_ns=unix_ns,
        )
        for number, sink, uid, stream, epoch, start, stop, reason, line, unix_ns in rows
    ]
