"""A destination that is busy, down or held: what is owed goes again, and nobody else waits."""

import asyncio

import pytest
import structlog

from tests.aggregator.forwarding import Stock, Waits, deliver_all, forwarding
from tests.fakes.memory_sink import MemorySink
from towline.plumbing.errors import ConfigError, RetryableError, UnauthorizedError


async def test_a_busy_sink_gets_the_same_batch_again_after_its_retry_after():
    sink, waits = MemorySink(RetryableError("429", retry_after_seconds=7)), Waits()
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    await deliver_all(stock, waits)
    assert (waits.seconds, sink.attempts) == ([7], [[b"one"], [b"one"]])


async def test_a_short_wait_sends_the_payload_made_before():
    sink = MemorySink(RetryableError("503"))
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    await deliver_all(stock)
    assert (len(sink.attempts), sink.encodes) == (2, 1)


async def test_a_sink_is_retried_for_ever():
    sink = MemorySink(*[RetryableError("503")] * 150)
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    await deliver_all(stock)
    assert sink.lines == [b"one"]


async def test_a_send_that_never_answers_times_out_and_goes_again():
    sink = MemorySink()
    sink.gate = asyncio.Event()
    stock = Stock({"out": sink})
    waits = Waits(limit=2)
    async with forwarding(stock, waits, send_timeout_seconds=0.01), asyncio.timeout(10):
        await stock.add(b"one\n")
        await waits.exhausted.wait()
    assert sink.attempts == [[b"one"], [b"one"]]
    assert stock.owes


async def test_a_dead_sink_delays_no_other():
    dead, healthy = MemorySink(), MemorySink()
    dead.gate = asyncio.Event()
    stock = Stock({"dead": dead, "healthy": healthy})
    async with forwarding(stock), asyncio.timeout(10):
        for number in range(20):
            await stock.add(b"%d\n" % number)
            await healthy.sending.wait()
            healthy.sending.clear()
    assert healthy.lines == [b"%d" % number for number in range(20)]


async def test_an_error_that_a_sink_should_never_raise_is_waited_out():
    sink = MemorySink(ZeroDivisionError("fault"), None)
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    await deliver_all(stock)
    assert sink.lines == [b"one"]


async def test_a_held_lane_asks_for_health_before_it_sends_again():
    sink = MemorySink(UnauthorizedError("403"))
    sink.healthchecks = [UnauthorizedError("403"), UnauthorizedError("403")]
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    await deliver_all(stock)
    assert (len(sink.attempts), sink.lines) == (2, [b"one"])
    assert sink.checked >= 2


async def test_a_held_lane_says_so():
    sink = MemorySink(*[UnauthorizedError("403")] * 9)
    sink.healthchecks = [UnauthorizedError("403")] * 99
    stock, waits = Stock({"out": sink}), Waits(limit=3)
    async with forwarding(stock, waits) as forwarder, asyncio.timeout(10):
        await stock.add(b"one\n")
        await waits.exhausted.wait()
        lane = forwarder.states["out"].lanes["all"]
        assert (lane.state, lane.reason, lane.attempts) == ("held", "unauthorized", 3)
    assert len(sink.attempts) == 1


async def test_one_cause_is_logged_once_however_many_lanes_it_has():
    sink = MemorySink(*[UnauthorizedError("403")] * 50, lane=lambda pod, origin: origin.path)
    stock, waits = Stock({"out": sink}), Waits(limit=1000)
    for number in range(50):
        await stock.add(b"one\n", path=f"/{number}")
    with structlog.testing.capture_logs() as events:
        await deliver_all(stock, waits)
    assert [event["event"] for event in events].count("lane_held") <= 1 + waits.now // 10


async def test_a_sink_is_not_sent_anything_before_it_was_recalled():
    class Slow(MemorySink):
        async def recall(self, memo):
            await super().recall(memo)
            if len(self.recalled) < 3:
                raise OSError("read-only for now")

    sink = Slow()
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    forwarder = await deliver_all(stock)
    assert (len(sink.recalled), sink.lines) == (3, [b"one"])
    assert forwarder.states["out"].failures == {"os": 2}


async def test_a_config_error_of_the_health_check_stops_the_start():
    sink = MemorySink()
    sink.healthchecks = [ConfigError("api_key_file: wrong site")]
    stock = Stock({"out": sink})
    with pytest.raises(ExceptionGroup) as caught:
        async with asyncio.timeout(10), forwarding(stock):
            await asyncio.Event().wait()
    assert caught.group_contains(ConfigError)


async def test_a_lane_that_waits_long_holds_no_bytes_of_others():
    def judge(lines):
        if lines[0].startswith(b"bad"):
            raise RetryableError("down", retry_after_seconds=60)

    sink = MemorySink(lane=lambda pod, origin: origin.path, judge=judge)
    stock, waits = Stock({"out": sink}), Waits(limit=200)
    async with forwarding(stock, waits), asyncio.timeout(20):
        for number in range(20):
            await stock.add(b"bad" + b"x" * 1_000_000 + b"\n", path=f"/bad{number}")
        await stock.add(b"good\n", path="/good")
        await waits.exhausted.wait()
        assert sink.lines == [b"good"]
