"""Rule 16: snapshots use the same door, and are named, compared and frozen like blocks."""

import asyncio

from collector.core.gathered import Gathered
from collector.core.snapshot import SnapshotQueue
from tests.aggregator.journal.world import open_journal, pod
from tests.aggregator.serving import raw, serving
from tests.fakes.pod import RAW_POD
from towline.wire.codec import decode_answer, decode_request, encode_request
from towline.wire.snapshot import Family, Sample, SnapshotAnswer, SnapshotRequest


def gauge(value):
    return Family(name="g", type="gauge", help="h", samples=(Sample({}, value),))


def queue(journal="J1"):
    made = SnapshotQueue(RAW_POD, run="r", interval_seconds=15.0, max_series=100)
    made.join(journal)
    return made


class Page:
    """Notes what it was given to show."""

    def __init__(self):
        self.shown = []

    def take(self, pod, request, now):
        self.shown.append((pod.name, request.run, request.sequence))


async def test_rule_16_a_snapshot_is_named_by_pod_run_and_sequence_and_taken_once(tmp_path):
    journal = open_journal(tmp_path)
    said = [("r1", 1), ("r1", 1), ("r1", 3), ("r1", 2), ("r2", 1)]
    assert [await journal.snapshot(pod(), *name) for name in said] == [
        (1, True),
        (1, False),
        (3, True),
        (3, False),
        (1, True),
    ]
    assert await journal.snapshot(pod(2), "r1", 1) == (1, True)
    await journal.close()


def test_rule_16_a_sent_snapshot_is_frozen_and_retried_byte_for_byte():
    made = queue()
    made.offer(Gathered(families=(gauge(1),)), 5)
    made.take()
    sent = made.body
    made.offer(Gathered(families=(gauge(2),)), 6)
    made.answered(SnapshotAnswer(journal="J1", code=503))
    made.take()
    assert made.body == sent


def test_rule_16_merging_happens_only_in_the_next():
    made = queue()
    made.offer(Gathered(families=(gauge(1),)), 5)
    made.take()
    made.offer(Gathered(families=(gauge(2),)), 6)
    made.offer(Gathered(families=(gauge(3),)), 7)
    made.answered(SnapshotAnswer(journal="J1", code=200, sequence=1))
    following = made.take()
    assert (following.sequence, following.families) == (2, (gauge(3),))


def test_rule_16_a_snapshot_that_another_journal_is_to_get_keeps_its_name_and_samples():
    made = queue()
    made.offer(Gathered(families=(gauge(1),)), 5)
    before = made.take()
    made.answered(SnapshotAnswer(journal="J2", code=421))
    after = decode_request(made.body, SnapshotRequest)
    assert (after.journal, after.sequence, after.families) == ("J2", before.sequence, before.families)


async def test_rule_16_at_or_below_the_newest_of_a_run_nothing_happens_twice(tmp_path):
    page = Page()
    async with serving(tmp_path, page=page) as place:
        answers = []
        for sequence in (1, 2, 1):
            said = SnapshotRequest(
                journal=place.journal.journal_id,
                pod=raw(place.caller.pod),
                run="r",
                sequence=sequence,
                taken_unix_ns=5,
                interval_seconds=15.0,
            )
            reply = await place.caller.call("POST", "/v1/snapshots", data=encode_request(said))
            answers.append(decode_answer(reply.body, SnapshotAnswer))
    assert [(answer.code, answer.sequence) for answer in answers] == [(200, 1), (200, 2), (200, 2)]
    assert [sequence for _, _, sequence in page.shown] == [1, 2]


async def test_rule_16_blocks_that_wait_never_delay_a_snapshot(tmp_path):
    """They have a connection of their own, and the journal's share of no sink counts for them."""
    async with serving(tmp_path, share_bytes=1) as place:
        said = SnapshotRequest(
            journal=place.journal.journal_id,
            pod=raw(place.caller.pod),
            run="r",
            sequence=1,
            taken_unix_ns=5,
            interval_seconds=15.0,
        )
        async with asyncio.timeout(10):
            reply = await place.caller.call("POST", "/v1/snapshots", data=encode_request(said))
    assert reply.status == 200
