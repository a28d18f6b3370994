"""Snapshots at the door: kept, as they came, for the sinks of metrics that are owed them."""

import os

import msgspec
import pytest

from aggregator.core.records import Debt
from aggregator.core.route import Routes
from aggregator.custody import custody_of
from aggregator.debtors import Debtors
from tests.aggregator.pointing import NAME, PodTeller
from tests.aggregator.serving import serving
from tests.fakes.memory_metric_sink import MemoryMetricSink
from towline.wire.codec import decode_answer, encode_request, open_body
from towline.wire.snapshot import Scrape, SnapshotAnswer


def debtors():
    return Debtors(Routes([], []), {}, {NAME: MemoryMetricSink()})


def addressed(place, request):
    return encode_request(msgspec.structs.replace(request, journal=place.journal.journal_id))


async def post(place, body):
    reply = await place.caller.call("POST", "/v1/snapshots", data=body)
    return reply, decode_answer(reply.body, SnapshotAnswer)


async def test_a_snapshot_is_owed_byte_for_byte_to_whoever_takes_metrics(tmp_path):
    async with serving(tmp_path, debtors=debtors()) as place:
        teller = PodTeller()
        body = addressed(place, teller.snapshot({f"c{number}_total": number for number in range(50)}))
        for _ in range(2):
            assert (await post(place, body))[1].sequence == 1
        (block,) = await place.journal.take(NAME, "all", teller.pod.uid, 0, 1 << 20)
        assert open_body(block.codec, block.body, block.end - block.start) == body
        assert len(block.body) < len(body) / 2


async def test_without_sinks_of_metrics_nothing_is_owed(tmp_path):
    async with serving(tmp_path) as place:
        await post(place, addressed(place, PodTeller().snapshot({})))
        assert place.journal.counters.appended_snapshots == 0


async def test_a_service_that_leaves_takes_no_snapshot_that_it_would_have_to_deliver(tmp_path):
    async with serving(tmp_path, debtors=debtors()) as place:
        place.intake.leaving = True
        reply, answer = await post(place, addressed(place, PodTeller().snapshot({})))
        assert (reply.status, answer.code, reply.headers["Retry-After"]) == (503, 503, "1")
        place.intake.leaving = False
        assert (await post(place, addressed(place, PodTeller().snapshot({}))))[1].sequence == 1


@pytest.mark.parametrize(
    "changes",
    [{"taken_unix_ns": -1}, {"taken_unix_ns": 1 << 62}, {"interval_seconds": float("nan")}, {"interval_seconds": -1.0}],
)
async def test_times_that_cannot_be_are_refused(tmp_path, changes):
    async with serving(tmp_path, debtors=debtors()) as place:
        said = msgspec.structs.replace(PodTeller().snapshot({}), **changes)
        reply, answer = await post(place, addressed(place, said))
        assert (reply.status, answer.code) == (400, 400)


def test_what_does_not_compress_is_kept_as_it_came():
    scrape = Scrape(labels={}, scraped_unix_ns=1, duration_seconds=0.1, up=True, length=9, body=os.urandom(50_000))
    said = msgspec.structs.replace(PodTeller().snapshot({}), scrapes=(scrape,))
    body = encode_request(said)
    kept = custody_of(said, body, (Debt(NAME, "all"),))
    assert (kept.codec, kept.body, kept.length) == ("none", body, len(body))
