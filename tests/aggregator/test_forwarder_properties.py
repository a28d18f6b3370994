import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.sink import Limits, Receipt, Refusal
from tests.aggregator.forwarding import Stock, Waits, deliver_all, forwarding
from tests.fakes.memory_sink import MemorySink
from towline.plumbing.errors import RejectedError, RetryableError, TooLargeError, UnauthorizedError

ANSWERS = st.sampled_from(
    [
        None,
        Receipt(),
        Receipt([Refusal(0, "refused")]),
        RetryableError("503"),
        RetryableError("429", retry_after_seconds=30),
        TooLargeError("413"),
        RejectedError("400"),
        UnauthorizedError("403"),
        TimeoutError(),
        ValueError("a fault"),
    ]
)
BLOCKS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "c"]), st.sampled_from(["/x", "/y"]), st.integers(1, 12)), max_size=12
)


async def fill(stock, blocks):
    written = []
    for number, (pod, path, lines) in enumerate(blocks):
        block = [b"%s%s %d.%d" % (pod.encode(), path.encode(), number, line) for line in range(lines)]
        await stock.add(b"".join(line + b"\n" for line in block), pod=pod, path=path)
        written += block
    return written


def kept(stock):
    return [letter.line for letter in stock.journal.dead]


@settings(max_examples=150, deadline=None)
@given(BLOCKS, st.lists(ANSWERS, max_size=40), st.integers(1, 9))
def test_every_line_is_delivered_once_or_kept_as_a_dead_letter_whatever_is_answered(blocks, answers, max_lines):
    async def run():
        sink = MemorySink(
            *answers, limits=Limits(max_lines=max_lines, max_bytes=10_000), key=lambda _, origin: origin.path
        )
        stock = Stock({"out": sink})
        written = await fill(stock, blocks)
        await deliver_all(stock)
        refused = kept(stock)
        assert sorted(written) == sorted([*set(sink.lines) - set(refused), *refused])
        assert len(sink.lines) == len(set(sink.lines))
        assert not stock.owes

    asyncio.run(run())


@settings(max_examples=60, deadline=None)
@given(BLOCKS, st.lists(ANSWERS, max_size=10), st.lists(st.integers(1, 30), max_size=6))
def test_lines_of_a_file_arrive_in_order_across_any_number_of_restarts(blocks, answers, lives):
    async def run():
        sink = MemorySink(*answers, limits=Limits(max_lines=3, max_bytes=10_000))
        stock = Stock({"out": sink})
        written = await fill(stock, blocks)
        for steps in lives:
            async with forwarding(stock, Waits()):
                for _ in range(steps):
                    await asyncio.sleep(0)
        await deliver_all(stock)
        first = list(dict.fromkeys(sink.lines))
        assert sorted(set(written)) == sorted({*first, *kept(stock)})
        for source in {line.split()[0] for line in written}:
            expected = [line for line in written if line.startswith(source)]
            seen = [line for line in first if line.startswith(source)]
            assert seen == [line for line in expected if line in set(seen)]

    asyncio.run(run())


@pytest.mark.parametrize("poison", [0, 1, 7, 499, 999])
async def test_finding_a_poison_line_takes_a_few_sends(poison):
    def judge(lines):
        if b"%d" % poison in lines:
            raise RejectedError("400")

    sink = MemorySink(judge=judge)
    stock = Stock({"out": sink})
    await stock.add(b"".join(b"%d\n" % number for number in range(1000)))
    await deliver_all(stock)
    assert (len(sink.lines), len(sink.attempts) <= 21) == (999, True)
