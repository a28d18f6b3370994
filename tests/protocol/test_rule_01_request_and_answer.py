"""Rule 1: frames out, one answer each."""

import msgspec
import pytest

from tests.aggregator.forwarding import frame_of
from tests.aggregator.serving import serving
from tests.fakes.aggregator import Believed, listening
from tests.fakes.dict_journal import DictJournal
from tests.fakes.pod import block, collecting, custody_of
from towline.wire.block import BlocksAnswer, BlocksRequest, FrameAnswer
from towline.wire.codec import open_body


def answer(custody, **words):
    """The next request is answered, each stream by its word."""
    sent = custody.request(1 << 20)
    frames = tuple(FrameAnswer(stream=frame.stream, **words[frame.stream]) for frame in sent.frames)
    return custody.answered(sent, BlocksAnswer(journal=custody.journal, frames=frames))


@pytest.fixture
def custody():
    custody = custody_of(DictJournal("J1"), "a", "b")
    custody.streams["a"].load(block("a", 0, b"one\n"))
    return custody


def test_rule_1_one_frame_of_a_stream_is_in_flight_and_stays_the_same_until_it_is_answered(custody):
    custody.streams["a"].skip(9, "hole")
    first, again = custody.request(1 << 20), custody.request(1 << 20)
    assert first.frames == again.frames
    assert [(frame.start, frame.end) for frame in first.frames] == [(0, 4)]


def test_rule_1_nothing_is_read_of_a_stream_while_a_frame_of_it_waits(custody):
    assert custody.orders(lambda _: 100, 1 << 20)[0].stream_id == "b"
    assert len(custody.orders(lambda _: 100, 1 << 20)) == 1


async def test_rule_1_a_frame_is_kept_compressed_until_it_is_stored(tmp_path):
    aggregator = Believed()
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        pod.write("x.log", b"the same line again and again\n" * 1000)
        aggregator.refuse = lambda: None
        await pod.turn(1)
        await pod.look(read=True)
        (frame,) = pod.stream.queue
        assert len(frame.body) < 300
        assert len(open_body(frame.codec, frame.body, frame.end)) == 30_000
        aggregator.refuse = None
        await pod.turn(1)
        assert not pod.stream.queue


def test_rule_1_a_gap_frame_is_compared_like_any_other_and_moves_the_mark():
    journal = DictJournal("J1")
    custody = custody_of(journal, "a")
    custody.streams["a"].skip(64, "hole")
    sent = custody.request(1 << 20)
    answer = journal.take(BlocksRequest(journal="J1", pod=b"", run="r", frames=sent.frames))
    custody.answered(sent, answer)
    assert (custody.streams["a"].stored, journal.gaps[0][2].reason) == (64, "hole")


def test_rule_1_final_and_gone_count_even_where_start_end_and_mark_are_the_same():
    journal = DictJournal("J1")
    custody = custody_of(journal, "a")
    custody.streams["a"].gone = True
    sent = custody.request(1 << 20)
    answer = journal.take(BlocksRequest(journal="J1", pod=b"", run="r", frames=sent.frames))
    custody.answered(sent, answer)
    row = journal.rows["a", 0]
    assert (sent.frames[0].start, sent.frames[0].end, row.final, row.gone) == (0, 0, True, True)
    assert custody.request(1 << 20).frames == ()


async def test_rule_1_one_failing_frame_never_fails_another(tmp_path):
    good, torn, late = frame_of(b"one\n", stream="a"), frame_of(b"two\n", stream="b"), frame_of(b"x\n", 50, stream="c")
    torn = msgspec.structs.replace(torn, checksum=1)
    async with serving(tmp_path) as place:
        reply = await place.caller.post(torn, good, late)
    assert [frame.code for frame in reply.blocks.frames] == [400, 200, 409]


def test_rule_1_an_answer_tells_delivered_of_all_rows_that_moved():
    journal = DictJournal("J1")
    custody = custody_of(journal, "a", "b")
    for name in ("a", "b"):
        custody.streams[name].load(block(name, 0, b"one\n"))
    sent = custody.request(1 << 20)
    custody.answered(sent, journal.take(BlocksRequest(journal="J1", pod=b"", run="r", frames=sent.frames)))
    assert custody.waiting_bytes == 8
    journal.deliver_all()
    sent = custody.request(1 << 20)
    custody.answered(sent, journal.take(BlocksRequest(journal="J1", pod=b"", run="r", since=sent.since)))
    assert custody.waiting_bytes == 0


def test_rule_1_200_lets_go_of_the_frame(custody):
    answer(custody, a={"code": 200, "mark": 4})
    assert (custody.streams["a"].stored, custody.unsent_bytes) == (4, 0)


def test_rule_1_409_goes_to_the_row_given(custody):
    answer(custody, a={"code": 409, "mark": 2, "print": "p2"})
    stream = custody.streams["a"]
    assert (stream.place, stream.print, stream.order(100).offset) == (2, "p2", 2)


def test_rule_1_413_reads_half_as_much(custody):
    custody.streams["b"].load(block("b", 0, b"x" * 65_536))
    answer(custody, a={"code": 200, "mark": 4}, b={"code": 413})
    assert custody.streams["b"].order(1 << 20).max_bytes == 32_768


def test_rule_1_400_is_read_again_once_and_then_a_gap(custody):
    stream = custody.streams["a"]
    answer(custody, a={"code": 400})
    assert (stream.place, len(stream.queue)) == (0, 0)
    stream.load(block("a", 0, b"one\n"))
    answer(custody, a={"code": 400})
    (gap,) = custody.request(1 << 20).frames
    assert (gap.start, gap.end, gap.reason, gap.body) == (0, 4, "unreadable", b"")
    assert custody.unreadable_bytes == 4
