"""What the door answers to frames that are what they should be."""

import asyncio

import msgspec
import pytest

from aggregator.core.route import Route, Routes
from aggregator.debtors import Debtors
from tests.aggregator.forwarding import frame_of, pod_of
from tests.aggregator.serving import serving
from tests.fakes.memory_sink import MemorySink
from towline.wire.block import Code, Delivered


async def test_a_frame_is_stored_and_its_mark_answered(tmp_path):
    async with serving(tmp_path) as place:
        reply = await place.caller.post(frame_of(b"one\n"))
    assert (reply.status, reply.headers["Towline-Wire"]) == (200, "1")
    assert [(it.stream, it.code, it.mark, it.delivered) for it in reply.blocks.frames] == [("s", 200, 4, 0)]


async def test_the_same_frame_again_is_answered_and_not_stored_twice(tmp_path):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        reply = await place.caller.post(frame_of(b"one\n"))
        assert [(it.code, it.mark) for it in reply.blocks.frames] == [(200, 4)]
        assert place.journal.status().sinks["out"].owed_blocks == 1


async def test_a_frame_beyond_the_mark_is_told_where_to_go_on(tmp_path):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        reply = await place.caller.post(frame_of(b"three\n", start=8))
    assert [(it.code, it.mark) for it in reply.blocks.frames] == [(Code.REWIND, 4)]


async def test_one_failing_frame_fails_no_other(tmp_path):
    broken = msgspec.structs.replace(frame_of(b"two\n", stream="b"), checksum=1)
    async with serving(tmp_path) as place:
        reply = await place.caller.post(frame_of(b"1\n", stream="a"), broken, frame_of(b"3\n", stream="c"))
    assert [(it.stream, it.code) for it in reply.blocks.frames] == [("a", 200), ("b", 400), ("c", 200)]
    assert "checksum" in reply.blocks.frames[1].error


@pytest.mark.parametrize("journal", ["", "another"])
async def test_a_request_to_another_journal_stores_nothing_and_gets_the_rows(tmp_path, journal):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        reply = await place.caller.post(frame_of(b"two\n", start=4), journal=journal)
        assert (reply.status, reply.marks.journal) == (421, place.journal.journal_id)
        assert [(row.stream, row.mark) for row in reply.marks.rows] == [("s", 4)]


async def test_marks_are_answered_for_one_pod_only(tmp_path):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        place.caller.pod = pod_of("web-2")
        await place.caller.post(frame_of(b"one\n", stream="t"))
        known = await place.caller.call("GET", "/v1/marks?pod=uid-web-1")
        unknown = await place.caller.call("GET", "/v1/marks?pod=nobody")
        missing = await place.caller.call("GET", "/v1/marks")
    assert [row.stream for row in known.marks.rows] == ["s"]
    assert (unknown.marks.rows, unknown.marks.heard_seconds_ago) == ((), None)
    assert missing.status == 400


async def test_a_frame_of_another_pods_stream_is_refused(tmp_path):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        place.caller.pod = pod_of("web-2")
        reply = await place.caller.post(frame_of(b"two\n", start=4))
    assert [it.code for it in reply.blocks.frames] == [400]


async def test_delivered_is_told_to_an_empty_request(tmp_path):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\n"))
        stop = asyncio.Event()
        stop.set()
        async with asyncio.timeout(10):
            await place.forwarder.run(stop)
        reply = await place.caller.post()
        again = await place.caller.post(since=reply.blocks.until)
    assert reply.blocks.delivered == (Delivered("s", 0, 4),)
    assert again.blocks.delivered == ()


async def test_the_routes_decide_who_is_owed(tmp_path):
    sinks = {"a": MemorySink(), "b": MemorySink()}
    debtors = Debtors(Routes([Route(("b",))], sinks), sinks)
    async with serving(tmp_path, sinks, debtors=debtors) as place:
        await place.caller.post(frame_of(b"one\n"))
        assert (dict(place.journal.owing("a")), list(place.journal.owing("b"))) == ({}, ["all"])


async def test_a_gap_needs_no_body_and_may_be_larger_than_a_block(tmp_path):
    gap = msgspec.structs.replace(frame_of(b""), body=b"", checksum=0, reason="hole", end=1 << 30)
    async with serving(tmp_path) as place:
        reply = await place.caller.post(gap)
    assert [(it.code, it.mark) for it in reply.blocks.frames] == [(200, 1 << 30)]
