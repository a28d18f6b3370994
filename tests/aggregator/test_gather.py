import asyncio

from aggregator.core.records import Debt
from aggregator.forwarder.gather import Gatherer, Shared
from aggregator.forwarder.opener import Opener
from aggregator.forwarder.room import Room
from aggregator.forwarder.settling import settlements_of
from aggregator.sink import Limits
from tests.aggregator.forwarding import Stock
from tests.fakes.memory_sink import MemorySink


def gatherer(stock, room, lane="all"):
    sink = stock.sinks["out"]
    shared = Shared(opener=Opener(0), room=room, clock=lambda: 0.0, plan_of=lambda pod, origin: None, count=print)
    return Gatherer(stock.journal, sink, ("out", lane), shared)


def lines_of(batch):
    return [line for piece in batch.slices for line in piece.lines]


def settle(gather, batch):
    gather.settled(settlements_of(batch, Debt("out", "all"), gather.is_last_of))


async def test_what_was_handed_out_is_not_handed_out_again():
    stock = Stock({"out": MemorySink(limits=Limits(max_lines=2, max_bytes=1000))})
    await stock.add(b"1\n2\n3\n")
    gather = gatherer(stock, Room(1 << 20))
    first, second, third = [await gather.batch() for _ in range(3)]
    assert (lines_of(first), lines_of(second), third) == ([b"1", b"2"], [b"3"], None)


async def test_what_was_let_go_is_handed_out_again():
    stock = Stock({"out": MemorySink(limits=Limits(max_lines=2, max_bytes=1000))})
    await stock.add(b"1\n2\n3\n")
    gather = gatherer(stock, Room(1 << 20))
    await gather.batch()
    gather.let_go()
    assert lines_of(await gather.batch()) == [b"1", b"2"]


async def test_all_room_is_given_back_once_everything_is_settled():
    room = Room(100)
    stock = Stock({"out": MemorySink()})
    await stock.add(b"x" * 5000 + b"\n")
    gather = gatherer(stock, room)
    batch = await gather.batch()
    assert not room.claim_now(1)
    settle(gather, batch)
    assert room._free_bytes == 100


async def test_all_room_is_given_back_when_everything_is_let_go():
    room = Room(100)
    stock = Stock({"out": MemorySink()})
    await stock.add(b"x" * 5000 + b"\n")
    gather = gatherer(stock, room)
    await gather.batch()
    gather.let_go()
    assert room._free_bytes == 100


async def test_a_lane_that_holds_nothing_waits_for_room():
    room = Room(1000)
    stock = Stock({"out": MemorySink(lane=lambda pod, origin: origin.path)})
    await stock.add(b"x" * 5000 + b"\n", path="/a")
    await stock.add(b"b\n", path="/b")
    one, other = gatherer(stock, room, "/a"), gatherer(stock, room, "/b")
    batch = await one.batch()
    async with asyncio.TaskGroup() as group, asyncio.timeout(10):
        waiting = group.create_task(other.batch())
        await asyncio.sleep(0)
        assert not waiting.done()
        settle(one, batch)
        assert lines_of(await waiting) == [b"b"]


async def test_a_lane_that_holds_something_goes_on_without_waiting_for_room():
    room = Room(1000)
    stock = Stock({"out": MemorySink(key=lambda pod, origin: pod.name)})
    for pod in ("a", "b", "c"):
        await stock.add(b"x" * 5000 + b"\n", pod=pod)
    gather, seen = gatherer(stock, room), []
    async with asyncio.timeout(10):
        while (batch := await gather.batch()) is not None:
            seen.append(batch.key)
            settle(gather, batch)
            for piece in batch.slices:
                del stock.journal.blocks[piece.block_id]
    assert seen == ["a", "b", "c"]


async def test_who_waits_for_room_and_is_cancelled_takes_none():
    room = Room(10)
    await room.claim(20)
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(room.claim(5))
        await asyncio.sleep(0)
        waiting.cancel()
    room.change(-20)
    assert room._free_bytes == 10


async def test_a_block_whose_lines_are_all_settled_is_spent():
    stock = Stock({"out": MemorySink()})
    await stock.add(b"one\n")
    (stored,) = stock.journal.blocks.values()
    stored.owed = dict.fromkeys(stored.owed, stored.block.end)
    gather = gatherer(stock, Room(1000))
    assert await gather.batch() is None
    assert [(spent.piece.block_id, spent.reason) for spent in gather.spent] == [(stored.block.block_id, "")]


async def test_a_block_of_another_key_is_not_opened_before_its_turn():
    stock = Stock({"out": MemorySink(key=lambda pod, origin: pod.name)})
    await stock.add(b"one\n", pod="a")
    await stock.add(b"broken\n", pod="b", codec="none")
    gather = gatherer(stock, Room(1 << 20))
    assert lines_of(await gather.batch()) == [b"one"]
    assert not gather.spent
