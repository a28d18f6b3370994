"""A volume in memory: instances by inode, paths that name them, and what a scan or a look at it says."""

from collector.core.files import FileKey, ReadResult, Scan, Seen
from towline.wire.identity import PRINT_WINDOW_BYTES, print_of

ROOT = "/var/log/app"


class Instance:
    def __init__(self, inode):
        self.key = FileKey(ROOT, inode, 1000 + inode)
        self.content = bytearray()
        self.changed = 0
        self.last_path = ""


class Disk:
    """Implements `Peek`. A file that is open stays readable after its last path went, until the collector dies."""

    def __init__(self):
        self.paths: dict[str, Instance] = {}
        self.open: dict[FileKey, Instance] = {}
        self.inodes = 0
        self.clock = 0

    def create(self, path):
        self.inodes += 1
        self.paths[path] = Instance(self.inodes)
        return self.paths[path]

    def append(self, path, data):
        instance = self.paths.get(path) or self.create(path)
        instance.content += data
        self._touch(instance)

    def rename(self, old, new):
        self.paths[new] = self.paths.pop(old)

    def copy(self, old, new):
        copy = self.create(new)
        copy.content[:] = self.paths[old].content
        self._touch(copy)

    def truncate(self, path):
        del self.paths[path].content[:]
        self._touch(self.paths[path])

    def unlink(self, path):
        return self.paths.pop(path)

    def _touch(self, instance):
        self.clock += 1
        instance.changed = self.clock

    def instances(self):
        return {instance.key: instance for instance in self.paths.values()} | self.open

    def scan(self):
        self.open = self.instances()
        named = {instance.key for instance in self.paths.values()}
        files = [self._seen(instance, path) for path, instance in sorted(self.paths.items())]
        unlinked = [instance for key, instance in self.open.items() if key not in named]
        files += [self._seen(instance, instance.last_path) for instance in unlinked]
        return Scan(tuple(files), frozenset({ROOT}), frozenset(instance.key for instance in unlinked))

    def _seen(self, instance, path):
        instance.last_path = path
        matches = 0 if path.endswith(".log") else -1
        return Seen(instance.key, path, len(instance.content), instance.changed, matches, 0 if ".log." in path else -1)

    def close(self, key):
        self.open.pop(key, None)

    def collector_died(self):
        self.open.clear()

    # Peek

    def head(self, key, length):
        found = self.instances().get(key)
        return bytes(found.content[:length]) if found else b""

    def print_at(self, key, offset):
        found = self.instances().get(key)
        if found is None or len(found.content) < offset:
            return None
        return print_of(bytes(found.content[max(0, offset - PRINT_WINDOW_BYTES) : offset]))

    def length(self, key):
        found = self.instances().get(key)
        return None if found is None else len(found.content)

    def read(self, order):
        found = self.instances().get(order.key)
        content = bytes(found.content) if found else b""
        matches = len(content) >= order.offset and order.expected_print in (
            None,
            self.print_at(order.key, order.offset),
        )
        data = content[order.offset : order.offset + order.max_bytes] if matches else b""
        at_end = order.offset + len(data) == len(content)
        return ReadResult(order.stream_id, order.epoch, order.offset, data, matches, len(content), 0, at_end)
