"""Snapshots come by the same door: each once, each answered."""

import pytest

from tests.aggregator.forwarding import pod_of
from tests.aggregator.serving import raw, serving
from towline.wire.codec import decode_answer, encode_request
from towline.wire.snapshot import Family, Sample, SnapshotAnswer, SnapshotRequest


class Page:
    def __init__(self):
        self.taken = []

    def take(self, pod, request, now):
        self.taken.append((pod.uid, request.run, request.sequence))


def snapshot(place, sequence=1, **changes):
    said = {
        "journal": place.journal.journal_id,
        "pod": raw(pod_of()),
        "run": "r",
        "sequence": sequence,
        "taken_unix_ns": 1,
        "interval_seconds": 15.0,
        "families": (Family(name="up", type="gauge", help="", samples=(Sample({}, 1.0),)),),
    }
    return encode_request(SnapshotRequest(**(said | changes)))


async def test_a_snapshot_is_taken_once_and_shown(tmp_path):
    page = Page()
    async with serving(tmp_path, page=page) as place:
        replies = [
            await place.caller.call("POST", "/v1/snapshots", data=snapshot(place, number)) for number in (1, 2, 2, 1)
        ]
    answers = [decode_answer(reply.body, SnapshotAnswer) for reply in replies]
    assert [(answer.code, answer.sequence) for answer in answers] == [(200, 1), (200, 2), (200, 2), (200, 2)]
    assert [sequence for _, _, sequence in page.taken] == [1, 2, 2]


@pytest.mark.parametrize(
    ("changes", "status"),
    [({"journal": "x"}, 421), ({"sequence": 0}, 400), ({"run": ""}, 400), ({"run": "x" * 65}, 400)],
)
async def test_a_snapshot_that_cannot_be_taken_says_why(tmp_path, changes, status):
    page = Page()
    async with serving(tmp_path, page=page) as place:
        reply = await place.caller.call("POST", "/v1/snapshots", data=snapshot(place, **changes))
        answer = decode_answer(reply.body, SnapshotAnswer)
        assert (reply.status, answer.code, answer.journal) == (status, status, place.journal.journal_id)
    assert not page.taken
