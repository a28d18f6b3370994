"""Joined lines, dropped lines: what the forwarder sends, when, and what it settles."""

import asyncio

from aggregator.core.plan import Branch, Plan
from aggregator.sink import Limits, Receipt, Refusal
from tests.aggregator.forwarding import Stock, Waits, deliver_all, forwarding
from tests.aggregator.joining_lines import own
from tests.aggregator.planning import BY_MARK, DROPPED, Drop, Plans
from tests.fakes.memory_sink import MemorySink
from towline.plumbing.errors import RetryableError, TooLargeError


def stock_of(*script, **limits):
    return Stock({"out": MemorySink(*script, limits=Limits(**({"max_lines": 100, "max_bytes": 10_000} | limits)))})


def sink_of(stock):
    return stock.sinks["out"]


async def settled_soon(is_so):
    """Let the forwarder work until it is so."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - what is waited for is state of a fake, which says nothing
            await asyncio.sleep(0)


async def test_an_event_goes_on_in_the_next_block():
    stock = stock_of()
    await stock.add(b"= one\n  a\n")
    await stock.add(b"  b\n= two\n")
    await deliver_all(stock, plans=Plans())
    assert (sink_of(stock).lines, stock.owes) == ([b"= one\n  a\n  b", b"= two"], False)


async def test_a_line_that_was_shipped_in_two_parts_is_one_again():
    stock = stock_of()
    await stock.add(b"= o", partial=True)
    await stock.add(b"ne\n  a\n")
    await deliver_all(stock, plans=Plans())
    assert sink_of(stock).lines == [b"= one\n  a"]


async def test_the_last_event_waits_its_timeout_and_no_longer():
    stock, waits = stock_of(), Waits()
    await stock.add(b"= one\n  a\n")
    await deliver_all(stock, waits, plans=Plans(own(start="^=", timeout_seconds=2)))
    assert (sink_of(stock).lines, 2 <= waits.now - 100 <= 2.2, min(waits.seconds) > 0) == ([b"= one\n  a"], True, True)


async def test_the_journal_is_not_read_again_and_again_while_an_event_is_open():
    stock, reads = stock_of(), []
    take = stock.journal.take

    async def counting(*asked):
        reads.append(asked)
        return await take(*asked)

    stock.journal.take = counting
    await stock.add(b"= one\n")
    await deliver_all(stock, plans=Plans())
    assert len(reads) <= 40  # 3 seconds, every 0.1


async def test_lines_of_other_pods_flow_while_an_event_is_open():
    stock, waits = stock_of(), Waits(limit=20)
    await stock.add(b"= open\n", pod="a")
    async with forwarding(stock, waits, plans=Plans()):
        await settled_soon(lambda: waits.seconds)
        await stock.add(b"= one\n= two\n", pod="b")
        await settled_soon(lambda: sink_of(stock).lines)
        assert sink_of(stock).lines == [b"= one"]


async def test_what_comes_while_an_event_is_open_is_joined_to_it():
    stock, waits = stock_of(), Waits(limit=30)
    await stock.add(b"= one\n")
    async with forwarding(stock, waits, plans=Plans()):
        await settled_soon(lambda: waits.seconds)
        await stock.add(b"  more\n= two\n")
        await settled_soon(lambda: sink_of(stock).lines)
        assert sink_of(stock).lines == [b"= one\n  more"]


async def test_a_block_with_the_begin_of_an_open_event_stays_owed_from_there():
    stock, waits = stock_of(), Waits(limit=20)
    await stock.add(b"= one\n= two\n")
    async with forwarding(stock, waits, plans=Plans()):
        await waits.exhausted.wait()
    (stored,) = stock.journal.blocks.values()
    assert (sink_of(stock).lines, list(stored.owed.values())) == ([b"= one"], [6])


async def test_an_event_over_three_blocks_settles_all_of_them_at_once():
    stock = stock_of()
    for raw in (b"= one\n", b"  a\n", b"  b\n= two\n"):
        await stock.add(raw)
    stock.sinks["out"].gate = asyncio.Event()
    async with forwarding(stock, plans=Plans()):
        await settled_soon(lambda: sink_of(stock).attempts)
        assert not stock.journal.settled
        sink_of(stock).gate.set()
        await settled_soon(lambda: stock.journal.settled)
        assert [(one.block_id, one.done) for one in stock.journal.settled[:3]] == [(1, True), (2, True), (3, False)]


async def test_a_block_whose_events_were_all_dropped_is_settled_unsent_and_counted():
    stock = stock_of()
    await stock.add(b"drop 1\ndrop 2\n")
    forwarder = await deliver_all(stock, plans=Plans(None))
    state = forwarder.states["out"]
    assert (sink_of(stock).attempts, stock.owes, dict(state.tally)) == ([], False, {DROPPED: 2})


async def test_what_was_dropped_is_not_settled_before_what_precedes_it():
    stock, waits = stock_of(RetryableError("503")), Waits(limit=1)
    await stock.add(b"= one\n= drop\n")
    await stock.add(b"= drop\n")
    async with forwarding(stock, waits, plans=Plans(None)), asyncio.timeout(10):
        await waits.exhausted.wait()
    assert not stock.journal.settled


async def test_events_are_dropped_without_end_in_steps():
    stock = stock_of()
    for _ in range(300):
        await stock.add(b"drop\n")
    forwarder = await deliver_all(stock, plans=Plans(None))
    assert (stock.owes, forwarder.states["out"].tally[DROPPED]) == (False, 300)


async def test_what_is_read_again_after_a_long_wait_is_counted_once():
    stock = stock_of(None, RetryableError("429", retry_after_seconds=30), max_lines=1)
    await stock.add(b"one\ndrop\ntwo\ndrop\n")
    forwarder = await deliver_all(stock, plans=Plans(None))
    assert (sink_of(stock).lines, forwarder.states["out"].tally[DROPPED]) == ([b"one", b"two"], 2)


async def test_a_fault_of_a_step_makes_a_dead_letter_of_the_block_and_stops_nothing():
    stock = stock_of()
    await stock.add(b"= fault\n")
    await stock.add(b"= one\n", path="/other")
    await deliver_all(stock, plans=Plans())
    assert [(letter.reason, letter.line) for letter in stock.journal.dead] == [("unprocessable", b"= fault")]
    assert (sink_of(stock).lines, stock.owes) == ([b"= one"], False)


async def test_a_dead_letter_names_the_range_of_its_event():
    stock = stock_of(Receipt([Refusal(1, "refused")]))
    await stock.add(b"= one\n  a\n= two\n")
    await stock.add(b"  b\n= three\n")
    await deliver_all(stock, plans=Plans())
    assert [(letter.start, letter.end, letter.line) for letter in stock.journal.dead] == [(10, 20, b"= two\n  b")]


async def test_a_batch_that_is_too_large_is_halved_between_events():
    stock = stock_of(TooLargeError("413"), None)
    await stock.add(b"= one\n  a\n= drop\n= two\n")
    await stock.add(b"  b\n= three\n")
    await deliver_all(stock, plans=Plans())
    assert sorted(sink_of(stock).lines) == [b"= one\n  a", b"= three", b"= two\n  b"]
    assert not stock.owes


async def test_ids_of_events_are_those_of_their_ends():
    stock = stock_of()
    await stock.add(b"= one\n  a\n= drop\n= two\n")
    await deliver_all(stock, plans=Plans())
    ids = [name for piece in sink_of(stock).pieces for name in piece.event_ids()]
    assert ids == ["s0:0:10", "s0:0:23"]


async def test_lines_that_go_on_after_the_timeout_say_so():
    stock, waits = stock_of(), Waits(limit=200)
    await stock.add(b"= one\n")
    async with forwarding(stock, waits, plans=Plans()):
        await settled_soon(lambda: sink_of(stock).lines)
        waiting = len(waits.seconds)
        await stock.add(b"= two\n")
        await settled_soon(lambda: len(sink_of(stock).lines) > 1 or len(waits.seconds) > waiting + 100)
        await stock.add(b"  late\n= three\n")
        await settled_soon(lambda: len(sink_of(stock).lines) > 2)
    late = sink_of(stock).pieces[2]
    assert (list(late.lines), late.details.notes) == ([b"  late"], [{"towline_cut": "timeout"}])


async def test_where_routes_ask_for_nothing_lines_go_as_they_came():
    stock = stock_of()
    await stock.add(b"= one\n  a\n")
    await deliver_all(stock, plans=Plans(plan_of=lambda *_: Plan(branches=(Branch(name="web"),))))
    assert sink_of(stock).lines == [b"= one", b"  a"]


async def test_an_open_event_is_closed_when_its_route_stops_joining():
    stock, waits, plans = stock_of(), Waits(limit=50), Plans()
    await stock.add(b"= one\n")
    async with forwarding(stock, waits, plans=plans):
        await settled_soon(lambda: waits.seconds)
        plans._plan_of = lambda *_: None
        await stock.add(b"  a\n")
        await settled_soon(lambda: not stock.owes)
    assert sink_of(stock).lines == [b"= one", b"  a"]


async def test_sinks_that_ask_for_the_same_share_what_was_joined_and_parsed():
    class Parse:
        key, applied = "p", 0

        def apply(self, piece):
            self.applied += 1
            return piece

    parse = Parse()
    plan = Plan(branches=(Branch(name="web", parse=parse, rules=(Drop(),)),), joining=BY_MARK)
    stock = Stock({"one": MemorySink(), "two": MemorySink()})
    await stock.add(b"= one\n= two\n= three\n")
    await deliver_all(stock, plans=Plans(plan_of=lambda *_: plan))
    assert [sink.lines for sink in stock.sinks.values()] == [[b"= one", b"= two", b"= three"]] * 2
    assert parse.applied == 2  # the events that were complete, and the last when its time was over: each once


async def test_open_events_that_fill_all_room_are_closed_all_the_same():
    stock = stock_of()
    for number in range(200):
        await stock.add(b"= open %d\n" % number + b"x" * 200_000 + b"\n", pod=f"p{number}")
    forwarder = await deliver_all(stock, Waits(limit=10_000), plans=Plans())
    assert (len(sink_of(stock).lines), stock.owes) == (200, False)
    assert forwarder._sinks["out"]._desk.room._free_bytes == forwarder._held_bytes


async def test_after_a_restart_an_open_event_is_waited_for_until_its_collector_may_be_back():
    stock, waits = stock_of(), Waits(limit=1000)
    await stock.add(b"= one\n")
    async with forwarding(stock, waits, plans=Plans(), reunion_seconds=15.0):
        await settled_soon(lambda: sink_of(stock).lines)
    assert 15 <= waits.now - 100 <= 15.2


async def test_a_drain_waits_for_no_collector():
    stock, waits = stock_of(), Waits(limit=1000)
    await stock.add(b"= one\n")
    await deliver_all(stock, waits, plans=Plans(), reunion_seconds=15.0)
    assert 3 <= waits.now - 100 <= 3.2
