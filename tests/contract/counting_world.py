"""Pods that count, a journal, and the forwarder's work for three sinks; and what happens to them, one word at a time."""

import shutil
from collections import defaultdict
from dataclasses import replace
from itertools import count

import pytest

from aggregator.core.records import Debt
from aggregator.forwarder.points_work import PointsWork
from aggregator.forwarder.state import LaneState
from aggregator.journal import Custody, Journal, Share
from tests.aggregator.forwarding import Waits
from tests.aggregator.pointing import desk_of, opening
from tests.contract.counting_pods import APP, COUNTERS, STATSD, CountingPod
from tests.contract.knowable import by_falls, by_increase, by_lives
from tests.contract.mortal_journal import KilledError, MortalJournal
from tests.contract.three_backends import CLOUDWATCH, DATADOG, NAMES, REMOTE_WRITE
from tests.fakes.script import Answer, Recorded, Reset
from towline.wire.codec import compress, decode_request, encode_request, open_body
from towline.wire.snapshot import SnapshotRequest

PODS = 3
_ROOM_BYTES, _TIGHT_BYTES = 1 << 24, 900  # a share that sheds nothing, and one that holds two snapshots
_FAULTS = (Recorded("cut"), Answer(503), Reset())
_numbers = count()


class World:
    """`history[sink, pod]`: the snapshots that were delivered, in the order in which they were taken."""

    def __init__(self, folder, backends):
        self.number = next(
            _numbers
        )  # a request of a process that is no more may still be on its way: names are used once
        self.folder, self.backends = folder / str(self.number), backends
        self.folder.mkdir()
        self.waits = Waits()
        backends.forget()
        self.pods = [CountingPod(f"web{self.number}-{number}") for number in range(PODS)]
        self.history = defaultdict(list)
        self.torn = (
            set()
        )  # sinks that sent what is not settled: were that shed or too old now, it would count in the next point again

    async def __aenter__(self):
        self._start()
        return self

    async def __aexit__(self, *exc):
        await self.journal.close()
        shutil.rmtree(self.folder)

    def _start(self, **tight):
        shares = {name: Share(name, tight.get(name, _ROOM_BYTES), "shed") for name in NAMES}
        self.journal = MortalJournal(Journal.open(self.folder / "journal.db", 1 << 26, shares))
        self.sinks, self.works = self.backends.sinks(), {}

    async def _restart(self, **tight):
        await self.journal.close()
        self._start(**tight)

    @property
    def now_unix(self):
        return self.backends.now_unix

    async def step(self, word, pod, number):
        await getattr(self, word)(pod, number)

    async def count(self, pod, number):
        pod.count(number)

    async def say(self, pod, _=0, **more):
        await self._pass(15)
        pod.gather(self.now_unix, **more)
        taken = 0
        while (request := pod.freeze()) is not None:
            taken += await self._take(pod, request)
            pod.taken(request.sequence)
        return taken

    async def say_lost(self, pod, _):
        """It is sent again before the next."""
        await self._pass(15)
        pod.gather(self.now_unix)
        pod.freeze()

    async def say_twice(self, pod, _):
        """The answer was lost."""
        await self.say_lost(pod, 0)
        await self._take(pod, pod.freeze())
        await self.say(pod)

    async def say_late(self, pod, number):
        """What was on its way when the collector was killed comes after its next life's first word."""
        await self.say(pod)
        pod.count(number)
        await self.say_lost(pod, 0)
        late = pod.freeze()
        pod.restart_collector()
        pod.count(number)
        await self.say(pod)
        await self._take(pod, late)

    async def say_first_too_late(self, pod, number):
        """As before, and it was the first word of that life."""
        pod.restart_collector()
        pod.count(number)
        await self.say_lost(pod, 0)
        late = pod.freeze()
        pod.restart_collector()
        pod.count(number)
        await self.say(pod)
        await self._take(pod, late)

    async def say_old(self, pod, number):
        """It was long on its way: too long for all who have a limit, or for one of them."""
        await self.say_lost(pod, 0)
        await self._pass(7200 if number % 2 else 3570)
        await self.say(pod)

    async def shed(self, pod, number):
        """As the journal does by itself, where a sink's share is used up."""
        name = NAMES[number % len(NAMES)]
        if name in self.torn:
            return
        await self._restart(**{name: _TIGHT_BYTES})
        taken = len(await self._owed(name))
        for _ in range(3):
            pod.count(number)
            taken += await self.say(pod)
        assert taken - len(await self._owed(name)) == self.journal.counters.shed_snapshots > 0
        await self._restart()

    async def restart_app(self, pod, _):
        pod.restart_app()

    async def restart_app_slowly(self, pod, _):
        """So that a scrape finds nobody."""
        pod.restart_app()
        await self.say(pod, app_answers=False)

    async def restart_collector(self, pod, _):
        pod.restart_collector()

    async def goodbye(self, pod, _):
        await self.say(pod, goodbye=True)
        pod.restart_collector()

    async def deliver(self, _pod, _number, names=NAMES):
        for name in names:
            owed = await self._owed(name)
            work = await self._work(name)
            while lanes := list(work.lanes()):
                for lane in lanes:
                    await work.lane(LaneState(lane)).run()
            self.torn.discard(name)
            for pod, seen in owed:
                self.history[name, pod.name].append(seen)

    async def deliver_to_one(self, pod, number):
        await self.deliver(pod, number, (NAMES[number % len(NAMES)],))

    async def deliver_to_a_faulty_one(self, pod, number):
        name = NAMES[number % len(NAMES)]
        self.backends.play(name, _FAULTS[number // len(NAMES) % len(_FAULTS)])
        await self.deliver(pod, number, (name,))

    async def crash(self, _pod, _number):
        await self._restart()

    async def crash_before_settling(self, pod, number):
        name = NAMES[number % len(NAMES)]
        if not await self._owed(name):
            return
        self.journal.dies_at = name
        with pytest.raises(KilledError):
            await self.deliver(pod, number, (name,))
        self.torn.add(name)
        await self._restart()

    async def _pass(self, seconds):
        """Nothing that was sent and is not settled grows too old meanwhile."""
        for name in list(self.torn):
            if await self._owed(name) != await self._owed(name, seconds):
                await self.deliver(None, 0, (name,))
        self.backends.now_unix += seconds

    async def _take(self, pod, request):
        raw = encode_request(request)
        custody = Custody(
            codec="zstd",
            body=compress(raw),
            length=len(raw),
            owed=tuple(Debt(name, sink.lane(pod.pod)) for name, sink in self.sinks.items()),
            taken_unix_ns=request.taken_unix_ns,
            goodbye=request.goodbye,
        )
        _, is_new = await self.journal.snapshot(pod.pod, request.run, request.sequence, custody)
        return is_new

    async def _owed(self, name, later_seconds=0):
        """What is there to deliver, then: each pod's snapshots, in order."""
        owed = []
        for lane, uids in self.journal.owing(name).items():
            for pod in self.pods:
                if pod.pod.uid in uids:
                    blocks = await self.journal.take(name, lane, pod.pod.uid, 0, 1 << 24)
                    owed += [(pod, self._seen(name, pod, block, later_seconds)) for block in blocks]
        return owed

    def _seen(self, name, pod, block, later_seconds):
        said = decode_request(open_body(block.codec, block.body, block.end - block.start), SnapshotRequest)
        seen, taken = pod.said[int(said.run), said.sequence]
        return seen._replace(is_sent=self.now_unix + later_seconds - taken <= self.sinks[name].max_age_seconds)

    async def _work(self, name):
        if name not in self.works:
            scene = _Scene(self, self.sinks[name])
            self.works[name] = PointsWork(replace(desk_of(scene), name=name), opening)
            await self.works[name].recall(await self.journal.memo(name))
        return self.works[name]

    def known(self, pod):
        """What each destination can know of the pod's counters."""
        told = {name: self.history[name, pod.name] for name in NAMES}
        deltas = {
            name: {
                **{counter: by_lives(told[name], counter) for counter in STATSD},
                **{counter: by_falls(told[name], counter) for counter in APP},
            }
            for name in (DATADOG, CLOUDWATCH)
        }
        increases = {
            counter: by_increase(told[REMOTE_WRITE], counter, begins_at_0=counter in STATSD) for counter in COUNTERS
        }
        return {**deltas, REMOTE_WRITE: increases}


class _Scene:
    """What one sink's desk is made from."""

    def __init__(self, world, sink):
        self._world, self.sink = world, sink
        self.journal, self.waits = world.journal, world.waits

    @property
    def now_unix(self):
        return self._world.now_unix
