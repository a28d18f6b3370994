"""A journal on a dict: the real decision of rule 2, rows and debts in memory. What SQLite adds is tested with the real one."""

from aggregator.core.compare import StreamRow, compare
from towline.wire.block import BlocksAnswer, Code, Delivered, FrameAnswer, MarksAnswer, Row
from towline.wire.codec import check_body, open_body


class Block:
    def __init__(self, frame, skip):
        self.stream, self.epoch, self.start, self.end, self.skip = (
            frame.stream,
            frame.epoch,
            frame.start,
            frame.end,
            skip,
        )
        self.bytes = open_body(frame.codec, frame.body, frame.end - frame.start)[skip:]


class ModelJournal:
    def __init__(self, name):
        self.name = name
        self.rows: dict[tuple[str, int], StreamRow] = {}
        self.paths: dict[str, str] = {}
        self.aliases: dict[str, set[str]] = {}
        self.owed: list[Block] = []
        self.appended: dict[tuple[str, int], list[tuple[int, int]]] = {}
        self.gaps = []
        self.moves: dict[tuple[str, int], tuple[int, int]] = {}  # row -> (delivered, change number)
        self.changes = 0
        self.heard = -1
        self.run = ""  # the life that may write
        self.log: list[Block] = []  # every block ever appended, for the judge

    def delivered(self, key):
        owing = [block.start + block.skip for block in self.owed if (block.stream, block.epoch) == key]
        return min(owing, default=self.rows[key].mark)

    def newest(self, stream):
        return max(
            (row for (name, _), row in self.rows.items() if name == stream), key=lambda row: row.epoch, default=None
        )

    def marks(self, run=""):
        self.run = run or self.run
        rows = [
            Row(
                stream=s,
                epoch=e,
                mark=row.mark,
                delivered=self.delivered((s, e)),
                print=row.print,
                gone=row.gone,
                final=row.final,
                aliases=tuple(sorted(self.aliases.get(s, ()))),
            )
            for (s, e), row in self.rows.items()
        ]
        return MarksAnswer(journal=self.name, rows=tuple(rows), until=self.changes)

    def take(self, sent, run, now):
        """A whole request; None where it names another journal, or comes from a life that is over (421)."""
        self.heard = now
        self.run = self.run or run
        if sent.journal != self.name or run != self.run:
            return None
        answers = tuple(self._one(frame) for frame in sent.frames)
        self._note_moves()
        moved = tuple(Delivered(*key, done) for key, (done, change) in self.moves.items() if change > sent.since)
        return BlocksAnswer(journal=self.name, frames=answers, delivered=moved, until=self.changes)

    def _one(self, frame):
        if frame.body:
            check_body(frame)
        key = (frame.stream, frame.epoch)
        verdict = compare(frame, self.rows.get(key), self.newest(frame.stream))
        if verdict.code == Code.STORED:
            self.rows[key] = verdict.row
            self.paths[frame.stream] = frame.origin.path
            if frame.alias:
                self.aliases.setdefault(frame.stream, set()).add(frame.alias)
            for gap in (verdict.base_gap, verdict.gap):
                if gap is not None:
                    self.gaps.append((frame.stream, frame.epoch, gap))
            if verdict.append:
                block = Block(frame, verdict.skip)
                ranges = self.appended.setdefault(key, [])
                assert all(block.start + block.skip >= end for _, end in ranges), "a byte was appended twice"
                ranges.append((block.start + block.skip, block.end))
                self.owed.append(block)
                self.log.append(block)
        row = verdict.row
        if row is None:
            return FrameAnswer(stream=frame.stream, code=verdict.code, epoch=frame.epoch)
        done = self.delivered((frame.stream, row.epoch))
        mark = row.print if row.mark != frame.end or verdict.code != Code.STORED else ""
        return FrameAnswer(
            stream=frame.stream, code=verdict.code, epoch=row.epoch, mark=row.mark, delivered=done, print=mark
        )

    def _note_moves(self):
        for key in self.rows:
            done = self.delivered(key)
            if self.moves.get(key, (0, 0))[0] != done:
                self.changes += 1
                self.moves[key] = (done, self.changes)

    def deliver(self, index):
        """The destination accepts one block; blocks of one stream go in order."""
        block = self.owed[index]
        first = next(b for b in self.owed if (b.stream, b.epoch) == (block.stream, block.epoch))
        self.owed.remove(first)
        self._note_moves()
        return first.bytes
