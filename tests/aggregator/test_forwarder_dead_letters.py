"""What a destination cannot take: halved down to single lines, which become dead letters; all others arrive."""

from aggregator.sink import Receipt, Refusal
from tests.aggregator.forwarding import Stock, deliver_all
from tests.fakes.memory_sink import MemorySink
from towline.plumbing.errors import RejectedError, TooLargeError


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
