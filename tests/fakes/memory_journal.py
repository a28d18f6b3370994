"""A journal in memory that runs the real compare(): for tests of what stands on either side of a journal."""

from collections import defaultdict
from dataclasses import dataclass, replace

from aggregator.core.compare import compare
from aggregator.core.records import Debt, OwedBlock
from aggregator.journal.words import Appended
from towline.wire.block import Code, Delivered, FrameAnswer, MarksAnswer, Row


@dataclass
class StoredBlock:
    block: OwedBlock
    owed: dict[Debt, int]  # place by debt


class MemoryJournal:
    """The journal's interface on dicts. `error`, where set, is raised by append; `settled` and `dead` record what was written."""

    def __init__(self, journal_id="j1"):
        self.journal_id = journal_id
        self.rows = {}  # (stream, epoch) -> StreamRow
        self.pods = {}  # stream -> Pod
        self.heard = set()
        self.moves = []  # (stream, epoch) in order of their moves
        self.blocks = {}
        self.settled = []
        self.dead = []
        self.memos = defaultdict(dict)
        self.sequences = {}
        self.error = None
        self.submissions = []
        self._subscribers = defaultdict(list)

    async def append(self, submission):
        if self.error is not None:
            raise self.error
        self.heard.add(submission.pod.uid)
        self.submissions.append(submission)
        answers = tuple(self._append_one(submission, frame, debts) for frame, debts in submission.frames)
        for sink in {debt.sink for _, debts in submission.frames for debt in debts}:
            for wake in self._subscribers[sink]:
                wake()
        delivered, until = await self.moved(submission.pod.uid, submission.since)
        return Appended(answers, delivered, until)

    def _append_one(self, submission, frame, debts):
        epochs = [epoch for stream, epoch in self.rows if stream == frame.stream]
        newest = self.rows[frame.stream, max(epochs)] if epochs else None
        verdict = compare(frame, self.rows.get((frame.stream, frame.epoch)), newest)
        self.pods[frame.stream] = submission.pod
        if verdict.row is not None and verdict.code == Code.STORED:
            self.rows[frame.stream, verdict.row.epoch] = verdict.row
        if verdict.append and debts:
            self._store(submission.pod, frame, verdict, debts)
        row = verdict.row
        epoch, mark = (row.epoch, row.mark) if row is not None else (0, 0)
        delivered = self._delivered(frame.stream, epoch)
        return FrameAnswer(stream=frame.stream, code=verdict.code, epoch=epoch, mark=mark, delivered=delivered)

    def _store(self, pod, frame, verdict, debts):
        block_id = max(self.blocks, default=0) + 1
        names = ("stream", "epoch", "start", "end", "codec", "body", "read_unix_ns", "partial", "origin")
        place = frame.start + verdict.skip
        block = OwedBlock(
            block_id=block_id,
            place=place,
            continues=verdict.continues,
            pod=pod,
            **{name: getattr(frame, name) for name in names},
        )
        self.blocks[block_id] = StoredBlock(block, dict.fromkeys(debts, place))

    def _delivered(self, stream, epoch):
        places = [
            min(stored.owed.values())
            for stored in self.blocks.values()
            if (stored.block.stream, stored.block.epoch) == (stream, epoch) and stored.owed
        ]
        row = self.rows.get((stream, epoch))
        return min(places) if places else (row.mark if row else 0)

    async def moved(self, pod_uid, since):
        until = len(self.moves)
        keys = dict.fromkeys(key for key in self.moves[since:] if self.pods[key[0]].uid == pod_uid)
        return tuple(Delivered(stream, epoch, self._delivered(stream, epoch)) for stream, epoch in keys), until

    async def marks(self, pod_uid):
        rows = tuple(
            Row(stream=stream, epoch=epoch, mark=row.mark, delivered=self._delivered(stream, epoch))
            for (stream, epoch), row in self.rows.items()
            if self.pods[stream].uid == pod_uid
        )
        heard = 0.0 if pod_uid in self.heard else None
        return MarksAnswer(journal=self.journal_id, rows=rows, until=len(self.moves), heard_seconds_ago=heard)

    async def settle(self, settlements, dead=(), memo=None, sink=""):
        self.settled += settlements
        self.dead += dead
        self.memos[sink].update(memo or {})
        for settlement in settlements:
            stored = self.blocks.get(settlement.block_id)
            if stored is None:
                continue
            stored.owed[settlement.debt] = settlement.place
            if settlement.done:
                del stored.owed[settlement.debt]
            self.moves.append((stored.block.stream, stored.block.epoch))
            if not stored.owed:
                del self.blocks[settlement.block_id]

    async def memo(self, sink):
        return dict(self.memos[sink])

    def owing(self, sink):
        lanes = defaultdict(dict)
        for stored in self.blocks.values():
            for debt in stored.owed:
                if debt.sink == sink:
                    lanes[debt.lane][stored.block.pod.uid] = None
        return lanes

    def subscribe(self, sink, wake):
        self._subscribers[sink].append(wake)

    async def take(self, sink, lane, pod_uid, after_block_id, max_bytes):
        taken, size = [], 0
        for block_id, stored in sorted(self.blocks.items()):
            place = stored.owed.get(Debt(sink, lane))
            if place is None or stored.block.pod.uid != pod_uid or block_id <= after_block_id:
                continue
            size += len(stored.block.body)
            if taken and size > max_bytes:
                break
            taken.append(replace(stored.block, place=place))
        return taken

    async def snapshot(self, pod, run, sequence, custody=None):
        newest = self.sequences.get((pod.uid, run), 0)
        self.sequences[pod.uid, run] = max(newest, sequence)
        return max(newest, sequence), sequence > newest
