"""One pod, two peers with a journal each, a network that loses, repeats and delays: the real collector cores drive it.

What may be lost and what may come twice is kept beside it, line by line, so that nothing else is excused.
"""

from collector.core.custody import Custody
from collector.core.tail import Tail
from tests.model.disk import ROOT, Disk
from tests.model.journal import ModelJournal
from towline.wire.block import Frame, MarksAnswer
from towline.wire.codec import checksum_of
from towline.wire.identity import PRINT_WINDOW_BYTES, Origin, print_of

WINDOW_BYTES = 64
LIVE = f"{ROOT}/x.log"
LIVE_GLOB = f"{ROOT}/*.log"
POD = "uid-1"


class World:
    def __init__(self):
        self.disk = Disk()
        self.now = 0.0
        self.lives = 0
        self.generations = 0
        self.journals = [ModelJournal("J0"), ModelJournal("J1")]
        self.journals_made = 2
        self.lost: list[ModelJournal] = []
        self.peer = 0
        self.delivered: list[bytes] = []
        self.written: list[bytes] = []
        self.at_risk: set[bytes] = set()  # lines whose only copy was destroyed by the app or with a journal
        self.truncated: set[bytes] = set()
        self.twice_allowed: set[bytes] = set()  # lines stored at a journal that was left before it had delivered them
        self.stray: list = []  # requests that will arrive again, later
        self.saved = None
        self.start()

    # The collector.

    @property
    def run(self):
        return f"life {self.lives}"

    def start(self):
        self.lives += 1
        self.custody, self.met = Custody(), False
        self.tail: Tail | None = None
        if self.saved is not None:
            journal, peer, rows = self.saved
            self.custody.remember(journal, rows)
            self.peer = peer
        else:
            heard = [journal.heard for journal in self.journals]
            self.peer = heard.index(max(heard))

    def crash(self, *, keep_checkpoint):
        self.disk_dies_with_descriptors()
        if not keep_checkpoint:
            self.saved = None
        self.start()

    def disk_dies_with_descriptors(self):
        named = {instance.key for instance in self.disk.paths.values()}
        unlinked = [instance for key, instance in self.disk.open.items() if key not in named]
        self.disk.collector_died()
        for instance in unlinked:
            self.risk(bytes(instance.content))

    def save(self):
        self.saved = (self.custody.journal, self.peer, self.custody.checkpoint())

    @property
    def journal(self):
        return self.journals[self.peer]

    def meet(self, marks: MarksAnswer):
        if self.custody.journal != marks.journal:
            self.allow_copies(marks.journal)
        meeting = self.custody.meet(marks, self.now)
        if not meeting.held:
            if self.tail is None:
                self.tail = Tail(POD, [(LIVE_GLOB, Origin(path=""))], self.disk, marks.rows)
            self.met = True
            self.save()

    def allow_copies(self, taken_up):
        """Another journal is taken up: what others stored, and the collector does not know to be delivered, is sent again."""
        for journal in [*self.journals, *self.lost]:
            for block in journal.log if journal.name != taken_up else ():
                stream = self.custody.streams.get(block.stream)
                held = stream.held.get(block.epoch) if stream is not None else None
                if held is None or held.delivered < block.end:
                    self.twice_allowed.update(block.bytes.splitlines(keepends=True))

    def look(self):
        """Scan and follow what became of the files."""
        if not self.met:
            self.disk.scan()
            return
        scan = self.disk.scan()
        for event in self.tail.observe(self.now, scan, self.custody.positions()):
            self.custody.apply(event)

    def read(self):
        for order in self.custody.orders(self.tail.size_of, WINDOW_BYTES) if self.tail is not None else ():
            result = self.disk.read(order)
            if not result.print_matches:
                self.tail.mismatched(order.stream_id)
            elif cut := self.cut(result):
                self.custody.streams[order.stream_id].load(self.frame(order, cut))

    @staticmethod
    def cut(result):
        return result.data[: result.data.rfind(b"\n") + 1] or result.data

    def frame(self, order, data):
        end = order.offset + len(data)
        content = bytes(self.disk.instances()[order.key].content)
        return Frame(
            stream=order.stream_id,
            epoch=order.epoch,
            start=order.offset,
            end=end,
            codec="none",
            body=data,
            checksum=checksum_of(data),
            print=print_of(content[max(0, end - PRINT_WINDOW_BYTES) : end]),
            origin=self.custody.streams[order.stream_id].origin,
        )

    def exchange(self, fate):
        """One request to the peer. `fate`: ok, lost, reply_lost, repeated (arrives once more later), late."""
        self.now += 0.1
        if not self.met:
            self.journal.heard = self.now
            self.meet(self.journal.marks(self.run))
            return
        sent = self.custody.request(1 << 20)
        if fate == "lost":
            return
        if fate in ("repeated", "late"):
            self.stray.append((sent, self.run, self.peer))
        if fate == "late":
            return
        answer = self.journal.take(sent, self.run, self.now)
        if fate == "reply_lost":
            return
        if answer is None:
            self.meet(self.journal.marks(self.run))
        else:
            self.custody.answered(sent, answer)

    def arrive_again(self, index):
        """A stray request reaches the peer it was sent to, and its answer comes back: custody follows it only if it is still the newest request."""
        sent, run, peer = self.stray.pop(index % len(self.stray))
        journal = self.journals[peer]
        known = len(journal.log)
        answer = journal.take(sent, run, journal.heard)
        if answer is not None and journal.name != self.custody.journal:
            # Under way when its journal was left: what it brings there is sent to the next one, too.
            for block in journal.log[known:]:
                self.twice_allowed.update(block.bytes.splitlines(keepends=True))
        if answer is not None:
            self.custody.answered(sent, answer)

    # The rest of the world.

    def next_name(self):
        self.generations += 1
        return f"{LIVE}.{self.generations}"

    def fail_over(self):
        self.peer = 1 - self.peer

    def lose_journal(self, peer):
        lost = self.journals[peer]
        on_disk = b"".join(bytes(instance.content) for instance in self.disk.instances().values())
        for block in lost.owed:
            lines = block.bytes.splitlines(keepends=True)
            # Truncated or unlinked since: nothing on the volume holds them any more. In a copy of an epoch that is over they are not sent again.
            self.at_risk.update(line for line in lines if line not in on_disk or line in self.truncated)
        self.lost.append(lost)
        self.journals[peer] = ModelJournal(f"J{self.journals_made}")
        self.journals_made += 1

    def truncate(self, path):
        content = bytes(self.disk.paths[path].content)
        self.truncated.update(content.splitlines(keepends=True))
        self.disk.truncate(path)
        self.risk(content)

    def unlink(self, path):
        instance = self.disk.unlink(path)
        if instance.key not in self.disk.open:
            self.risk(bytes(instance.content))

    def risk(self, content):
        """These bytes are destroyed: what no journal holds, and no other file, may be lost."""
        on_disk = b"".join(bytes(instance.content) for instance in self.disk.instances().values())
        stored = b"".join(block.bytes for journal in self.journals for block in journal.log)
        for line in content.splitlines(keepends=True):
            if line not in stored and line not in on_disk:
                self.at_risk.add(line)

    def write(self, path, count):
        lines = [b"line %06d\n" % (len(self.written) + n) for n in range(count)]
        self.written += lines
        self.disk.append(path, b"".join(lines))

    def deliver(self, peer, index):
        journal = self.journals[peer]
        if journal.owed:
            self.delivered.append(journal.deliver(index % len(journal.owed)))

    def settle(self):
        """Everything that can still happen happens, without faults."""
        for _ in range(60):
            self.now += 3.0
            self.look()
            for _ in range(4):
                self.read()
                self.exchange("ok")
            for peer in (0, 1):
                while self.journals[peer].owed:
                    self.deliver(peer, 0)

    def judge(self):
        lines = b"".join(self.delivered).splitlines(keepends=True)
        lost = set(self.written) - set(lines) - self.at_risk
        twice = {line for line in set(lines) if lines.count(line) > 1} - self.twice_allowed
        strange = set(lines) - set(self.written)
        assert not lost, f"lost: {sorted(lost)[:5]} of {len(lost)}"
        assert not twice, f"duplicated: {sorted(twice)[:5]} of {len(twice)}"
        assert not strange, f"torn or invented: {sorted(strange)[:5]}"
