"""An eye on a disk in memory: the real Tail, told by the test how far each stream was read."""

from collector.core.files import Position
from collector.core.tail import Tail
from tests.collector.tailing import numbered
from tests.model.disk import ROOT, Disk
from towline.wire.identity import Origin, stream_id

LIVE = f"{ROOT}/x.log"
COPY = f"{ROOT}/x.log.1"
TEXT = numbered(0, 100)
POD = "uid-1"


class Eye:
    """A tail over a disk in memory; the test says how far each stream was read."""

    def __init__(self, disk=None, rows=()):
        self.disk = disk or Disk()
        self.tail = Tail(POD, [(f"{ROOT}/*.log", Origin(path="", container="app"))], self.disk, rows)
        self.now = 0.0
        self.positions = {}

    def look(self, seconds=1.0):
        self.now += seconds
        return self.tail.observe(self.now, self.disk.scan(), self.positions)

    def looks(self, count, seconds=1.0):
        return [event for _ in range(count) for event in self.look(seconds)]

    def name(self, path):
        return stream_id(POD, ROOT, self.disk.paths[path].key.inode, self.disk.paths[path].key.birth_ns)

    def has_read(self, name, key, offset, epoch=0, stored=None):
        held = offset if stored is None else stored
        self.positions[name] = Position(epoch, offset, self.disk.print_at(key, offset), held, held)

    def follow_live(self, text=TEXT, read=None):
        """A live log that was read to its end, or to `read`. Returns its stream and its file."""
        self.disk.append(LIVE, text)
        self.look()
        name, key = self.name(LIVE), self.disk.paths[LIVE].key
        self.has_read(name, key, len(text) if read is None else read)
        return name, key


def kinds(events):
    return [type(event) for event in events]
