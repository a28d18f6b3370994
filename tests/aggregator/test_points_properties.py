"""Whatever becomes of pods, collectors and this process: what was counted arrives, and what is sent again is the same."""

import asyncio
from collections import defaultdict
from typing import NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.core.joining import Chain
from aggregator.core.records import OwedBlock
from aggregator.forwarder.points_work import PointsWork
from aggregator.forwarder.state import LaneState
from tests.aggregator.forwarding import Waits
from tests.aggregator.pointing import START_UNIX, PodTeller, desk_of, opening
from tests.fakes.memory_metric_sink import MemoryMetricSink
from towline.wire.codec import encode_request
from towline.wire.identity import Origin
from towline.wire.snapshot import SnapshotRequest

OWN, APP = (
    "own_total",
    "app_total",
)  # counted by the collector, from 0 in each of its lives; and by the app, whatever the collector does
PODS = 3
WORDS = (
    *("count", "count", "say", "say", "say_old", "hide", "elsewhere", "shed", "new_run", "app_restart", "goodbye"),
    *("deliver", "crash_before_send", "crash_before_settle"),
)
steps = st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, PODS - 1), st.integers(1, 9)), max_size=60)


class KilledError(BaseException):
    """The process is no more."""


class Ledger:
    """The journal's part, in memory: what is owed, in order, and memos. `dies`: at the next settlement."""

    def __init__(self):
        self.blocks = {}
        self.memos = {}
        self.dies = False

    def owe(self, teller, request, chain):
        raw = encode_request(request)
        number = max(self.blocks, default=0) + 1
        self.blocks[number] = OwedBlock(
            block_id=number,
            stream="metrics:x",
            epoch=0,
            start=0,
            end=len(raw),
            place=chain.packed(),
            codec="none",
            body=raw,
            read_unix_ns=request.taken_unix_ns,
            partial=False,
            continues=False,
            pod=teller.pod,
            origin=Origin(path=""),
        )
        return number

    def owing(self, sink):
        pods = dict.fromkeys(block.pod.uid for block in self.blocks.values())
        return {"all": pods} if pods else {}

    async def take(self, sink, lane, pod_uid, after_block_id, max_bytes):
        found = (it for number, it in sorted(self.blocks.items()) if it.pod.uid == pod_uid and number > after_block_id)
        return list(found)[:2]

    async def settle(self, settlements, dead=(), memo=None, sink=""):
        if self.dies:
            raise KilledError
        for one in settlements:
            self.blocks.pop(one.block_id)
        for key, text in memo.items():
            self.memos[key] = text
            if not text:
                del self.memos[key]

    async def memo(self, sink):
        return dict(self.memos)


class Owed(NamedTuple):
    """A snapshot that was taken here. start: since this number its run was taken here without a hole."""

    block_id: int
    request: SnapshotRequest
    start: int

    @property
    def values(self):
        return {family.name: family.samples[0].value for family in self.request.families}


class Counted:
    """One pod: what it says, and by plain subtraction what the destination must get of what is delivered."""

    def __init__(self, number):
        self.teller = PodTeller(f"web-{number}")
        self.values = {OWN: 0, APP: 0}
        self.newest, self.start = 0, 1  # of this run, here
        self.owed = []
        self.own = self.app = 0.0  # what must have arrived
        self.own_last = {}  # by run and start
        self.app_last, self.app_was_seen = 0, False
        self.known = None  # the run and number of what was delivered last

    def reckon(self, owed):
        """A snapshot is delivered."""
        said, values = owed.request, owed.values
        chain = (said.run, owed.start)
        self.own += values[OWN] - self.own_last.get(chain, 0 if owed.start == 1 else values[OWN])
        self.own_last[chain] = values[OWN]
        follows = self._follows(owed)
        if APP in values:
            if follows and self.app_last is not None:
                self.app += values[APP] - self.app_last if values[APP] >= self.app_last else values[APP]
            self.app_last, self.app_was_seen = values[APP], True
        elif not follows and self.app_was_seen:
            self.app_last = None  # another aggregator counted meanwhile, nobody knows how far
        self.known = (said.run, said.sequence)
        if said.goodbye:
            self.known = None
            self.app_last, self.app_was_seen = 0, False  # a series that is new to a pod that is known began meanwhile

    def _follows(self, owed):
        """Whether all that lies between it and what was delivered last was taken here."""
        if self.known is None:
            return False
        run, sequence = self.known
        return owed.start <= sequence if run == owed.request.run else owed.start == 1


class World:
    def __init__(self):
        self.sink = MemoryMetricSink(max_age_seconds=3600.0)
        self.is_torn = False  # what was sent is not settled: shedding that would count it in the next point again
        self.journal = Ledger()
        self.waits, self.now_unix = Waits(), START_UNIX
        self.pods = [Counted(number) for number in range(PODS)]
        self.start()

    def start(self):
        self.work, self.lane = PointsWork(desk_of(self), opening), LaneState("all")

    async def step(self, word, pod, number):
        await getattr(self, word)(pod, number)

    async def count(self, pod, number):
        for name in (OWN, APP):
            pod.values[name] += number

    async def say(self, pod, _=0, *, hidden=(), goodbye=False):
        teller = pod.teller
        own = teller.snapshot({OWN: pod.values[OWN]}, from_zero=True, goodbye=goodbye)
        app = PodTeller("x").snapshot({name: pod.values[name] for name in (APP,) if name not in hidden})
        request = msgspec.structs.replace(own, families=(*own.families, *app.families))
        goes_on = pod.newest > 0
        if request.sequence != pod.newest + 1:
            pod.start = request.sequence
        pod.newest = request.sequence
        block_id = self.journal.owe(teller, request, Chain(pod.start, goes_on=goes_on))
        pod.owed.append(Owed(block_id, request, pod.start))

    async def say_old(self, pod, _):
        """It will have been too long on its way, and nothing else."""
        await self.deliver(pod, 0)
        await self.say(pod)
        self.now_unix = max(self.now_unix, *(it.teller.unix for it in self.pods)) + 7200
        for other in self.pods:
            other.teller.unix = self.now_unix

    async def hide(self, pod, _):
        await self.say(pod, hidden=(APP,))

    async def elsewhere(self, pod, _):
        pod.teller.sequence += 1

    async def shed(self, pod, _):
        """The pod's oldest, which may be its newest too."""
        if pod.owed and not self.is_torn:
            del self.journal.blocks[pod.owed.pop(0).block_id]

    async def new_run(self, pod, _):
        pod.teller.run += "x"
        pod.teller.sequence = pod.newest = pod.values[OWN] = 0
        pod.start = 1

    async def app_restart(self, pod, number):
        """Seen before it counts beyond what it had counted: else nobody could tell."""
        await self.say(pod)
        await self.deliver(pod, 0)
        pod.values[APP] = 0
        await self.say(pod)
        await self.deliver(pod, 0)

    async def goodbye(self, pod, _):
        await self.say(pod, goodbye=True)
        await self.new_run(pod, 0)

    async def deliver(self, _pod, _):
        await self.work.recall(self.journal.memos)
        while self.work.lanes():
            await self.work.lane(self.lane).run()
        self.is_torn = False
        self.reckon()

    async def crash_before_send(self, _pod, _):
        self.sink.script = [KilledError()]
        await self.crash()
        self.sink.script = []

    async def crash_before_settle(self, _pod, _):
        self.journal.dies = self.is_torn = True
        await self.crash()
        self.journal.dies = False

    async def crash(self):
        try:
            await self.deliver(None, 0)
        except KilledError:
            self.start()

    def reckon(self):
        for pod in self.pods:
            for owed in pod.owed:
                pod.reckon(owed)
            pod.owed = []

    def totals(self):
        """What arrived; a point that was sent again must be the same."""
        points = {}
        for point in self.sink.points:
            if point.kind == "count":
                key = (point.pod, point.series, point.unix_ns)
                assert points.setdefault(key, point.value) == point.value
        total = defaultdict(float)
        for (pod, series, _), value in points.items():
            total[pod, series.removesuffix("{}")] += value
        return total


async def live(story):
    world = World()
    for word, number, amount in story:
        await world.step(word, world.pods[number], amount)
    for pod in world.pods:  # what waits for a next point gets one
        await world.say(pod)
    await world.deliver(None, 0)
    total = world.totals()
    for pod in world.pods:
        uid = pod.teller.pod.uid
        assert (total[uid, OWN], total[uid, APP]) == (pod.own, pod.app), story


@settings(max_examples=60, deadline=None)
@given(steps)
def test_what_was_counted_arrives_once_whatever_happens(story):
    asyncio.run(live(story))
