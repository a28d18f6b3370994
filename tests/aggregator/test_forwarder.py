import asyncio

import pytest
import structlog

from aggregator.journal import JournalDownError, JournalFullError
from aggregator.sink import Limits, Receipt, Refusal
from tests.aggregator.forwarding import Stock, Waits, deliver_all, forwarding
from tests.fakes.memory_journal import MemoryJournal
from tests.fakes.memory_sink import MemorySink
from towline.plumbing.errors import ConfigError, RejectedError, RetryableError, TooLargeError, UnauthorizedError


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


async def test_too_large_is_halved_until_it_fits():
    def judge(lines):
        if sum(map(len, lines)) > 10:
            raise TooLargeError("413")

    sink = MemorySink(judge=judge)
    stock = Stock({"out": sink})
    await stock.add(b"".join(b"%03d\n" % number for number in range(40)))
    await deliver_all(stock)
    assert sink.lines == [b"%03d" % number for number in range(40)]
    assert not stock.journal.dead


async def test_a_single_line_that_is_too_large_becomes_a_dead_letter():
    sink = MemorySink(TooLargeError("413"))
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    await deliver_all(stock)
    assert [(letter.reason, letter.line) for letter in stock.journal.dead] == [("too_large", b"one")]


async def test_poison_lines_become_dead_letters_and_all_others_arrive():
    def judge(lines):
        if any(b"poison" in line for line in lines):
            raise RejectedError("400")

    sink = MemorySink(judge=judge)
    stock = Stock({"out": sink})
    lines = [b"poison %d" % n if n in {0, 17, 18, 63} else b"line %d" % n for n in range(64)]
    await stock.add(b"".join(line + b"\n" for line in lines))
    await deliver_all(stock)
    assert [letter.line for letter in stock.journal.dead] == [lines[n] for n in (0, 17, 18, 63)]
    assert sink.lines == [line for line in lines if b"poison" not in line]
    assert not stock.owes


async def test_a_dead_letter_knows_its_place():
    sink = MemorySink(Receipt([Refusal(1, "too_old"), Refusal(2, "taken_and_dropped", keep=False)]))
    stock = Stock({"out": sink})
    await stock.add(b"one\ntwo\nthree\n")
    forwarder = await deliver_all(stock)
    assert [(it.sink, it.start, it.end, it.reason, it.line) for it in stock.journal.dead] == [
        ("out", 4, 8, "too_old", b"two")
    ]
    assert forwarder.states["out"].refused == {"too_old": 1, "taken_and_dropped": 1}
    assert forwarder.states["out"].delivered_lines == 1


async def test_a_line_that_cannot_be_encoded_becomes_a_dead_letter():
    def encode(lines):
        if b"odd" in lines:
            raise ValueError("no such thing")

    sink = MemorySink(encode=encode)
    stock = Stock({"out": sink})
    await stock.add(b"one\nodd\ntwo\n")
    await deliver_all(stock)
    assert (sink.lines, [letter.reason for letter in stock.journal.dead]) == ([b"one", b"two"], ["unencodable"])


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


async def test_the_memo_of_a_receipt_is_settled_and_recalled_before_the_first_send():
    sink = MemorySink(Receipt(memo={"/out": "4"}))
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    await deliver_all(stock)
    stock.sinks["out"] = again = MemorySink()
    await stock.add(b"two\n")
    await deliver_all(stock)
    assert (sink.recalled, again.recalled) == ([{}], [{"/out": "4"}])


async def test_a_block_that_cannot_be_opened_is_counted_and_stops_nobody():
    sink = MemorySink()
    stock = Stock({"out": sink})
    await stock.add(b"one\n")
    await stock.add(b"two\n", codec="none")
    await stock.add(b"three\n")
    forwarder = await deliver_all(stock)
    assert sink.lines == [b"one", b"three"]
    assert [(letter.reason, letter.start, letter.end) for letter in stock.journal.dead] == [("undecodable", 4, 8)]
    assert forwarder.states["out"].refused == {"undecodable": 1}
    assert not stock.owes


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


async def test_two_sinks_get_everything_each_at_its_own_place():
    first = MemorySink(limits=Limits(max_lines=2, max_bytes=1000))
    second = MemorySink(RetryableError("later"), limits=Limits(max_lines=3, max_bytes=1000))
    stock = Stock({"first": first, "second": second})
    await stock.add(b"1\n2\n3\n4\n5\n")
    await deliver_all(stock)
    assert first.lines == second.lines == [b"1", b"2", b"3", b"4", b"5"]
    assert not stock.owes
