"""One submission into the open transaction: compare, append, move marks, note what is owed (protocol rules 1, 2, 10, 11).

Room: aggregator journal. Never enters: decisions on offsets (aggregator/core/compare.py takes them); threads.
"""

from collections.abc import Sequence

from aggregator.core.compare import StreamRow, Verdict, compare
from aggregator.core.records import Debt
from aggregator.journal.blocks import note_gap, put_block
from aggregator.journal.names import KnownPod
from aggregator.journal.rows import Entry, Row, newest_row, row_of_epoch, save_row
from aggregator.journal.shed import shed
from aggregator.journal.space import FRAME_OVERHEAD_BYTES
from aggregator.journal.store import Store
from aggregator.journal.words import Appended, JournalFullError, Submission
from towline.wire.block import Code, Delivered, Frame, FrameAnswer

MAX_STREAMS = 10_000  # rows of one pod: a flood of new names must not fill the journal
MAX_ALIASES = 64


def weight_bytes(submission: Submission) -> int:
    """What a submission may cost at most."""
    return sum(len(frame.body) + FRAME_OVERHEAD_BYTES for frame, _ in submission.frames if frame.body)


def append(store: Store, submission: Submission) -> Appended:
    """Take a submission in. Raises JournalFullError, with nothing of it stored."""
    pod = store.names.hear(submission.pod, store.now, store.unix_ns, goodbye=submission.goodbye)
    answers = [_take_frame(store, pod, frame, debts) for frame, debts in submission.frames]
    shed_surplus(store)
    return Appended(answers, moved_rows(store, pod.id, submission.since), store.books.change)


def shed_surplus(store: Store) -> None:
    """Have every sink that sheds, and has used more than its share, drop its oldest."""
    for sink, share in store.shares.items():
        if share.when_full == "shed" and store.books.tally(sink).used_bytes > share.max_bytes:
            shed(store, share)


def moved_rows(store: Store, pod: int, since: int) -> list[Delivered]:
    """The pod's rows whose `delivered` moved after change number `since`. One from the future (an older copy of the file came back) counts as 0."""
    if since > store.books.change:
        since = 0
    rows = store.db.execute(
        "SELECT stream, epoch, delivered FROM streams WHERE pod=? AND moved>? ORDER BY moved", (pod, since)
    )
    return [Delivered(*row) for row in rows]


def _take_frame(store: Store, pod: KnownPod, frame: Frame, debts: Sequence[Debt]) -> FrameAnswer:
    newest = newest_row(store.db, frame.stream)
    if newest is not None and newest.pod != pod.id:
        store.effects.counts["foreign_frames"] += 1
        return FrameAnswer(
            stream=frame.stream, code=Code.UNREADABLE, epoch=frame.epoch, error="this stream belongs to another pod"
        )
    own = (
        newest
        if newest is None or newest.state.epoch == frame.epoch
        else row_of_epoch(store.db, frame.stream, frame.epoch)
    )
    verdict = compare(frame, _state(own), _state(newest))
    if verdict.code is not Code.STORED or verdict.row is None:
        store.effects.counts["rewound_frames"] += 1
        return _answer(frame, verdict, own if verdict.row == _state(own) else newest)
    if own is None and _rows_of(store, pod) >= MAX_STREAMS:
        return FrameAnswer(
            stream=frame.stream,
            code=Code.BUSY,
            epoch=frame.epoch,
            error=f"this pod has {MAX_STREAMS} streams here; wait until some are gone",
        )
    return _answer(frame, verdict, _write(store, pod, (frame, debts), own, verdict))


def _state(row: Row | None) -> StreamRow | None:
    return None if row is None else row.state


def _rows_of(store: Store, pod: KnownPod) -> int:
    return int(store.db.execute("SELECT count(*) FROM streams WHERE pod=?", (pod.id,)).fetchone()[0])


def _answer(frame: Frame, verdict: Verdict, row: Row | None) -> FrameAnswer:
    state = verdict.row
    if state is None or row is None:
        return FrameAnswer(stream=frame.stream, code=verdict.code)
    return FrameAnswer(
        stream=frame.stream,
        code=verdict.code,
        epoch=state.epoch,
        mark=state.mark,
        delivered=row.delivered,
        print="" if state.mark == frame.end and state.epoch == frame.epoch else state.print,
    )


def _write(
    store: Store, pod: KnownPod, owed_frame: tuple[Frame, Sequence[Debt]], own: Row | None, verdict: Verdict
) -> Row:
    frame, debts = owed_frame
    state = verdict.row or StreamRow(epoch=frame.epoch, mark=0)
    row = Row(0, frame.stream, pod.id, StreamRow(epoch=frame.epoch, mark=0)) if own is None else own
    stores = verdict.append and bool(debts)
    lifted = verdict.base_gap.end if verdict.base_gap else row.state.mark
    delivered = row.delivered if row.owing else (lifted if stores else state.mark)
    after = Row(
        *(row.id, row.stream, row.pod, state, delivered),
        head_bytes=frame.head_bytes or row.head_bytes,
        file_bytes=max(frame.file_bytes, row.file_bytes, state.mark),
        aliases=_aliases(row, frame),
        origin=store.names.origin(pod, frame.origin),
        moved=row.moved,
        touched=row.touched,
    )
    if delivered > row.delivered:
        store.books.change += 1
        after.moved = store.books.change
    if own is None or after != row:
        after.touched = store.now
        save_row(store.db, after, moves=after.moved != row.moved)
    for gap in (verdict.base_gap, verdict.gap):
        if gap is not None:
            note_gap(store, after, gap)
    if stores:
        _store_block(store, pod, after, owed_frame, verdict)
    _count(store, frame, verdict, moves=state.mark > row.state.mark, stores=stores)
    return after


def _count(store: Store, frame: Frame, verdict: Verdict, *, moves: bool, stores: bool) -> None:
    if stores:
        store.effects.counts["appended_blocks"] += 1
        store.effects.counts["appended_bytes"] += len(frame.body)
    elif verdict.append:
        store.effects.counts["unowed_frames"] += 1
    elif not moves and frame.end > frame.start:
        store.effects.counts["duplicate_frames"] += 1


def _aliases(row: Row, frame: Frame) -> tuple[str, ...]:
    if not frame.alias or frame.alias in row.aliases:
        return row.aliases
    return (*row.aliases, frame.alias)[-MAX_ALIASES:]


def _store_block(
    store: Store, pod: KnownPod, row: Row, owed_frame: tuple[Frame, Sequence[Debt]], verdict: Verdict
) -> None:
    frame, debts = owed_frame
    entry = Entry(
        block_id=store.books.next_block,
        row=row.id,
        pod=pod.id,
        origin=row.origin,
        stream=frame.stream,
        epoch=frame.epoch,
        start=frame.start,
        stop=frame.end,
        skip=verdict.skip,
        codec=frame.codec,
        size=len(frame.body),
        checksum=frame.checksum,
        read_unix_ns=frame.read_unix_ns,
        partial=int(frame.partial),
        continues=int(verdict.continues),
        owing=0,
    )
    admit(store, debts, FRAME_OVERHEAD_BYTES + entry.size)
    put_block(store, entry, frame.body, dict.fromkeys(debts, frame.start + verdict.skip), pod.uid)


def admit(store: Store, debts: Sequence[Debt], size: int) -> None:
    """Raise JournalFullError if there is no room, or a sink that holds has used its share."""
    for debt in debts:
        share = store.shares.get(debt.sink)
        if (
            share is not None
            and share.when_full == "hold"
            and store.books.tally(debt.sink).used_bytes >= share.max_bytes
        ):
            raise JournalFullError(
                f"journal: sink {debt.sink} has used its share of {share.max_bytes} bytes", sink=debt.sink
            )
    if size > store.room_bytes:
        raise store.space.refuse("no room left", biggest_sink(store))
    store.room_bytes -= size
    store.space.refused = ""


def biggest_sink(store: Store) -> str:
    """The sink that holds most of the journal, "" if none holds anything."""
    used = {sink: tally.used_bytes for sink, tally in store.books.sinks.items()}
    name = max(used, key=lambda sink: used[sink], default="")
    return name if used.get(name) else ""
