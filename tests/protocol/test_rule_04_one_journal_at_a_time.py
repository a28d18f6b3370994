"""Rule 4: which journal is believed in, which peer is spoken to, and when either is left."""

import asyncio
import json

import pytest

from collector.core.custody import Custody
from collector.core.peers import Peers
from tests.fakes.aggregator import HANG, Believed, Said, listening
from tests.fakes.dict_journal import DictJournal
from tests.fakes.pod import block, collecting, custody_of
from towline.wire.block import BlocksAnswer, BlocksRequest, Delivered, FrameAnswer, MarksAnswer

LINES = b"".join(b"line %04d\n" % number for number in range(100))


def exchange(custody, journal):
    sent = custody.request(1 << 20)
    request = BlocksRequest(journal=sent.journal, pod=b"", run="r", frames=sent.frames, since=sent.since)
    return custody.answered(sent, journal.take(request))


def peers(*addresses, **changes):
    peers = Peers(pod_uid="u", failover_seconds=120, **changes)
    peers.resolved(addresses)
    peers.choose(0.0)
    return peers


# Journals.


async def test_rule_4_a_request_that_names_another_journal_stores_nothing_and_is_told_the_rows(tmp_path):
    aggregator = Believed("J1")
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        pod.write("x.log", LINES)
        await pod.turn(3)
        aggregator.journal = DictJournal("J2")
        pod.write("x.log", b"more\n")
        await pod.turn(1)
        assert (pod.custody.journal, aggregator.text()) == ("J2", b"")
        await pod.turn(3)
        assert aggregator.text() == LINES + b"more\n"


def test_rule_4_an_answer_of_a_journal_that_was_left_moves_nothing():
    old, new = DictJournal("J1"), DictJournal("J2")
    custody = custody_of(old, "a")
    custody.streams["a"].load(block("a", 0, b"one\n"))
    sent = custody.request(1 << 20)
    late = old.take(BlocksRequest(journal="J1", pod=b"", run="r", frames=sent.frames))
    custody.meet(new.marks(), 1.0)
    assert not custody.answered(sent, late)
    assert custody.streams["a"].stored == 0


def test_rule_4_only_the_answer_to_the_newest_request_counts():
    journal = DictJournal("J1")
    custody = custody_of(journal, "a")
    early = custody.request(1 << 20)
    custody.request(1 << 20)
    assert not custody.answered(early, BlocksAnswer(journal="J1", delivered=(Delivered("a", 0, 5),)))


def test_rule_4_a_journal_where_nothing_waits_is_left_without_copies():
    old = DictJournal("J1")
    custody = custody_of(old, "a")
    custody.streams["a"].load(block("a", 0, b"one\n"))
    exchange(custody, old)
    old.deliver_all()
    exchange(custody, old)
    meeting = custody.meet(DictJournal("J2").marks(), 1.0)
    assert (meeting.changed, meeting.given_up_bytes, custody.streams["a"].place) == (True, 0, 4)


def test_rule_4_a_journal_that_is_given_up_is_gone_back_from_to_delivered_said_and_counted():
    old, new = DictJournal("J1"), DictJournal("J2")
    custody = custody_of(old, "a")
    custody.streams["a"].load(block("a", 0, b"one\n"))
    exchange(custody, old)
    meeting = custody.meet(new.marks(), 1.0)
    assert (meeting.given_up_bytes, custody.counters["copies_possible_bytes"]) == (4, 4)
    assert (custody.streams["a"].place, custody.streams["a"].order(4).offset) == (0, 0)


def test_rule_4_a_collector_never_goes_below_its_own_delivered_and_says_base():
    old, new = DictJournal("J1"), DictJournal("J2")
    custody = custody_of(old, "a")
    custody.streams["a"].load(block("a", 0, b"one\n"))
    exchange(custody, old)
    old.deliver_all()
    exchange(custody, old)
    custody.meet(new.marks(), 1.0)
    custody.streams["a"].load(block("a", 4, b"two\n"))
    (frame,) = custody.request(1 << 20).frames
    assert frame.base == 4
    exchange(custody, new)
    assert [(gap.start, gap.end, gap.reason) for _, _, gap in new.gaps] == [(0, 4, "elsewhere")]
    assert custody.streams["a"].base is None


def test_rule_4_more_than_3_changes_of_journal_in_10_minutes_are_held():
    custody = Custody(journal="J0")
    assert [custody.meet(MarksAnswer(journal=f"J{n}"), n).held for n in (1, 2, 3, 4)] == [False, False, False, True]
    assert custody.journal == "J3"
    assert not custody.meet(MarksAnswer(journal="J4"), 601.0).held


async def test_rule_4_several_journals_behind_one_address_are_said_and_nothing_is_sent(tmp_path):
    aggregator = Believed("J0")
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        pod.write("x.log", LINES)
        for number in range(6):
            aggregator.journal = DictJournal(f"J{number}")
            await pod.turn(1)
        assert pod.progress.waiting_for == "several journals behind one address"
        assert pod.shipper.pace.may_send_at() >= pod.clock.now + 59
        assert pod.custody.counters["journal_changes"] == 3


# Peers.


def test_rule_4_gone_is_who_gave_no_http_answer_for_failover_seconds():
    two = peers("a", "b")
    first = two.current
    two.silent(10.0)
    assert two.choose(129.9) == first
    assert two.choose(130.0) != first


def test_rule_4_a_refusal_is_an_answer_and_never_causes_fail_over():
    two = peers("a", "b")
    first = two.current
    two.silent(10.0)
    two.heard(100.0, leaving=False)
    two.silent(101.0)
    assert two.choose(200.0) == first


@pytest.mark.parametrize("status", [401, 403, 429, 503, 500])
async def test_rule_4_a_status_is_no_silence(tmp_path, status):
    aggregator = Believed()
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        await pod.turn(2)
        aggregator.refuse = Said(status)
        pod.write("x.log", LINES)
        await pod.turn(1)
        assert (pod.peers.silent_since, pod.progress.waiting_for) == (None, f"status_{status}")


def test_rule_4_a_peer_that_says_leaving_for_10_seconds_is_left():
    two = peers("a", "b")
    first = two.current
    for now in (0.0, 9.0):
        two.heard(now, leaving=True)
    assert two.choose(9.9) == first
    assert two.choose(10.0) != first


def test_rule_4_a_peer_that_stays_after_all_is_kept():
    two = peers("a", "b")
    first = two.current
    two.heard(0.0, leaving=True)
    two.heard(5.0, leaving=False)
    two.heard(9.0, leaving=True)
    assert two.choose(12.0) == first


def test_rule_4_every_address_gets_its_turn_where_several_are_dead():
    three = peers("a", "b", "c")
    tried = {three.current}
    now = 0.0
    for _ in range(2):
        three.silent(now)
        now += 120
        tried.add(three.choose(now))
    assert tried == {"a", "b", "c"}


async def test_rule_4_a_silent_peer_is_left_after_failover_seconds_and_nothing_is_lost(tmp_path):
    first, second = Believed("J1"), Believed("J2")
    async with listening(first, second) as port, collecting(tmp_path, port) as pod:
        await pod.turn(1)
        pod.write("x.log", LINES)
        await pod.turn(1)
        pod.set_addresses("127.0.0.1", "127.0.0.2")
        first.script = [lambda *_: Said(cut=True)]
        pod.write("x.log", b"more\n")
        await pod.turn(2, seconds=60)
        assert pod.peers.current == "127.0.0.1"
        await pod.turn(4, seconds=60)
        assert (pod.peers.current, second.text()) == ("127.0.0.2", LINES + b"more\n")


async def test_rule_4_a_change_of_peer_is_on_disk_before_its_first_frame(tmp_path):
    first, second = Believed("J1"), Believed("J2")
    saved = []
    checkpoint = tmp_path / "state" / "checkpoint.json"

    def look(request, body):
        if b"zstd" in body or request.method == "POST":
            saved.append(json.loads(checkpoint.read_text())["peer"])
        return second._journaled(request, body)

    async with listening(first, second) as port, collecting(tmp_path, port) as pod:
        pod.write("x.log", LINES)
        await pod.turn(3)
        second.script = [look]
        pod.peers.take("127.0.0.2")
        await pod.turn(3)
    assert second.text() == LINES
    assert saved[1] == "127.0.0.2"  # the first was answered 421: no frame was taken


# Without a checkpoint.


async def test_rule_4_without_a_checkpoint_the_peer_last_heard_from_has_custody(tmp_path):
    three = [Believed("J1", heard_seconds_ago=500.0), Believed("J2", heard_seconds_ago=3.0), Believed("J3")]
    addresses = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
    async with listening(*three) as port, collecting(tmp_path, port, addresses=addresses) as pod:
        await pod.turn(1)
    assert [len(one.requests) for one in three] == [1, 1, 1]
    assert (pod.custody.journal, pod.peers.current) == ("J2", "127.0.0.2")


async def test_rule_4_a_silent_address_could_have_custody_and_is_waited_for(tmp_path):
    both = ("127.0.0.1", "127.0.0.2")
    async with listening(Believed("J1"), None) as port, collecting(tmp_path, port, addresses=both) as pod:
        await pod.turn(2, seconds=50)
        assert not pod.progress.met
        await pod.turn(2, seconds=50)
        assert (pod.progress.met, pod.custody.journal) == (True, "J1")


async def test_rule_4_with_a_checkpoint_only_its_peer_is_asked(tmp_path):
    first, second = Believed("J1"), Believed("J2", heard_seconds_ago=0.0)
    both = ("127.0.0.1", "127.0.0.2")
    async with listening(first, second) as port:
        async with collecting(tmp_path, port) as pod:
            await pod.turn(2)
        async with collecting(tmp_path, port, addresses=both) as pod:
            await pod.turn(2)
    assert (pod.custody.journal, second.requests) == ("J1", [])


async def test_rule_4_while_an_answer_is_waited_for_new_files_are_held_open(tmp_path):
    """A file may be made and unlinked within one time-out: it is in our custody all the same."""
    aggregator = Believed()
    async with listening(aggregator) as port, collecting(tmp_path, port, aggregator={"timeout_seconds": 0.2}) as pod:
        await pod.turn(2)
        pod.shipper.pace.scan_seconds = 0.01
        pod.write("x.log", LINES)
        await pod.look(read=True)
        aggregator.script = [HANG]
        scans = []
        hold = pod.watcher.hold

        async def held():
            if not scans:
                pod.write("brief.log", b"brief\n")
            await hold()
            if not scans:
                (pod.logs / "brief.log").unlink()
            scans.append(pod.open_files())

        pod.watcher.hold = held
        async with asyncio.TaskGroup() as group:
            beside = group.create_task(pod.shipper.keep_hold())
            await pod.shipper.exchange(pod.custody.request(1 << 20))
            beside.cancel()
        assert any("brief.log" in name for name in scans[-1])


def test_rule_4_a_frame_answer_for_another_stream_is_not_followed():
    custody = custody_of(DictJournal("J1"), "a")
    custody.streams["a"].load(block("a", 0, b"one\n"))
    sent = custody.request(1 << 20)
    custody.answered(sent, BlocksAnswer(journal="J1", frames=(FrameAnswer(stream="z", code=200, mark=4),)))
    assert custody.streams["a"].stored == 0
