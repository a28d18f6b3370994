"""Whose fault a refusal is, what becomes of what was refused, and how large the next batch is."""

import asyncio

import structlog

from aggregator.sink import Limits, Receipt
from tests.aggregator.forwarding import Stock, Waits, deliver_all, forwarding
from tests.fakes.memory_sink import MemorySink
from towline.plumbing.errors import RejectedError, TooLargeError


def refuse_all(lines):
    raise RejectedError("400")


def refuse_poison(lines):
    if any(b"poison" in line for line in lines):
        raise RejectedError("400")


async def test_a_destination_that_refuses_everything_is_waited_for_and_makes_no_dead_letters():
    sink = MemorySink(judge=refuse_all)
    stock, waits = Stock({"out": sink}), Waits(limit=3)
    lines = [b"%d" % number for number in range(20)]
    await stock.add(b"".join(line + b"\n" for line in lines))
    with structlog.testing.capture_logs() as events:
        async with forwarding(stock, waits) as forwarder, asyncio.timeout(10):
            await waits.exhausted.wait()
            lane = forwarder.states["out"].lanes["all"]
            assert (lane.state, lane.reason, lane.attempts) == ("waiting", "refuses_everything", 3)
            assert "refuses everything" in lane.last_error
    assert [event["log_level"] for event in events if event["event"] == "everything_refused"] == ["error"]
    assert not stock.journal.dead
    sink.judge = None
    await deliver_all(stock)
    assert (sink.lines, stock.journal.dead, stock.owes) == (lines, [], False)


async def test_413_for_every_single_line_is_the_destinations_fault_too():
    def judge(lines):
        raise TooLargeError("413")

    stock, waits = Stock({"out": MemorySink(judge=judge)}), Waits(limit=2)
    await stock.add(b"x\n" * 9)
    async with forwarding(stock, waits), asyncio.timeout(10):
        await waits.exhausted.wait()
    assert not stock.journal.dead


async def test_a_few_lines_that_are_all_refused_become_dead_letters():
    stock = Stock({"out": MemorySink(judge=refuse_all)})
    await stock.add(b"1\n2\n3\n")
    await deliver_all(stock)
    assert [letter.line for letter in stock.journal.dead] == [b"1", b"2", b"3"]


async def test_refused_lines_add_up_over_batches_until_something_is_accepted():
    sink = MemorySink(judge=refuse_all, limits=Limits(max_lines=3, max_bytes=1000))
    stock, waits = Stock({"out": sink}), Waits(limit=2)
    await stock.add(b"".join(b"%d\n" % number for number in range(9)))
    async with forwarding(stock, waits), asyncio.timeout(10):
        await waits.exhausted.wait()
    assert [letter.line for letter in stock.journal.dead] == [b"%d" % number for number in range(6)]
    sink.judge = None
    await deliver_all(stock)
    assert sink.lines == [b"6", b"7", b"8"]


async def test_many_poison_lines_in_a_row_become_dead_letters_once_a_line_behind_them_is_accepted():
    sink = MemorySink(judge=refuse_poison)
    stock = Stock({"out": sink})
    await stock.add(b"poison\n" * 300 + b"good\n")
    await deliver_all(stock)
    assert (len(stock.journal.dead), sink.lines, stock.owes) == (300, [b"good"], False)


async def test_a_destination_that_refuses_everything_is_not_asked_a_thousand_times_at_once():
    sink = MemorySink(judge=refuse_all)
    stock, waits = Stock({"out": sink}), Waits(limit=1)
    await stock.add(b"x\n" * 1000)
    async with forwarding(stock, waits), asyncio.timeout(10):
        await waits.exhausted.wait()
    assert len(sink.attempts) < 70


async def test_a_line_that_only_our_own_encoding_refuses_is_never_the_destinations_fault():
    def encode(lines):
        raise ValueError("no such thing")

    stock = Stock({"out": MemorySink(encode=encode)})
    await stock.add(b"x\n" * 20)
    await deliver_all(stock)
    assert [letter.reason for letter in stock.journal.dead] == ["unencodable"] * 20


def at_most(bytes_of_lines):
    def judge(lines):
        if sum(map(len, lines)) > bytes_of_lines:
            raise TooLargeError("413")

    return judge


async def test_a_size_that_was_too_large_is_not_tried_again_for_a_while():
    sink = MemorySink(judge=at_most(1000))
    stock = Stock({"out": sink})
    await stock.add(b"x" * 9 + b"\n", pod="first")
    for _ in range(20):
        await stock.add((b"x" * 9 + b"\n") * 200)
    forwarder = await deliver_all(stock)
    assert set(forwarder.states["out"].failures) == {"too_large"}
    assert forwarder.states["out"].failures["too_large"] < 20
    assert len(sink.lines) == 4001
    assert {len(batch) for batch in sink.accepted[-20:-1]} == {len(sink.accepted[-2])}


async def test_a_size_that_was_too_large_is_tried_again_after_a_while():
    sink, waits = MemorySink(judge=at_most(1000)), Waits()
    stock, block = Stock({"out": sink}), (b"x" * 9 + b"\n") * 900
    async with forwarding(stock, waits), asyncio.timeout(10):
        for seconds, largest in ((0, 57), (30, 71), (3600, 900)):
            waits.now += seconds
            sink.judge = at_most(1000) if not seconds else None
            sink.accepted = []
            await stock.add(block)
            while stock.owes:  # noqa: ASYNC110 - nobody is told when a journal owes nothing
                await asyncio.sleep(0)
            assert max(map(len, sink.accepted)) == largest


async def test_one_line_that_is_too_large_does_not_make_batches_of_one():
    def judge(lines):
        if any(len(line) > 1000 for line in lines):
            raise TooLargeError("413")

    sink = MemorySink(judge=judge, limits=Limits(max_lines=1000, max_bytes=10_000_000))
    stock = Stock({"out": sink})
    await stock.add(b"x" * 2000 + b"\n" + b"y\n" * 3999)
    await deliver_all(stock)
    assert (len(stock.journal.dead), len(sink.lines)) == (1, 3999)
    assert max(len(batch) for batch in sink.accepted[-7:]) >= 500


async def test_truncated_lines_are_delivered_and_counted_apart():
    stock = Stock({"out": MemorySink(Receipt(truncated=1))})
    await stock.add(b"one\ntwo\n")
    forwarder = await deliver_all(stock)
    state = forwarder.states["out"]
    assert (state.delivered_lines, state.truncated_lines, state.refused) == (2, 1, {})
