"""Snapshots of the real pod metrics to a scripted aggregator."""

import asyncio
import time

import pytest

from collector.core.gathered import Gathered
from collector.sampling import Sources
from tests.fakes.aggregator import HANG, Said, Scripted, listening
from tests.fakes.pod import collecting
from towline.wire.codec import decode_request
from towline.wire.snapshot import Event, SnapshotAnswer, SnapshotRequest


def takes(_request, body):
    said = decode_request(body, SnapshotRequest)
    return Said(body=SnapshotAnswer(journal=said.journal, code=200, sequence=said.sequence))


@pytest.fixture
async def aggregator():
    return Scripted(takes)


@pytest.fixture
async def sampling(tmp_path, aggregator):
    async with listening(aggregator) as port, collecting(tmp_path, port, metrics={"interval_seconds": 0.05}) as pod:
        pod.custody.journal = "J1"
        pod.app._sampling.link._client.__class__ = type(pod.link._client)
        yield pod.app._sampling


def sent(aggregator):
    return [
        decode_request(body, SnapshotRequest) for _, path, _, body in aggregator.requests if path == "/v1/snapshots"
    ]


async def run(sampling, condition, *, for_good=True):
    """The stage, until `condition`; returns how long it took to leave."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(sampling.run(stop))
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110 - the stage has no event for it
                await asyncio.sleep(0.005)
        stop.set()
        began = time.monotonic()
    if for_good:
        await sampling.farewell()
    return time.monotonic() - began


async def test_who_only_rests_says_no_goodbye(sampling, aggregator):
    await run(sampling, lambda: len(sent(aggregator)) >= 2, for_good=False)
    assert not any(one.goodbye for one in sent(aggregator))


async def test_a_snapshot_goes_every_interval_and_the_last_one_says_goodbye(sampling, aggregator):
    await run(sampling, lambda: len(sent(aggregator)) >= 3)
    said = sent(aggregator)
    assert [one.sequence for one in said] == list(range(1, len(said) + 1))
    assert [one.goodbye for one in said] == [False] * (len(said) - 1) + [True]
    assert "container_memory_rss" in {family.name for family in said[0].families} or said[0].families
    assert sampling.sent_snapshots == len(said)


async def test_a_snapshot_that_was_not_answered_goes_again_byte_for_byte(sampling, aggregator):
    aggregator.script = [Said(503), Said(500), takes]
    for _ in range(3):
        await sampling._gather(5.0)
        await sampling._send()
    bodies = [body for _, _, _, body in aggregator.requests]
    assert len(set(bodies)) == 1
    assert (sampling.failed_requests, sampling.sent_snapshots) == (2, 1)


async def test_before_a_journal_is_known_nothing_is_sent_and_the_goodbye_waits_for_nobody(sampling, aggregator):
    sampling._journal = lambda: ""
    await sampling._gather(5.0)
    assert await sampling._send() > 0
    assert await run(sampling, lambda: True) < 3.0
    assert aggregator.requests == []


async def test_a_snapshot_for_a_journal_that_was_left_waits_until_the_new_one_is_believed_in(sampling, aggregator):
    aggregator.script = [Said(421, SnapshotAnswer(journal="J2", code=421)), takes]
    await sampling._gather(5.0)
    delay = await sampling._send()
    assert (delay > 0, sampling.sent_snapshots) == (True, 0)
    sampling._journal = lambda: "J2"
    assert await sampling._send() is None
    assert [(one.journal, one.sequence) for one in sent(aggregator)] == [("J1", 1), ("J2", 1)]


async def test_a_goodbye_that_is_sent_back_does_not_spin(sampling, aggregator, monkeypatch):
    monkeypatch.setattr("collector.sampling.GOODBYE_SECONDS", 0.6)
    aggregator.script = [Said(421, SnapshotAnswer(journal="J2", code=421))]
    await run(sampling, lambda: True)
    assert len(aggregator.requests) < 8


async def test_an_aggregator_that_is_silent_holds_up_the_exit_for_two_seconds_at_most(
    sampling, aggregator, monkeypatch
):
    monkeypatch.setattr("collector.sampling.GOODBYE_SECONDS", 0.2)
    aggregator.script = [HANG]
    sampling.link._client._timeout_seconds = 0.2
    assert await run(sampling, lambda: True) < 2.0


async def test_labels_that_change_while_the_pod_runs_are_in_the_next_snapshot(sampling, aggregator, tmp_path):
    import msgspec

    from towline.wire.identity import Pod

    await sampling._gather(5.0)
    await sampling._send()
    (tmp_path / "podinfo").mkdir()
    (tmp_path / "podinfo" / "labels").write_text('app="web"\n')
    await sampling._gather(5.0)
    await sampling._send()
    labels = [dict(msgspec.msgpack.decode(one.pod, type=Pod).labels) for one in sent(aggregator)]
    assert labels == [{}, {"app": "web"}]


async def test_who_hands_over_is_heard_out_and_who_asks_others_is_told_how_long_they_may_take(sampling):
    told = []

    async def slow(_now, _fresh):
        await asyncio.sleep(0.05)
        return Gathered(events=(Event(title="late", text="", unix_seconds=1),))

    async def asking(_now, _fresh, patience_seconds):
        told.append(patience_seconds)
        return Gathered()

    sampling._sources = Sources([slow], asking=[asking])
    await sampling._gather(0.01)
    assert ([event.title for event in sampling.queue.take().events], told) == (["late"], [0.01])
