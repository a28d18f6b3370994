"""Whatever becomes of pods, collectors and this process: what was counted arrives, and what is sent again is the same."""

import asyncio
from collections import defaultdict
from dataclasses import replace

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.core.joining import link_after, link_of
from aggregator.core.records import OwedBlock
from aggregator.forwarder.points_work import PointsWork
from aggregator.forwarder.state import LaneState
from tests.aggregator.forwarding import Waits
from tests.aggregator.pointing import START_UNIX, PodTeller, desk_of, opening
from tests.fakes.memory_metric_sink import MemoryMetricSink
from towline.wire.codec import encode_request
from towline.wire.identity import Origin

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

    def owe(self, teller, request, link):
        raw = encode_request(request)
        number = max(self.blocks, default=0) + 1
        self.blocks[number] = OwedBlock(
            block_id=number,
            stream="metrics:x",
            epoch=0,
            start=0,
            end=len(raw),
            place=int(link),
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


class Counted:
    """One pod: what it says, and by a naive reckoning what of that the destination must get."""

    def __init__(self, number):
        self.teller = PodTeller(f"web-{number}")
        self.values = {OWN: 0, APP: 0}
        self.newest = 0
        self.owed = []  # (block number, request, link) in order
        self.here = 0  # of OWN: said in snapshots that were taken here
        self.said = 0  # of OWN: in the last snapshot of this run, wherever it was taken
        self.app = 0.0  # of APP: what was delivered adds up to
        self.app_last = 0
        self.is_known = False  # something of this pod was delivered before


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

    async def say(self, pod, _=0, *, hidden=(), goodbye=False, is_old=False):
        teller = pod.teller
        families = teller.snapshot({OWN: pod.values[OWN]}, from_zero=True, goodbye=goodbye)
        app = PodTeller("x").snapshot({name: pod.values[name] for name in (APP,) if name not in hidden})
        taken = families.taken_unix_ns - (10**13 if is_old else 0)
        request = msgspec.structs.replace(families, families=(*families.families, *app.families), taken_unix_ns=taken)
        link = link_of(request.sequence, pod.newest)
        pod.newest = request.sequence
        if link or request.sequence == 1:
            pod.here += pod.values[OWN] - pod.said
        pod.said = pod.values[OWN]
        pod.owed.append([self.journal.owe(teller, request, link), request, link])

    async def say_old(self, pod, _):
        await self.say(pod, is_old=True)

    async def hide(self, pod, _):
        await self.say(pod, hidden=(APP,))

    async def elsewhere(self, pod, _):
        pod.teller.sequence += 1
        pod.said = pod.values[OWN]

    async def shed(self, pod, _):
        """As the journal does: the chain goes on. The last snapshot of a life says what no other does: it is kept here."""
        is_last = len(pod.owed) < 2 or pod.owed[0][1].run != pod.owed[1][1].run
        if is_last or self.is_torn:
            return
        (number, _, link), following = pod.owed.pop(0), pod.owed[0]
        following[2] = link_after(link, following[2])
        del self.journal.blocks[number]
        kept = self.journal.blocks[following[0]]
        self.journal.blocks[following[0]] = replace(kept, place=int(following[2]))

    async def new_run(self, pod, _):
        pod.teller.run += "x"
        pod.teller.sequence = pod.newest = pod.said = pod.values[OWN] = 0

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
        """By plain subtraction, what a counter of the app has counted between the snapshots that were delivered."""
        for pod in self.pods:
            for _, request, link in pod.owed:
                value = next((it.samples[0].value for it in request.families if it.name == APP), None)
                if value is not None:
                    if pod.is_known and link and pod.app_last is not None:
                        pod.app += value - pod.app_last if value >= pod.app_last else value
                    pod.app_last = value
                elif not link:
                    pod.app_last = None  # another aggregator counted meanwhile, nobody knows how far
                pod.is_known = not request.goodbye
                if request.goodbye:
                    pod.app_last = 0  # a series that is new to a pod that is known began meanwhile
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
        assert (total[uid, OWN], total[uid, APP]) == (pod.here, pod.app), story


@settings(max_examples=60, deadline=None)
@given(steps)
def test_what_was_counted_arrives_once_whatever_happens(story):
    asyncio.run(live(story))
