"""Rule 15: what an aggregator in its drain answers, and what a collector makes of it."""

from collector.core.peers import LEAVING_SECONDS
from tests.aggregator.forwarding import frame_of
from tests.aggregator.serving import serving
from tests.fakes.aggregator import Believed, Said, listening
from tests.fakes.pod import collecting
from towline.wire.block import BlocksAnswer

LINES = b"".join(b"line %04d\n" % number for number in range(100))


async def test_rule_15_it_takes_no_new_bytes_and_says_that_it_leaves(tmp_path):
    async with serving(tmp_path) as place:
        place.intake.leaving = True
        reply = await place.caller.post(frame_of(b"one\n"))
        assert (reply.status, reply.blocks.leaving, reply.blocks.frames) == (503, True, ())
        assert int(reply.headers["Retry-After"]) == 1
        assert (await place.journal.marks("uid-web-1")).rows == ()


async def test_rule_15_marks_and_delivered_are_answered_to_the_end(tmp_path):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        place.intake.leaving = True
        marks = await place.caller.call("GET", "/v1/marks?pod=uid-web-1")
        empty = await place.caller.post()
        full = await place.caller.post(frame_of(b"two\n", 4))
    assert ([row.mark for row in marks.marks.rows], marks.marks.leaving) == ([4], True)
    assert (empty.status, empty.blocks.leaving) == (200, True)
    assert (full.status, full.blocks.until >= empty.blocks.until) == (503, True)


async def test_rule_15_a_collector_that_is_told_leaving_for_10_seconds_moves_on(tmp_path):
    first, second = Believed("J1"), Believed("J2")
    both = ("127.0.0.1", "127.0.0.2")
    async with listening(first, second) as port, collecting(tmp_path, port) as pod:
        await pod.turn(2)
        pod.set_addresses(*both)
        pod.peers.resolved(both)
        first.refuse = Said(503, BlocksAnswer(journal="J1", leaving=True), {"Retry-After": "1"})
        pod.write("x.log", LINES)
        await pod.turn(2, seconds=LEAVING_SECONDS / 2 - 1)
        assert pod.peers.current == "127.0.0.1"
        await pod.turn(5, seconds=LEAVING_SECONDS / 2)
        assert (pod.peers.current, second.text(), first.text()) == ("127.0.0.2", LINES, b"")


async def test_rule_15_delivered_in_a_503_counts(tmp_path):
    aggregator = Believed()
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        pod.write("x.log", LINES)
        await pod.turn(3)
        aggregator.journal.deliver_all()
        (stream,) = pod.custody.streams
        told = BlocksAnswer(journal="J1", leaving=True, delivered=((stream, 0, len(LINES)),), until=9)
        aggregator.refuse = Said(503, told)
        pod.write("x.log", b"more\n")
        await pod.turn(1)
        assert (pod.custody.waiting_bytes, pod.custody.since, pod.stream.stored) == (0, 9, len(LINES))
