"""A journal on a dict that runs the real compare(): what a collector's test needs behind its scripted aggregator."""

from dataclasses import dataclass

from aggregator.core.compare import Gap, compare
from towline.wire.block import BlocksAnswer, Code, Delivered, FrameAnswer, MarksAnswer, Row
from towline.wire.codec import check_body, open_body


@dataclass
class Stored:
    """One appended block: its bytes from the mark on, and whether they are still owed."""

    key: tuple
    start: int
    raw: bytes
    owed: bool = True


class DictJournal:
    """`take` answers a request as a journal does; `blocks` and `gaps` are what it holds, in the order of their coming."""

    def __init__(self, name):
        self.name = name
        self.rows = {}  # (stream, epoch) -> StreamRow
        self.aliases = {}
        self.paths = {}
        self.blocks = []
        self.gaps: list[tuple[str, int, Gap]] = []
        self.told = {}  # (stream, epoch) -> (delivered, change number)
        self.until = 0

    def take(self, request):
        """None where the request believes in another journal."""
        if request.journal != self.name:
            return None
        frames = tuple(self._one(frame) for frame in request.frames)
        for key in self.rows:
            if self.told.get(key, (0,))[0] != (done := self.delivered(key)):
                self.until += 1
                self.told[key] = (done, self.until)
        moved = tuple(Delivered(*key, done) for key, (done, change) in self.told.items() if change > request.since)
        return BlocksAnswer(journal=self.name, frames=frames, delivered=moved, until=self.until)

    def marks(self):
        rows = tuple(
            Row(
                stream=stream,
                epoch=epoch,
                mark=row.mark,
                delivered=self.delivered((stream, epoch)),
                print=row.print,
                path=self.paths.get(stream, ""),
                aliases=tuple(sorted(self.aliases.get(stream, ()))),
                final=row.final,
                gone=row.gone,
            )
            for (stream, epoch), row in self.rows.items()
        )
        return MarksAnswer(journal=self.name, rows=rows, until=self.until)

    def delivered(self, key):
        owed = [block.start for block in self.blocks if block.key == key and block.owed]
        return min(owed, default=self.rows[key].mark)

    def deliver_all(self):
        for block in self.blocks:
            block.owed = False

    def _one(self, frame):
        if frame.body:
            check_body(frame)
        key = (frame.stream, frame.epoch)
        epochs = [epoch for stream, epoch in self.rows if stream == frame.stream]
        newest = self.rows[frame.stream, max(epochs)] if epochs else None
        verdict = compare(frame, self.rows.get(key), newest)
        if verdict.code == Code.STORED:
            self._store(frame, key, verdict)
        row = verdict.row
        if row is None:
            return FrameAnswer(stream=frame.stream, code=verdict.code, epoch=frame.epoch)
        return FrameAnswer(
            stream=frame.stream,
            code=verdict.code,
            epoch=row.epoch,
            mark=row.mark,
            delivered=self.delivered((frame.stream, row.epoch)) if (frame.stream, row.epoch) in self.rows else 0,
            print=row.print if row.mark != frame.end else "",
        )

    def _store(self, frame, key, verdict):
        self.rows[key] = verdict.row
        self.paths[frame.stream] = frame.origin.path
        if frame.alias:
            self.aliases.setdefault(frame.stream, set()).add(frame.alias)
        self.gaps += [(*key, gap) for gap in (verdict.base_gap, verdict.gap) if gap is not None]
        if verdict.append:
            raw = open_body(frame.codec, frame.body, frame.end - frame.start)[verdict.skip :]
            self.blocks.append(Stored(key, frame.start + verdict.skip, raw))
