"""Pods spread over lanes, as the Datadog sink spreads them: batches stay full, pods in order, and few pods lose nothing by it."""

import asyncio
import zlib

from aggregator.sink import Limits
from tests.aggregator.forwarding import Stock, deliver_all, forwarding
from tests.fakes.memory_sink import MemorySink

LIMITS = Limits(max_lines=100, max_bytes=1_000_000)
BLOCK_LINES = 250


def spread(lanes):
    return lambda pod, origin: f"logs-{zlib.crc32(pod.uid.encode()) % lanes}"


async def backlog(sink, pods, blocks):
    stock = Stock({"out": sink})
    for block in range(blocks):
        for pod in range(pods):
            lines = [b"p%d %d" % (pod, block * BLOCK_LINES + line) for line in range(BLOCK_LINES)]
            await stock.add(b"".join(line + b"\n" for line in lines), pod=f"p{pod}")
    return stock


async def test_batches_are_full_while_there_is_a_backlog():
    sink = MemorySink(limits=LIMITS, lane=spread(4))
    await deliver_all(await backlog(sink, pods=12, blocks=4))
    short = [len(batch) for batch in sink.accepted if len(batch) < LIMITS.max_lines]
    assert len(sink.lines) == 12 * 4 * BLOCK_LINES
    assert len(short) <= 4  # the last of each lane


async def test_lines_of_a_pod_arrive_in_order():
    sink = MemorySink(limits=LIMITS, lane=spread(4))
    await deliver_all(await backlog(sink, pods=9, blocks=3))
    for pod in range(9):
        seen = [int(line.split()[1]) for line in sink.lines if line.startswith(b"p%d " % pod)]
        assert seen == list(range(3 * BLOCK_LINES))


async def test_as_many_requests_are_under_way_as_there_are_lanes_with_something_owed():
    sink = MemorySink(limits=LIMITS, lane=spread(4))
    sink.gate = asyncio.Event()
    async with forwarding(await backlog(sink, pods=12, blocks=1)):
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(sink.attempts) == 4


async def test_a_pod_by_itself_is_sent_as_if_there_were_one_lane():
    batches = []
    for lanes in (1, 4, 64):
        sink = MemorySink(limits=LIMITS, lane=spread(lanes))
        await deliver_all(await backlog(sink, pods=1, blocks=5))
        batches.append(sink.accepted)
    assert batches[0] == batches[1] == batches[2]
    assert len(batches[0]) == 5 * BLOCK_LINES // 100 + 1
