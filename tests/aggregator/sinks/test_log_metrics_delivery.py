"""The sink behind a real forwarder: totals and settlements move together, whatever the journal does meanwhile."""

import asyncio

import pytest

from aggregator.journal import JournalDownError, JournalFullError
from tests.aggregator.forwarding import Stock, Waits, deliver_all, forwarding
from tests.aggregator.sinks.to_log_metrics import sink_of
from tests.fakes.memory_journal import MemoryJournal

LINES = {"name": "lines_total", "type": "counter", "match": "(?P<n>.)", "labels": {"n": "n"}, "per": "all"}


def shown(sink):
    sink.settled()
    return {row.labels: row.value for family in sink.families() for row in family.rows}


async def test_blocks_of_many_pods_are_counted_each_line_once():
    sink = sink_of(LINES)
    stock = Stock({"counts": sink})
    for number in range(50):
        await stock.add(b"a\nb\na\n" * 100, pod=f"web-{number % 7}")
    await deliver_all(stock)
    assert shown(sink) == {'n="a"': "10000", 'n="b"': "5000"}


async def test_what_every_sink_is_owed_is_opened_once_and_counted_by_each():
    first, second = sink_of(LINES), sink_of(LINES)
    stock = Stock({"first": first, "second": second})
    await stock.add(b"a\nb\n")
    await deliver_all(stock)
    assert shown(first) == shown(second) == {'n="a"': "1", 'n="b"': "1"}


async def test_a_settlement_that_has_to_be_tried_again_counts_once():
    class Full(MemoryJournal):
        refusals = 3

        async def settle(self, *settled):
            if self.refusals:
                self.refusals -= 1
                raise JournalFullError("journal: no room even to settle")
            await super().settle(*settled)

    sink = sink_of(LINES)
    stock = Stock({"counts": sink}, Full())
    await stock.add(b"a\n")
    await deliver_all(stock)
    assert (shown(sink), stock.owes) == ({'n="a"': "1"}, False)


@pytest.mark.parametrize("is_written", [False, True])
async def test_a_process_that_ends_at_a_settlement_is_followed_by_one_that_counts_right(is_written):
    class Ends(MemoryJournal):
        settlements = 0

        async def settle(self, *settled):
            self.settlements += 1
            if self.settlements != 2:
                await super().settle(*settled)
                return
            if is_written:
                await super().settle(*settled)
            raise JournalDownError("journal: gone")

    stock = Stock({"counts": sink_of(LINES)}, Ends())
    await stock.add(b"a\n")
    await deliver_all(stock)
    await stock.add(b"a\nb\n")
    with pytest.raises(ExceptionGroup):
        await deliver_all(stock)
    stock.sinks["counts"] = sink_of(LINES)
    await stock.add(b"b\n")
    await deliver_all(stock)
    assert shown(stock.sinks["counts"]) == {'n="a"': "2", 'n="b"': "2"}


async def test_a_process_that_is_told_to_leave_in_the_middle_counts_the_rest_after_its_restart():
    class Hangs(MemoryJournal):
        hangs = False

        async def settle(self, *settled):
            if self.hangs:
                raise JournalFullError("journal: no room")
            await super().settle(*settled)

    stock, waits = Stock({"counts": sink_of(LINES)}, Hangs()), Waits(limit=2)
    await stock.add(b"a\n")
    await deliver_all(stock)
    stock.journal.hangs = True
    await stock.add(b"a\n")
    async with forwarding(stock, waits), asyncio.timeout(10):
        await waits.exhausted.wait()
    stock.journal.hangs, stock.sinks["counts"] = False, sink_of(LINES)
    await deliver_all(stock)
    assert shown(stock.sinks["counts"]) == {'n="a"': "2"}
