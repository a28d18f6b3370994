"""An aggregator that counts lines and tells three destinations, on a real journal; and what happens to it, one word at a time."""

import shutil
from collections import Counter
from dataclasses import replace
from itertools import count

import pytest

from aggregator.core.counted import is_counted
from aggregator.forwarder.points_work import PointsWork
from aggregator.forwarder.state import LaneState
from aggregator.journal import Journal, Share
from aggregator.own_snapshots import Clocks, OwnSnapshots
from tests.aggregator.forwarding import Waits
from tests.aggregator.pointing import desk_of, opening
from tests.aggregator.sinks.batches import ORIGIN
from tests.aggregator.sinks.to_log_metrics import lines_batch, sink_of
from tests.contract.mortal_journal import KilledError, MortalJournal
from tests.contract.three_backends import CLOUDWATCH, DATADOG, REMOTE_WRITE
from tests.contract.three_backends import NAMES as DESTINATIONS
from tests.fakes.remote_write_receiver import is_stale
from tests.fakes.script import Answer, Recorded, Reset
from towline.wire.identity import Pod

PER_POD, OF_ALL, HISTOGRAM = NAMES = ("app_requests_total", "node_forks_total", "app_took_seconds")
RULES = (
    {"name": PER_POD, "type": "counter", "match": r"(?P<n>\d+)", "value": "n", "labels": {"odd": "n"}, "max_series": 3},
    {"name": OF_ALL, "type": "counter", "per": "all"},
    {
        "name": HISTOGRAM,
        "type": "histogram",
        "match": r"(?P<n>\d+)",
        "value": "n",
        "per": "workload",
        "buckets": [2, 5],
    },
)
EXPIRE_SECONDS = 3600
_FAULTS = (Recorded("cut"), Answer(503), Reset())
_numbers = count()


class LinesWorld:
    """`counted`: what was in the lines, by name; lines of which the journal was not told that they are settled come again."""

    def __init__(self, folder, backends):
        number = next(_numbers)
        self.folder, self.backends = folder / f"lines{number}", backends
        self.folder.mkdir()
        self.waits, self.seconds = Waits(), 0.0
        backends.forget()
        self.pods = [
            Pod(namespace="shop", name=f"web{number}-{n}", uid=f"uid{number}-{n}", workload=f"web{number}")
            for n in range(3)
        ]
        self.counted = Counter()

    async def __aenter__(self):
        self._start()
        await self._recall()
        return self

    async def __aexit__(self, *exc):
        await self.journal.close()
        shutil.rmtree(self.folder)

    def _start(self):
        shares = {name: Share(name, 1 << 24, "shed") for name in (*DESTINATIONS, "counts")}
        self.journal = MortalJournal(Journal.open(self.folder / "journal.db", 1 << 26, shares))
        self.sinks, self.works = self.backends.sinks(), {}
        self.counts = sink_of(*RULES, clock=lambda: self.seconds, expire_seconds=EXPIRE_SECONDS)
        clocks = Clocks(wall_unix_ns=lambda: int(self.now_unix * 1e9))
        self.own = OwnSnapshots(self.journal, {"counts": self.counts}, self.sinks, clocks)

    async def _recall(self):
        await self.counts.recall(await self.journal.memo("counts"))

    @property
    def now_unix(self):
        return self.backends.now_unix

    async def step(self, word, pod, number):
        await getattr(self, word)(pod, number)

    async def count(self, pod, number, dies=""):
        """A batch of lines, as the forwarder has it counted and settled."""
        batch = lines_batch(*(b"%d" % number for _ in range(number)), pod=pod, origin=ORIGIN)
        while True:
            receipt = await self.counts.send(batch, self.counts.encode(batch))
            if dies == "before":
                dies = ""
                await self.crash(pod, number)
                continue  # it was not settled: it comes again
            await self.journal.settle((), (), receipt.memo, "counts")
            break
        if dies == "after":
            await self.crash(pod, number)
        else:
            receipt.settled()
        self.counted += {(PER_POD, pod.name): number * number, OF_ALL: number, HISTOGRAM: number}

    async def count_and_die_before_settling(self, pod, number):
        await self.count(pod, number, "before")

    async def count_and_die_after_settling(self, pod, number):
        await self.count(pod, number, "after")

    async def tell(self, _pod=None, _number=0):
        self.backends.now_unix += 15
        self.seconds += 15
        await self.own.tell("counts")

    async def die_telling(self, pod, number):
        self.journal.dies_telling = True
        if self.counts.owners():
            with pytest.raises(BaseExceptionGroup) as died:
                await self.tell()
            assert died.group_contains(KilledError)
        await self.crash(pod, number)

    async def fall_silent(self, _pod, _number):
        """Nobody's lines come for long, and all else goes on."""
        self.seconds += EXPIRE_SECONDS

    async def deliver(self, _pod, _number, names=DESTINATIONS):
        for name in names:
            work = await self._work(name)
            while lanes := list(work.lanes()):
                for lane in lanes:
                    await work.lane(LaneState(lane)).run()

    async def deliver_to_one(self, pod, number):
        await self.deliver(pod, number, (DESTINATIONS[number % len(DESTINATIONS)],))

    async def deliver_to_a_faulty_one(self, pod, number):
        name = DESTINATIONS[number % len(DESTINATIONS)]
        self.backends.play(name, _FAULTS[number // len(DESTINATIONS) % len(_FAULTS)])
        await self.deliver(pod, number, (name,))

    async def crash(self, _pod, _number):
        await self.journal.close()
        self._start()
        await self._recall()

    async def crash_before_settling(self, pod, number):
        """What a destination took, and the journal does not know of."""
        name = DESTINATIONS[number % len(DESTINATIONS)]
        if not self.journal.owing(name):
            return
        self.journal.dies_at = name
        with pytest.raises(KilledError):
            await self.deliver(pod, number, (name,))
        await self.crash(pod, number)

    async def _work(self, name):
        if name not in self.works:
            scene = _Scene(self, self.sinks[name])
            self.works[name] = PointsWork(replace(desk_of(scene), name=name), opening)
            await self.works[name].recall(
                {uid: it for uid, it in (await self.journal.memo(name)).items() if is_counted(uid)}
            )
        return self.works[name]

    def shown(self):
        """What each destination has of what was counted."""
        assert self.backends.front.emf_faults == []
        return {DATADOG: self._at_datadog(), CLOUDWATCH: self._at_cloudwatch(), REMOTE_WRITE: self._at_remote_write()}

    def _at_datadog(self):
        points = self.backends.intake.points
        found = {(PER_POD, pod.name): points.count(PER_POD, f"pod_name:{pod.name}") for pod in self.pods}
        found |= {OF_ALL: points.count(OF_ALL)}
        found[HISTOGRAM] = points.count(f"{HISTOGRAM}.count", f"workload:{self.pods[0].workload}")
        return Counter(found)

    def _at_cloudwatch(self):
        """What came twice after an answer that was lost is the same, and left out."""
        points = {}
        for datum in self.backends.front.metrics:
            said = datum.count if datum.name == HISTOGRAM else datum.total
            assert points.setdefault((datum.name, datum.dimensions, datum.time_ms), said) == said
        found = Counter()
        for (name, dimensions, _), value in points.items():
            pod = dict(dimensions).get("FullPodName")
            found[(name, pod) if name == PER_POD else name] += value
        return found

    def _at_remote_write(self):
        """The totals of now: Prometheus sees them rise and begin again."""
        found = Counter()
        for labels, samples in self.backends.receiver.series.items():
            own = dict(labels)
            if own["__name__"].removesuffix("_count") not in NAMES:
                continue
            name = own["__name__"].removesuffix("_count")
            values = [value for _, value in samples if not is_stale(value)]
            found[(name, own["pod"]) if name == PER_POD else name] += values[-1]
        return found


class _Scene:
    """What one sink's desk is made from."""

    def __init__(self, world, sink):
        self._world, self.sink = world, sink
        self.journal, self.waits = world.journal, world.waits

    @property
    def now_unix(self):
        return self._world.now_unix
