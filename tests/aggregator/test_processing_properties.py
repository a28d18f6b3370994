"""Joined and dropped in the forwarder: whole events, once each, whatever is answered and wherever it is killed."""

import asyncio
from collections import defaultdict

from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.sink import Limits, Receipt, Refusal
from tests.aggregator.forwarding import Stock, Waits, deliver_all, forwarding
from tests.aggregator.planning import DROPPED, Plans, events_in
from tests.fakes.memory_sink import MemorySink
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError

ANSWERS = st.sampled_from(
    [
        None,
        Receipt([Refusal(0, "refused")]),
        RetryableError("503"),
        RetryableError("429", retry_after_seconds=30),
        TooLargeError("413"),
        RejectedError("400"),
        ValueError("a fault"),
    ]
)
KINDS = st.sampled_from(["= ", "= ", "= drop ", "  more ", "  more ", "  drop "])
# Each block: a stream, kinds of its lines, and whether its last line is shipped in two parts.
BLOCKS = st.lists(
    st.tuples(
        st.sampled_from([("a", "/x"), ("a", "/y"), ("b", "/x")]), st.lists(KINDS, min_size=1, max_size=6), st.booleans()
    ),
    max_size=10,
)


async def fill(stock, blocks):
    """The lines of each stream as they were written, none like another."""
    written, parts = defaultdict(list), defaultdict(bytes)
    for number, ((pod, path), kinds, is_cut) in enumerate(blocks):
        lines = [f"{kind}{pod}{path} {number}.{index}".encode() for index, kind in enumerate(kinds)]
        written[pod, path] += lines
        raw = parts.pop((pod, path), b"") + b"".join(line + b"\n" for line in lines)
        if is_cut and len(raw) > 4:
            raw, parts[pod, path] = raw[:-4], raw[-4:]
        await stock.add(raw, pod=pod, path=path, partial=is_cut)
    for (pod, path), raw in parts.items():
        await stock.add(raw, pod=pod, path=path)
    return written


def expected_of(written):
    made = [events_in(lines) for lines in written.values()]
    return [event for events, _ in made for event in events], sum(dropped for _, dropped in made)


def kept(stock):
    return [letter.line for letter in stock.journal.dead]


@settings(max_examples=66, deadline=None)
@given(BLOCKS, st.lists(ANSWERS, max_size=30), st.integers(1, 9))
def test_every_event_is_delivered_whole_and_once_whatever_is_answered(blocks, answers, max_lines):
    async def run():
        sink = MemorySink(
            *answers, limits=Limits(max_lines=max_lines, max_bytes=10_000), key=lambda _, origin: origin.path
        )
        stock = Stock({"out": sink})
        events, dropped = expected_of(await fill(stock, blocks))
        forwarder = await deliver_all(stock, Waits(limit=10_000), plans=Plans())
        refused = kept(stock)
        assert sorted(events) == sorted([*set(sink.lines) - set(refused), *refused])
        assert len(sink.lines) == len(set(sink.lines))
        assert forwarder.states["out"].tally[DROPPED] == dropped
        assert not stock.owes

    asyncio.run(run())


@settings(max_examples=66, deadline=None)
@given(BLOCKS, st.lists(ANSWERS, max_size=10), st.lists(st.integers(1, 60), max_size=8), st.integers(1, 5))
def test_events_arrive_whole_and_in_order_across_any_number_of_kills(blocks, answers, lives, max_lines):
    async def run():
        sink = MemorySink(*answers, limits=Limits(max_lines=max_lines, max_bytes=10_000))
        stock = Stock({"out": sink})
        written = await fill(stock, blocks)
        for steps in lives:
            async with forwarding(stock, Waits(limit=10_000), plans=Plans()):
                for _ in range(steps):
                    await asyncio.sleep(0)
        await deliver_all(stock, Waits(limit=10_000), plans=Plans())
        first = list(dict.fromkeys(sink.lines))
        for lines in written.values():
            events, _ = events_in(lines)
            assert [event for event in first if event in events] == [event for event in events if event in set(first)]
        assert sorted(expected_of(written)[0]) == sorted({*first, *kept(stock)})
        assert not stock.owes

    asyncio.run(run())


@settings(max_examples=100, deadline=None)
@given(BLOCKS, st.lists(st.integers(1, 60), max_size=4))
def test_an_event_whose_answer_was_seen_is_not_sent_again(blocks, lives):
    async def run():
        sink = MemorySink(limits=Limits(max_lines=2, max_bytes=10_000))
        stock = Stock({"out": sink})
        await fill(stock, blocks)
        for steps in lives:
            before = len(stock.journal.settled), len(sink.accepted)
            async with forwarding(stock, Waits(limit=10_000), plans=Plans()):
                for _ in range(steps):
                    await asyncio.sleep(0)
            assert before[0] <= len(stock.journal.settled)
        await deliver_all(stock, Waits(limit=10_000), plans=Plans())
        # One batch in flight of one lane: each kill repeats that batch at most.
        assert len(sink.lines) - len(set(sink.lines)) <= 2 * len(lives)

    asyncio.run(run())
