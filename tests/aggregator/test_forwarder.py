"""What is owed is delivered: in batches, in order, lane by lane."""

import asyncio

from aggregator.sink import Limits
from tests.aggregator.forwarding import Stock, Waits, deliver_all, forwarding
from tests.fakes.memory_sink import MemorySink
from towline.plumbing.errors import RetryableError


async def test_what_is_owed_is_delivered_and_settled():
    sink = MemorySink()
    stock = Stock({"out": sink})
    await stock.add(b"one\ntwo\n")
    await deliver_all(stock)
    assert (sink.lines, stock.owes) == ([b"one", b"two"], False)


async def test_what_comes_while_the_forwarder_runs_is_delivered():
    sink = MemorySink()
    stock = Stock({"out": sink})
    async with forwarding(stock), asyncio.timeout(10):
        await stock.add(b"one\n")
        await sink.sending.wait()
        sink.sending.clear()
        await stock.add(b"two\n")
        await sink.sending.wait()
    assert sink.lines[:1] == [b"one"]


async def test_what_gathered_during_a_send_is_the_next_batch():
    sink = MemorySink()
    sink.gate = asyncio.Event()
    stock = Stock({"out": sink})
    async with forwarding(stock), asyncio.timeout(10):
        await stock.add(b"one\n")
        await sink.sending.wait()
        await stock.add(b"two\n")
        await stock.add(b"three\n")
        sink.sending.clear()
        sink.gate.set()
        await sink.sending.wait()
    assert sink.attempts == [[b"one"], [b"two", b"three"]]


async def test_batches_stay_within_the_limits_of_the_sink():
    sink = MemorySink(limits=Limits(max_lines=3, max_bytes=20, line_overhead_bytes=2))
    stock = Stock({"out": sink})
    lines = [b"x" * (number % 9) for number in range(50)]
    await stock.add(b"".join(line + b"\n" for line in lines))
    await deliver_all(stock)
    assert sink.lines == lines
    assert all(len(batch) <= 3 and sum(map(len, batch)) + 2 * len(batch) <= 20 for batch in sink.accepted)


async def test_a_line_above_the_limit_goes_alone():
    sink = MemorySink(limits=Limits(max_lines=10, max_bytes=5))
    stock = Stock({"out": sink})
    await stock.add(b"a\n" + b"x" * 50 + b"\nb\n")
    await deliver_all(stock)
    assert sink.accepted == [[b"a"], [b"x" * 50], [b"b"]]


async def test_one_batch_carries_one_key_only():
    sink = MemorySink(key=lambda pod, origin: pod.name)
    stock = Stock({"out": sink})
    for number in range(6):
        await stock.add(b"%d\n" % number, pod=f"p{number % 2}")
    await deliver_all(stock)
    assert sorted(sink.accepted) == [[b"0", b"2", b"4"], [b"1", b"3", b"5"]]


async def test_lanes_wait_for_nobody_but_themselves():
    def judge(lines):
        if lines[0].startswith(b"bad"):
            raise RetryableError("down")

    sink = MemorySink(lane=lambda pod, origin: origin.path, judge=judge)
    stock = Stock({"out": sink})
    waits = Waits(limit=5)
    async with forwarding(stock, waits), asyncio.timeout(10):
        await stock.add(b"bad\n", path="/a")
        await stock.add(b"good\n", path="/b")
        await waits.exhausted.wait()
        assert sink.lines == [b"good"]


async def test_a_quiet_pod_is_not_behind_a_busy_one():
    sink = MemorySink(limits=Limits(max_lines=100_000, max_bytes=256 * 1024))
    stock = Stock({"out": sink})
    for _ in range(8):
        await stock.add((b"x" * 1023 + b"\n") * 512, pod="busy")
    await stock.add(b"quiet\n", pod="quiet")
    await deliver_all(stock)
    assert b"quiet" in sink.accepted[0]


async def test_lines_of_a_stream_stay_in_order():
    sink = MemorySink(limits=Limits(max_lines=7, max_bytes=10_000))
    stock = Stock({"out": sink})
    for block in range(10):
        for pod in ("a", "b", "c"):
            await stock.add(b"".join(b"%s %d\n" % (pod.encode(), block * 5 + n) for n in range(5)), pod=pod)
    await deliver_all(stock)
    for pod in (b"a", b"b", b"c"):
        assert [line for line in sink.lines if line.startswith(pod)] == [b"%s %d" % (pod, n) for n in range(50)]


async def test_two_sinks_get_everything_each_at_its_own_place():
    first = MemorySink(limits=Limits(max_lines=2, max_bytes=1000))
    second = MemorySink(RetryableError("later"), limits=Limits(max_lines=3, max_bytes=1000))
    stock = Stock({"first": first, "second": second})
    await stock.add(b"1\n2\n3\n4\n5\n")
    await deliver_all(stock)
    assert first.lines == second.lines == [b"1", b"2", b"3", b"4", b"5"]
    assert not stock.owes
