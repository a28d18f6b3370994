"""What the door refuses: too much, too slow, or what cannot be true."""

import asyncio
import io

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aggregator.body import Bodies
from tests.aggregator.forwarding import frame_of, pod_of
from tests.aggregator.serving import WIRE, serving
from towline.wire.block import MAX_BLOCK_BYTES, Code, Frame
from towline.wire.codec import checksum_of, compress
from towline.wire.identity import Origin


async def test_a_block_that_is_too_large_is_to_be_halved(tmp_path):
    async with serving(tmp_path) as place:
        reply = await place.caller.post(frame_of(b"x" * (MAX_BLOCK_BYTES + 1)))
    assert [it.code for it in reply.blocks.frames] == [Code.TOO_LARGE]


@pytest.mark.parametrize("body", [b"", b"\x00", b"{}", b"\xc1" * 50, b"\x91" * 100_000])
async def test_rubbish_is_answered_as_rubbish(tmp_path, body):
    async with serving(tmp_path) as place:
        reply = await place.caller.call("POST", "/v1/blocks", data=body)
        assert (reply.status, bool(reply.blocks.error)) == (400, True)
        assert (await place.caller.post(frame_of(b"one\n"))).status == 200


@pytest.mark.parametrize("known_length", [True, False])
async def test_a_body_above_the_bound_is_refused_before_it_is_read(tmp_path, known_length):
    async def chunks():
        for _ in range(64):
            yield b"x" * 65536

    body = io.BytesIO(b"x" * (1 << 22)) if known_length else chunks()
    async with serving(tmp_path, bodies=Bodies(1 << 20, 5.0)) as place:
        reply = await place.caller.call("POST", "/v1/blocks", data=body)
    assert reply.status == 413


async def test_a_compressed_request_is_never_inflated(tmp_path):
    async with serving(tmp_path) as place:
        reply = await place.caller.call("POST", "/v1/blocks", WIRE | {"Content-Encoding": "gzip"}, data=b"\x1f\x8b")
    assert reply.status == 400


async def test_a_body_that_does_not_come_is_waited_for_only_so_long(tmp_path):
    async with serving(tmp_path, bodies=Bodies(1 << 20, 0.05)) as place:
        reader, writer = await asyncio.open_connection(*place.address)
        writer.write(b"POST /v1/blocks HTTP/1.1\r\nHost: a\r\nTowline-Wire: 1\r\nContent-Length: 100\r\n\r\nabc")
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408")


async def test_many_bodies_at_once_are_bounded_together(tmp_path):
    async with serving(tmp_path, bodies=Bodies(24 << 20, 10.0)) as place:
        held = []
        for _ in range(2):
            _, writer = await asyncio.open_connection(*place.address)
            writer.write(b"POST /v1/blocks HTTP/1.1\r\nHost: a\r\nTowline-Wire: 1\r\nContent-Length: 14000000\r\n\r\n")
            held.append(writer)
        held[0].write(b"x" * 12_000_000)
        await held[0].drain()
        reply = await place.caller.call("POST", "/v1/blocks", data=io.BytesIO(b"x" * (13 << 20)))
        for writer in held:
            writer.transport.abort()
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")


async def test_too_many_frames_in_one_request_are_too_large(tmp_path):
    frames = [frame_of(b"", start=0, stream=f"s{number}") for number in range(4097)]
    async with serving(tmp_path) as place:
        assert (await place.caller.post(*frames)).status == 413


@pytest.mark.parametrize(
    "changes",
    [
        {"stream": ""},
        {"stream": "x" * 65},
        {"stream": "a\nb"},
        {"epoch": -1},
        {"epoch": 1 << 62},
        {"start": -1},
        {"start": 5},
        {"end": 1 << 63},
        {"base": -1},
        {"read_unix_ns": -1},
        {"print": "x" * 65},
        {"reason": "hole"},
        {"origin": Origin(path="/a", encoding="utf-7")},
        {"origin": Origin(path="/" + "a" * 5000)},
        {"origin": Origin(path="/a", tags=("t",) * 200)},
        {"codec": "none"},
        {"body": b"\x28\xb5\x2f\xfd"},
    ],
)
async def test_what_cannot_be_true_is_refused_and_changes_no_mark(tmp_path, changes):
    async with serving(tmp_path) as place:
        frame = msgspec.structs.replace(frame_of(b"one\n"), **changes)
        reply = await place.caller.post(frame)
        assert reply.status == 200
        assert [it.code for it in reply.blocks.frames] == [400]
        assert (await place.caller.call("GET", "/v1/marks?pod=uid-web-1")).marks.rows == ()


NUMBERS = st.sampled_from([-(2**63), -1, 0, 1, 4, 2**31, 2**53, 2**62, 2**63 - 1, 2**63, 2**64 - 1])

TEXTS = st.sampled_from(["", "s", "a" * 32, "\0", "\u2028", "../../etc", "x" * 70_000])

FRAMES = st.builds(
    Frame,
    stream=TEXTS,
    epoch=NUMBERS,
    start=NUMBERS,
    end=NUMBERS,
    codec=st.sampled_from(["zstd", "none"]),
    body=st.sampled_from([b"", b"x", compress(b"one\n"), compress(b"one\n")[:-2]]),
    checksum=st.sampled_from([0, 1, -1, checksum_of(compress(b"one\n")), checksum_of(b"x")]),
    print=TEXTS,
    read_unix_ns=NUMBERS,
    origin=st.builds(Origin, path=TEXTS, container=TEXTS, encoding=TEXTS, tags=st.tuples(TEXTS)),
    head_bytes=NUMBERS,
    reason=st.sampled_from([None, "hole", "given_up"]),
    partial=st.booleans(),
    final=st.booleans(),
    gone=st.booleans(),
    alias=TEXTS,
    base=st.none() | NUMBERS,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frames=st.lists(FRAMES, min_size=1, max_size=4), since=NUMBERS, run=TEXTS, name=TEXTS)
def test_whatever_is_said_is_answered_and_the_door_stays_open(tmp_path_factory, frames, since, run, name):
    async def say():
        async with serving(tmp_path_factory.mktemp("door")) as place:
            sane = msgspec.structs.replace(frame_of(b"one\n"), stream="sane")
            reply = await place.caller.post(*frames, sane, since=since, run=run)
            assert reply.status in {200, 400}
            if reply.status == 200:
                assert len(reply.blocks.frames) == len(frames) + 1
                assert reply.blocks.frames[-1].code == 200
            place.caller.pod = msgspec.structs.replace(pod_of(), name=name, uid=name)
            assert (await place.caller.post(sane)).status in {200, 400}
            place.caller.pod = pod_of()
            life = {"run": run} if reply.status == 200 else {}  # another life would have to ask for the rows first
            assert (await place.caller.post(sane, **life)).status == 200

    asyncio.run(say())
