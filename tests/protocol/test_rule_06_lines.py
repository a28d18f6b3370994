"""Rule 6: where the collector cuts."""

from collector.core.blocks import BlockCutter
from collector.core.files import ReadResult
from tests.fakes.aggregator import Believed, listening
from tests.fakes.pod import collecting
from towline.wire.block import MAX_BLOCK_BYTES


def read(data, offset=0, *, at_end=True, before=b""):
    size = offset + len(data)
    return ReadResult("s", 0, offset, data, True, size, 0, at_end=at_end, before=before)


def test_rule_6_the_collector_cuts_at_line_ends():
    assert BlockCutter().cut(read(b"one\ntwo\nthr"), 0.0).size_bytes == 8


def test_rule_6_the_collector_knows_no_multiline_rule():
    trace = b"Traceback (most recent call last):\n  File x\nValueError: y\n"
    cut = BlockCutter().cut(read(trace), 0.0)
    assert (cut.size_bytes, cut.partial, cut.continues) == (len(trace), False, False)


def test_rule_6_a_partial_line_waits_3_seconds_and_ships_partial():
    cutter = BlockCutter()
    assert cutter.cut(read(b"half"), 0.0).size_bytes == 0
    assert cutter.cut(read(b"half"), 2.9).size_bytes == 0
    cut = cutter.cut(read(b"half"), 3.0)
    assert (cut.size_bytes, cut.partial) == (4, True)


def test_rule_6_the_rest_of_a_partial_line_continues():
    cut = BlockCutter().cut(read(b" and the rest\n", 4, before=b"half"), 9.0)
    assert (cut.partial, cut.continues) == (False, True)


def test_rule_6_a_line_longer_than_a_block_ships_in_parts():
    cut = BlockCutter().cut(read(b"x" * MAX_BLOCK_BYTES, at_end=False), 0.0)
    assert (cut.size_bytes, cut.partial) == (MAX_BLOCK_BYTES, True)


async def test_rule_6_a_partial_line_and_its_rest_arrive_as_two_frames_of_one_line(tmp_path):
    aggregator = Believed()
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        pod.write("x.log", b"one\nha")
        await pod.turn(3)
        assert aggregator.text() == b"one\n"
        await pod.turn(4)
        assert (aggregator.text(), pod.watcher.partial_lines) == (b"one\nha", 1)
        pod.write("x.log", b"lf\n")
        await pod.turn(2)
        frames = [frame for request in aggregator.blocks() for frame in request.frames]
    assert [(frame.partial, frame.continues) for frame in frames] == [(False, False), (True, False), (False, True)]
