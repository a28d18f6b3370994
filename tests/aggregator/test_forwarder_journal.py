"""The forwarder and its journal: settled after each batch, asked again where it is busy, left where it is down."""

import asyncio

import pytest

from aggregator.journal import JournalDownError, JournalFullError
from aggregator.sink import Limits, Receipt
from tests.aggregator.forwarding import Stock, Waits, deliver_all, forwarding
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.memory_sink import MemorySink
from towline.plumbing.errors import RetryableError


async def test_the_memo_of_a_receipt_is_settled_and_recalled_before_the_first_send():
    sink = MemorySink(Receipt(memo={"/out": "4"}))
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    await deliver_all(stock)
    stock.sinks["out"] = again = MemorySink()
    await stock.add(b"two\n")
    await deliver_all(stock)
    assert (sink.recalled, again.recalled) == ([{}], [{"/out": "4"}])


async def test_settling_follows_each_batch_so_that_a_kill_repeats_one_batch_at_most():
    sink = MemorySink(limits=Limits(max_lines=2, max_bytes=1000))
    stock, waits = Stock({"out": sink}), Waits(limit=1)
    sink.script = [None, RetryableError("gone")]
    await stock.add(b"1\n2\n3\n4\n5\n")
    async with forwarding(stock, waits), asyncio.timeout(10):
        await waits.exhausted.wait()
    await deliver_all(stock)
    assert sink.accepted == [[b"1", b"2"], [b"3", b"4"], [b"5"]]


async def test_settling_is_tried_again_until_the_journal_takes_it():
    class Full(MemoryJournal):
        refusals = 2

        async def settle(self, *settled):
            if self.refusals:
                self.refusals -= 1
                raise JournalFullError("journal: no room even to settle")
            await super().settle(*settled)

    sink = MemorySink()
    stock = Stock({"out": sink}, Full())
    await stock.add(b"one\n")
    await deliver_all(stock)
    assert (sink.accepted, stock.owes) == ([[b"one"]], False)


async def test_a_journal_that_cannot_be_read_is_read_again():
    class Busy(MemoryJournal):
        refusals = 2

        async def take(self, *asked):
            if self.refusals:
                self.refusals -= 1
                raise JournalFullError("journal: locked")
            return await super().take(*asked)

    sink = MemorySink()
    stock = Stock({"out": sink}, Busy())
    await stock.add(b"one\n")
    await deliver_all(stock)
    assert sink.lines == [b"one"]


async def test_a_journal_that_is_down_ends_the_forwarder():
    class Down(MemoryJournal):
        async def settle(self, *settled):
            raise JournalDownError("journal: gone")

    stock = Stock({"out": MemorySink()}, Down())
    await stock.add(b"one\n")
    with pytest.raises(ExceptionGroup) as caught:
        await deliver_all(stock)
    assert caught.group_contains(JournalDownError)


async def test_a_journal_that_says_owed_and_gives_nothing_is_no_busy_loop():
    class Liar(MemoryJournal):
        async def take(self, *asked):
            return []

    stock, waits = Stock({"out": MemorySink()}, Liar()), Waits(limit=3)
    await stock.add(b"one\n")
    async with forwarding(stock, waits), asyncio.timeout(10):
        await waits.exhausted.wait()
    assert min(waits.seconds) > 0
