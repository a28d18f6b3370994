"""Totals of lines told to destinations of metrics: when, as whom, and what happens where that is not possible."""

import asyncio

import pytest

from aggregator.core.counted import is_counted
from aggregator.journal import JournalFullError
from aggregator.metric_sink import Terms
from aggregator.own_snapshots import Clocks, OwnSnapshots
from tests.aggregator.counting import Telling
from tests.aggregator.sinks.batches import POD
from tests.aggregator.sinks.to_log_metrics import LATENCY, QUEUE, REQUESTS, lines_batch, sink_of
from tests.fakes.memory_metric_sink import MemoryMetricSink
from towline.wire.identity import Pod

OK = b'"GET / HTTP/1.1" 200 5'
TOTAL = 'nginx_requests_total{code="200"}'


@pytest.fixture
async def telling_of(tmp_path):
    made = []

    def make(*rules, **options):
        made.append(Telling(tmp_path, *rules, **options))
        return made[-1]

    yield make
    for one in made:
        await one.journal.close()


async def test_each_owner_speaks_with_the_identity_that_its_lines_came_with(telling_of):
    telling = telling_of(
        REQUESTS,
        {"name": "w_total", "type": "counter", "per": "workload"},
        {"name": "a_total", "type": "counter", "per": "all"},
        aggregator="agg-7",
    )
    await telling.count(OK)
    await telling.tell()
    said = {pod.name or pod.workload: (pod, request) for pod, request in await telling.said()}
    pod, request = said[POD.name]
    own = (pod.namespace, pod.labels, pod.cluster, pod.region, pod.account, pod.workload)
    assert own == (POD.namespace, POD.labels, POD.cluster, POD.region, POD.account, POD.workload)
    assert (pod.uid != POD.uid, is_counted(pod.uid)) == (True, True)
    assert [(it.name, it.source, it.from_zero) for it in request.families] == [("nginx_requests_total", "logs", True)]
    assert request.families[0].samples[0].labels == {"code": "200", "aggregator": "agg-7"}
    web, of_web = said["web"]
    assert (web.namespace, web.name, web.cluster) == ("shop", "", "main")
    assert set(web.labels) == {"tags.datadoghq.com/env", "tags.datadoghq.com/service"}
    assert of_web.families[0].samples[0].labels == {"workload": "web", "aggregator": "agg-7"}
    everybody, _ = said[""]
    assert (everybody.namespace, everybody.name, everybody.cluster, everybody.labels) == ("", "", "main", {})


async def test_what_arrives_is_what_was_counted_whatever_restarts_between(telling_of):
    telling = telling_of(REQUESTS, QUEUE, LATENCY)
    for number in range(4):
        await telling.count(OK, OK, b"queue=%d" % number, b'{"ms":50}')
        await telling.tell()
        if number % 2:
            await telling.deliver()
        await telling.restart()
    await telling.deliver()
    assert telling.totals() == {
        TOTAL: 8,
        'shop_seconds_bucket{le="0.1"}': 4,
        'shop_seconds_bucket{le="1"}': 4,
        'shop_seconds_bucket{le="+Inf"}': 4,
        "shop_seconds_sum{}": pytest.approx(0.2),
        "shop_seconds_count{}": 4,
    }
    gauges = [point.value for point in telling.sinks["dd.metrics"].points if point.kind == "gauge"]
    assert gauges == [0, 1, 2, 3]


async def test_the_journal_says_after_a_restart_which_number_was_the_last(telling_of):
    telling = telling_of()
    await telling.count(OK)
    for _ in range(2):
        await telling.tell()
        await telling.tell()
        await telling.restart()
    said = [request for _, request in await telling.said()]
    assert [request.sequence for request in said] == [1, 2, 3, 4]
    assert len({request.run for request in said}) == 1


async def test_who_comes_back_after_its_end_is_counted_from_0_in_a_run_of_its_own(telling_of):
    telling = telling_of(expire_seconds=100)
    await telling.count(OK, OK)
    await telling.tell()
    telling.now += 100
    await telling.tell()  # it is silent now
    assert await telling.journal.memo("counts") == {}
    said = [(request.sequence, bool(request.families), request.goodbye) for _, request in await telling.said()]
    assert said == [(1, True, False), (2, False, True)]
    await telling.tell()
    assert len(await telling.said()) == 2
    await telling.count(*[OK] * 5)
    await telling.tell()
    await telling.deliver()
    assert telling.totals() == {TOTAL: 7}


async def test_nothing_ends_before_it_was_told(telling_of):
    telling = telling_of(expire_seconds=1)
    await telling.count(OK)
    telling.now += 500
    await telling.count(OK, pod=Pod(namespace="shop", name="other", uid="o"))
    telling.now += 500
    await telling.tell()
    await telling.deliver()
    assert sum(telling.totals().values()) == 2
    await telling.tell()
    assert len(telling.sink.owners()) == 0


async def test_who_comes_back_before_anybody_saw_its_end_goes_on(telling_of):
    telling = telling_of(expire_seconds=100)
    await telling.count(OK)
    await telling.tell()
    telling.now += 200
    await telling.count(OK)
    await telling.tell()
    await telling.deliver()
    assert telling.totals() == {TOTAL: 2}


async def test_sinks_forget_who_is_no_more(telling_of):
    telling = telling_of(expire_seconds=100)
    await telling.count(OK)
    await telling.tell()
    await telling.deliver()
    assert len(await telling.journal.memo("dd.metrics")) == 1
    telling.now += 100
    await telling.tell()
    await telling.deliver()
    assert await telling.journal.memo("dd.metrics") == {}
    assert telling.totals() == {TOTAL: 1}


async def test_nobody_says_goodbye_before_the_journal_has_its_end(telling_of):
    telling = telling_of(expire_seconds=100)
    await telling.count(OK)
    await telling.tell()
    telling.now += 100
    assert telling.sink.owners() == []
    batch = lines_batch(OK, pod=Pod(namespace="shop", name="other", uid="o"))
    receipt = await telling.sink.send(batch, telling.sink.encode(batch))
    await telling.tell()
    assert [request.goodbye for _, request in await telling.said()] == [False]
    await telling.journal.settle((), (), receipt.memo, "counts")
    receipt.settled()
    await telling.tell()
    assert sorted(request.goodbye for _, request in await telling.said()) == [False, False, True]


async def test_a_journal_without_room_is_asked_again_at_the_next_time(telling_of):
    telling = telling_of()

    class Full:
        def __init__(self, journal):
            self.journal = journal

        def __getattr__(self, name):
            return getattr(self.journal, name)

        async def snapshot(self, *_):
            raise JournalFullError("journal: full")

    await telling.count(OK)
    telling.own.journal = Full(telling.journal)
    await telling.tell()
    await telling.count(OK)
    telling.own.journal = telling.journal
    await telling.tell()
    await telling.deliver()
    assert telling.totals() == {TOTAL: 2}


async def test_a_destination_that_is_new_is_told_of_what_comes_from_then_on(telling_of):
    telling = telling_of()
    await telling.count(*[OK] * 100)
    await telling.tell()
    await telling.deliver()
    telling.sinks = {**telling.sinks, "new.metrics": MemoryMetricSink()}
    await telling.restart()
    await telling.tell()
    await telling.count(OK)
    await telling.tell()
    await telling.deliver()
    assert (telling.totals(), telling.totals("new.metrics")) == ({TOTAL: 101}, {TOTAL: 1})


@pytest.mark.parametrize("again", [False, True])
async def test_what_was_counted_while_nobody_was_told_is_told_to_nobody(telling_of, again):
    telling = telling_of()
    if again:  # there was somebody before
        await telling.count(OK)
        await telling.tell()
        await telling.deliver()
    sinks, telling.sinks = telling.sinks, {}
    await telling.restart()
    await telling.count(*[OK] * 100)
    assert list(telling.own.counting) == []
    telling.sinks = sinks
    await telling.restart()
    await telling.tell()
    await telling.restart()  # nothing of that is forgotten
    await telling.count(OK, OK)
    await telling.tell()
    await telling.deliver()
    assert telling.totals() == {TOTAL: 2 + again}


async def test_who_wants_nothing_of_lines_is_owed_nothing(telling_of):
    quiet = MemoryMetricSink()
    quiet.terms = Terms(of_lines=False)
    telling = telling_of(sinks={"dd.metrics": MemoryMetricSink(), "new.metrics": quiet})
    await telling.count(OK)
    await telling.tell()
    assert (len(await telling.said()), await telling.said("new.metrics")) == (1, [])
    assert OwnSnapshots(telling.journal, {"counts": telling.sink}, {"new.metrics": quiet}).counting == {}
    off = sink_of(REQUESTS, push_seconds=0)
    assert OwnSnapshots(telling.journal, {"counts": off}, telling.sinks).counting == {}


async def test_at_the_end_the_last_lines_are_counted_first_and_told_then(telling_of):
    telling = telling_of()
    owing = {"lane": {"pod"}}
    slept = []

    class Draining:
        def __getattr__(self, name):
            return getattr(telling.journal, name)

        def owing(self, _):
            return owing

    async def sleep(seconds):
        slept.append(seconds)
        if len(slept) == 3:
            owing.clear()
            await telling.count(OK)

    telling.own.journal = Draining()
    telling.own.clocks = Clocks(wall_unix_ns=lambda: int(telling.now * 1e9), sleep=sleep, monotonic=lambda: 0.0)
    stop, said = asyncio.Event(), asyncio.Event()
    stop.set()
    async with asyncio.timeout(10):
        await telling.own.run(stop, said)
    assert said.is_set()
    assert [request.families[0].samples[0].value for _, request in await telling.said()] == [1]


async def test_where_nothing_counts_the_end_is_at_once(telling_of):
    telling = telling_of(sinks={})
    stop, said = asyncio.Event(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(telling.own.run(stop, said))
        await asyncio.sleep(0)
        assert not said.is_set()
        stop.set()
        await task
    assert said.is_set()


async def test_a_pods_tags_that_change_are_those_of_the_next_snapshot_in_the_same_run(telling_of):
    telling = telling_of()
    await telling.count(OK)
    await telling.tell()
    moved = Pod(namespace=POD.namespace, name=POD.name, uid="another", workload="web")
    await telling.count(OK, pod=moved)
    await telling.restart()
    await telling.tell()
    [(first, before), (second, after)] = await telling.said()
    assert (first.uid, before.run, first.labels, second.labels) == (second.uid, after.run, POD.labels, {})
