"""A desk on which tailing is tested: real files, the real FileTail and Tail, and a custody that stores and delivers at once."""

import os
import shutil
from collections import defaultdict

from msgspec.structs import replace

from collector.core.files import Copied, Gone, Inherited, Missing, Opened, Position, ReadOrder, Truncated
from collector.core.tail import Tail
from collector.sources.file_tail import FileTail
from towline.wire.block import Row
from towline.wire.identity import EMPTY_PRINT, Origin

MAX_BYTES = 1 << 20


class Desk:
    """Every `round` is a scan, what follows from it, and everything that can be read. Time passes only between rounds."""

    def __init__(self, folder, *patterns, max_bytes=MAX_BYTES, descriptor_limit=1000):
        self.folder = folder
        self.patterns = [f"{folder}/{pattern}" for pattern in patterns or ("*.log",)]
        self.max_bytes = max_bytes
        self.descriptor_limit = descriptor_limit
        self.now = 0.0
        self.content = defaultdict(bytearray)  # (stream, epoch): everything that was read of it
        self.aliases = defaultdict(set)
        self.paths = {}
        self.keys = {}
        self.over = set()
        self.positions = {}
        self.marks = {}  # of every epoch, as a journal keeps them
        self.events = []
        self.hole_bytes = 0
        self.reads = True
        self.delivers = True
        self.files = None
        self.start()

    def start(self):
        """A new life of the collector: only what the journal holds is known."""
        last = {stream: position.epoch for stream, position in self.positions.items()}
        rows = [
            Row(
                stream=stream,
                epoch=epoch,
                mark=position.offset,
                delivered=position.delivered,
                print=position.print or "",
                path=self.paths[stream],
                aliases=tuple(sorted(self.aliases[stream, epoch])),
                final=epoch < last[stream],
                gone=stream in self.over,
            )
            for (stream, epoch), position in self.marks.items()
        ]
        self.close()
        self.keys = {}
        self.files = FileTail(self.patterns, self.descriptor_limit)
        origins = [(pattern, Origin(path="", container=f"c{index}")) for index, pattern in enumerate(self.patterns)]
        self.tail = Tail("uid-1", origins, self.files, rows)

    def close(self):
        if self.files is not None:
            self.files.close()

    def path(self, name):
        return self.folder / name

    def write(self, name, data, mode="ab"):
        with self.path(name).open(mode) as file:
            file.write(data)

    def round(self, seconds=1.0):
        """Let time pass, look, and read. Returns the events of this round."""
        self.now += seconds
        events = self.tail.observe(self.now, self.files.scan(), self.positions)
        for event in events:
            self.follow(event)
        self.events += events
        if self.reads:
            self.read_all()
        return events

    def rounds(self, count, seconds=1.0):
        return [event for _ in range(count) for event in self.round(seconds)]

    def follow(self, event):
        match event:
            case Opened() | Inherited():
                self.keys[event.stream_id] = event.key
                self.paths[event.stream_id] = event.origin.path
                self.over.discard(event.stream_id)
                known = self.positions.get(event.stream_id)
                if known is None or known.epoch != event.epoch:
                    start = EMPTY_PRINT if event.offset == 0 else None
                    self.positions[event.stream_id] = Position(event.epoch, event.offset, start)
                if isinstance(event, Inherited):
                    self.aliases[event.stream_id, event.epoch].add(event.alias)
            case Copied():
                self.aliases[event.stream_id, event.epoch].add(event.alias)
            case Truncated():
                self.keys[event.stream_id] = event.key
                self.positions[event.stream_id] = Position(event.epoch + 1, 0, EMPTY_PRINT)
            case Gone():
                self.keys.pop(event.stream_id, None)
                self.over.add(event.stream_id)
            case Missing():
                pass

    def read_all(self):
        while orders := [
            ReadOrder(stream, self.keys[stream], at.epoch, at.offset, at.print, self.max_bytes)
            for stream, at in self.positions.items()
            if stream in self.keys and self.tail.size_of(stream) not in (None, at.offset)
        ]:
            moved = [self.take(order, result) for order, result in zip(orders, self.read(orders), strict=True)]
            if not any(moved):
                return

    def read(self, orders):
        """What each order gives, to keep: a whole block lies in a buffer that the next read overwrites."""
        return [replace(found, data=bytes(found.data)) for found in map(self.files.read_one, orders)]

    def take(self, order, result):
        if not result.print_matches:
            self.tail.mismatched(order.stream_id)
            return False
        if not result.data and not result.hole_bytes:
            return False
        self.content[order.stream_id, order.epoch] += result.data
        self.hole_bytes += result.hole_bytes
        end = order.offset + len(result.data) + result.hole_bytes
        held = end if self.delivers else 0
        print_at_end = self.files.print_at(order.key, end)
        self.positions[order.stream_id] = Position(order.epoch, end, print_at_end, held, held)
        self.marks[order.stream_id, order.epoch] = self.positions[order.stream_id]
        return True

    @property
    def lines(self):
        """All lines that were read, in no order."""
        return sorted(line for content in self.content.values() for line in bytes(content).splitlines())

    def kinds(self, *wanted):
        return [event for event in self.events if isinstance(event, wanted)]


def numbered(first, count, text="line"):
    return b"".join(
        b"%s %06d of many, so that a print has something to hold on to\n" % (text.encode(), n)
        for n in range(first, first + count)
    )


def lines_of(data):
    return sorted(data.splitlines())


def desk_with(tmp_path, *patterns, **options):
    folder = tmp_path / "app"
    folder.mkdir(exist_ok=True)
    return Desk(folder, *patterns, **options)


def copytruncate(desk, name, copy):
    shutil.copyfile(desk.path(name), desk.path(copy))
    os.truncate(desk.path(name), 0)
