import pytest

from collector.core.custody import ENDED_KEPT, FRAME_BYTES, Custody, Kept
from collector.core.files import Copied, Gone, Inherited, Missing, Opened, Truncated
from tests.fakes.dict_journal import DictJournal
from tests.fakes.pod import block, custody_of, key_of
from towline.wire.block import MAX_FRAMES, BlocksAnswer, BlocksRequest, Delivered, MarksAnswer, Row
from towline.wire.identity import Origin

MIB = 1 << 20


@pytest.fixture
def journal():
    return DictJournal("J1")


def exchange(custody, journal):
    sent = custody.request(MIB)
    request = BlocksRequest(journal=sent.journal, pod=b"", run="r", frames=sent.frames, since=sent.since)
    assert custody.answered(sent, journal.take(request))
    return sent


def test_a_request_holds_one_frame_of_every_stream(journal):
    custody = custody_of(journal, "a", "b", "c")
    for name in "abc":
        custody.streams[name].load(block(name, 0, b"one\n"))
    assert sorted(frame.stream for frame in custody.request(MIB).frames) == ["a", "b", "c"]


def test_a_request_is_bounded_but_never_empty(journal):
    custody = custody_of(journal, *"abcd")
    for name in "abcd":
        custody.streams[name].load(block(name, 0, b"x" * 1000))
    assert [len(custody.request(limit).frames) for limit in (1, 1000, 2600, 100_000)] == [1, 1, 2, 4]


def test_frames_without_a_body_weigh_as_well(journal):
    """A request that is refused as too large must get smaller however little is in it."""
    custody = custody_of(journal, *[f"s{number}" for number in range(100)])
    for stream in custody.streams.values():
        stream.gone = True
    assert len(custody.request(10 * FRAME_BYTES).frames) == 10


def test_no_request_holds_more_frames_than_a_journal_takes(journal):
    custody = custody_of(journal, *[f"s{number}" for number in range(MAX_FRAMES + 10)])
    for stream in custody.streams.values():
        stream.gone = True
    assert len(custody.request(64 * MIB).frames) <= MAX_FRAMES


def test_a_full_request_never_starves_a_stream(journal):
    custody = custody_of(journal, *"abcd")
    for name in "abcd":
        custody.streams[name].load(block(name, 0, b"x" * 1000))
    assert {custody.request(1).frames[0].stream for _ in range(4)} == set("abcd")


def test_a_full_window_never_starves_a_stream(journal):
    custody = custody_of(journal, *"abcd")
    assert {custody.orders(lambda _: 100, 1)[0].stream_id for _ in range(4)} == set("abcd")


def test_what_waits_to_be_sent_counts_in_the_window(journal):
    custody = custody_of(journal, "a", "b")
    custody.streams["a"].load(block("a", 0, b"x" * 100))
    assert custody.orders(lambda _: 1000, 100) == []
    assert len(custody.orders(lambda _: 1000, 101)) == 1


def test_a_file_that_is_not_to_be_read_now_is_passed_over(journal):
    custody = custody_of(journal, "a", "b")
    assert [order.stream_id for order in custody.orders({"a": None, "b": 9}.get, MIB)] == ["b"]


def test_an_answer_counts_once(journal):
    custody = custody_of(journal, "a")
    sent = custody.request(MIB)
    answer = BlocksAnswer(journal="J1", until=5)
    assert (custody.answered(sent, answer), custody.answered(sent, answer)) == (True, False)


def test_delivered_of_a_stream_that_we_do_not_know_is_passed_over(journal):
    custody = custody_of(journal, "a")
    assert custody.answered(custody.request(MIB), BlocksAnswer(journal="J1", delivered=(Delivered("z", 0, 9),)))
    assert set(custody.streams) == {"a"}


def test_since_is_the_newest_until_and_begins_anew_with_another_journal(journal):
    custody = custody_of(journal, "a")
    for until in (5, 3, 9):
        custody.answered(custody.request(MIB), BlocksAnswer(journal="J1", until=until))
    assert custody.request(MIB).since == 9
    custody.meet(MarksAnswer(journal="J2", until=2), 0.0)
    assert custody.request(MIB).since == 2


def test_rows_of_streams_that_have_no_file_here_are_taken_up_and_wait_for_delivery():
    custody = Custody()
    custody.meet(MarksAnswer(journal="J1", rows=(Row(stream="old", mark=9, delivered=4),)), 0.0)
    assert (custody.waiting_bytes, custody.orders(lambda _: 100, MIB)) == (5, [])


def test_a_checkpoint_says_how_far_every_stream_was_delivered_and_the_next_life_knows_it(journal):
    custody = custody_of(journal, "a")
    custody.streams["a"].load(block("a", 0, b"one\n"))
    exchange(custody, journal)
    journal.deliver_all()
    exchange(custody, journal)
    kept = custody.checkpoint()
    assert [(one.stream, one.epoch, one.delivered) for one in kept] == [("a", 0, 4)]
    next_life = Custody()
    next_life.remember("J1", kept)
    next_life.meet(DictJournal("J2").marks(), 0.0)
    assert next_life.streams["a"].base == (0, 4)


def test_the_first_journal_after_a_start_is_no_change():
    custody = Custody()
    assert not custody.meet(MarksAnswer(journal="J1"), 0.0).changed
    assert custody.counters["journal_changes"] == 0


def test_another_journal_than_the_checkpoint_s_is_a_change():
    custody = Custody()
    custody.remember("J1", [Kept("a", 0, 4)])
    assert custody.meet(MarksAnswer(journal="J2"), 0.0).changed


# Files.


def test_events_of_files_change_what_is_read_and_said(journal):
    custody = custody_of(journal, "a")
    custody.apply(Truncated("a", key_of(1), 0, 7))
    custody.apply(Missing("a", 5))
    assert (custody.counters["lost_to_truncation_bytes"], custody.counters["missing_bytes"]) == (7, 5)
    custody.apply(Inherited("a", key_of(2), Origin(path="/x.1"), 1, 0, "alias"))
    assert (custody.streams["a"].key, custody.streams["a"].alias) == (key_of(2), "alias")
    custody.apply(Copied("a", 1, "other"))
    assert custody.streams["a"].queue[-1].alias == "other"


def test_a_path_that_is_no_utf_8_can_be_said():
    custody = Custody()
    custody.apply(Opened("a", key_of(), Origin(path="/var/log/\udce9\udcff.log"), 0, 0))
    assert custody.streams["a"].origin.path == r"/var/log/\xe9\xff.log"


def test_a_file_that_comes_back_is_not_gone(journal):
    custody = custody_of(journal, "a")
    custody.apply(Gone("a"))
    exchange(custody, journal)
    custody.apply(Opened("a", key_of(), Origin(path="/x"), 0, 0))
    assert (custody.streams["a"].gone, custody.streams["a"].said_gone) == (False, False)


def test_of_streams_that_are_over_only_the_newest_are_kept_and_what_they_lost_stays_counted(journal):
    custody = custody_of(journal)
    for number in range(ENDED_KEPT + 50):
        name = f"s{number}"
        custody.apply(Opened(name, key_of(number), Origin(path="/x"), 0, 0))
        custody.streams[name].lost_bytes = custody.streams[name].unreadable_bytes = 1
        custody.apply(Gone(name))
        exchange(custody, journal)
    assert len(custody.streams) <= ENDED_KEPT + 2
    assert (custody.lost_bytes, custody.unreadable_bytes) == (ENDED_KEPT + 50, ENDED_KEPT + 50)
    custody.apply(Copied("s0", 0, "alias"))  # of a stream that was forgotten: nothing happens


def test_a_stream_that_waits_for_delivery_is_never_forgotten(journal):
    custody = custody_of(journal, "first")
    custody.streams["first"].load(block("first", 0, b"one\n"))
    custody.apply(Gone("first"))
    exchange(custody, journal)
    exchange(custody, journal)
    for number in range(ENDED_KEPT + 50):
        custody.apply(Opened(f"s{number}", key_of(number + 2), Origin(path="/x"), 0, 0))
        custody.apply(Gone(f"s{number}"))
        exchange(custody, journal)
    assert custody.streams["first"].waiting_bytes == 4
