"""The recorded bytes of every wire version that was ever released (protocol rule 17): collectors live for months in running pods.

`wire/v1/*` is the truth: requests as a collector of version 1 sends them, answers as an aggregator of version 1 gives them. They are never
made again. To record a message that has no file yet, add it to MESSAGES and run this test with TOWLINE_RECORD_WIRE=1.
"""

import json
import os
from pathlib import Path

import msgspec
import pytest

from towline.wire import codec
from towline.wire.block import (
    BlocksAnswer,
    BlocksRequest,
    Delivered,
    Frame,
    FrameAnswer,
    MarksAnswer,
    Row,
)
from towline.wire.identity import Origin, Pod, print_of, stream_id
from towline.wire.snapshot import Family, Sample, SnapshotAnswer, SnapshotRequest

RECORDED = Path(__file__).parent / "wire" / "v1"
STREAM = "00112233445566778899aabbccddeeff"
OTHER = "ffeeddccbbaa99887766554433221100"
ZSTD = bytes.fromhex("28b52ffd2008410000") + b"one\ntwo\n"  # 8 bytes in one raw zstd block
BARE = Pod(namespace="shop", name="web-1", uid="0a1b2c3d-0000-4000-8000-000000000001")
WHOLE = Pod(
    namespace="shop",
    name="web-6d4cf56db6-abcde",
    uid="0a1b2c3d-0000-4000-8000-000000000002",
    ip="10.0.0.7",
    node="fargate-ip-10-0-0-7",
    service_account="web",
    workload="web",
    cluster="prod",
    region="eu-central-1",
    account="000000000000",
    labels={"app": "web", "tags.datadoghq.com/env": "prod"},
    annotations={"CapacityProvisioned": "0.25vCPU 0.5GB"},
)
ORIGIN = Origin(
    path="/var/log/app/café.log",
    container="web",
    source="nginx",
    service="shop-web",
    tags=("team:shop", "tier:1"),
    encoding="utf-16le",
)


def raw(pod):
    return msgspec.Raw(msgspec.msgpack.encode(pod))


def frame(start, end, **more):
    return Frame(stream=STREAM, start=start, end=end, origin=Origin(path="/var/log/app/x.log"), **more)


MESSAGES = {
    "blocks-empty.msgpack": BlocksRequest(journal="", pod=raw(BARE), run="r1"),
    "blocks-goodbye.msgpack": BlocksRequest(journal="j1", pod=raw(WHOLE), run="r1", since=1 << 40, goodbye=True),
    "blocks-frames.msgpack": BlocksRequest(
        journal="5f0c9d1e2b3a49588776655443322110",
        pod=raw(WHOLE),
        run="a1b2c3d4e5f60718",
        since=17,
        frames=(
            frame(
                0, 8, body=ZSTD, checksum=codec.checksum_of(ZSTD), print="0" * 32, read_unix_ns=1_790_000_000 * 10**9
            ),
            Frame(
                stream=OTHER,
                epoch=3,
                start=(1 << 40) + 5,
                end=(1 << 40) + 9,
                codec="none",
                body=b"\x00\xff\r\n",
                checksum=codec.checksum_of(b"\x00\xff\r\n"),
                print="f" * 32,
                read_unix_ns=1,
                origin=ORIGIN,
                head_bytes=256,
                partial=True,
                continues=True,
            ),
        ),
    ),
    "blocks-words.msgpack": BlocksRequest(
        journal="j1",
        pod=raw(BARE),
        run="r1",
        frames=(
            frame(0, 4096, reason="hole", print=""),
            frame(4096, 5000, reason="given_up", print=""),
            frame(5000, 6000, reason="unreadable", print="1" * 32),
            frame(6000, 7000, reason="truncated", final=True, print=""),
            frame(0, 0, epoch=1, final=True, gone=True),
            frame(9, 9, epoch=1, alias=OTHER, base=9, print=""),
        ),
    ),
    "snapshot.msgpack": SnapshotRequest(
        journal="j1",
        pod=raw(WHOLE),
        run="r1",
        sequence=2,
        taken_unix_ns=1_790_000_000 * 10**9,
        interval_seconds=15.0,
        families=(
            Family(
                name="container_cpu_usage_seconds_total",
                type="counter",
                help="Cumulative CPU time consumed, in seconds.",
                samples=(Sample({"scope": "container"}, 1.25), Sample({}, 0.0)),
            ),
            Family(name="container_memory_rss", type="gauge", help="", samples=(Sample({"scope": "pod"}, -1e300),)),
        ),
    ),
    "snapshot-goodbye.msgpack": SnapshotRequest(
        journal="j1", pod=raw(BARE), run="r1", sequence=3, taken_unix_ns=0, interval_seconds=0.5, goodbye=True
    ),
    "blocks-answer.json": BlocksAnswer(
        journal="j1",
        frames=(
            FrameAnswer(stream=STREAM, code=200, mark=8, delivered=4),
            FrameAnswer(stream=OTHER, code=409, epoch=3, mark=1 << 40, delivered=0, print="f" * 32),
            FrameAnswer(stream=STREAM, code=400, error="checksum does not match the body"),
            FrameAnswer(stream=STREAM, code=413, error="too large"),
        ),
        delivered=(Delivered(STREAM, 0, 4), Delivered(OTHER, 2, 1 << 40)),
        until=18,
        next_ms=250,
    ),
    "blocks-answer-empty.json": BlocksAnswer(journal="j1"),
    "blocks-answer-leaving.json": BlocksAnswer(journal="j1", until=4, leaving=True, error="draining"),
    "blocks-answer-426.json": BlocksAnswer(journal="j1", error="not spoken here", versions=(1,)),
    "marks-answer.json": MarksAnswer(
        journal="j1",
        rows=(
            Row(stream=STREAM, mark=8, delivered=4, print="0" * 32, path="/var/log/app/x.log"),
            Row(
                stream=OTHER,
                epoch=3,
                mark=9,
                delivered=9,
                print="",
                path="/var/log/app/café.log",
                head_bytes=256,
                aliases=(STREAM,),
                final=True,
                gone=True,
            ),
        ),
        until=18,
        next_ms=250,
        heard_seconds_ago=1.5,
    ),
    "marks-answer-empty.json": MarksAnswer(journal="j1", leaving=True),
    "snapshot-answer.json": SnapshotAnswer(journal="j1", code=200, sequence=2),
    "snapshot-answer-refused.json": SnapshotAnswer(journal="j1", code=400, error="run or sequence out of bounds"),
}
CODECS = {
    ".msgpack": (codec.encode_request, codec.decode_request),
    ".json": (codec.encode_answer, codec.decode_answer),
}


@pytest.fixture(params=MESSAGES)
def recorded(request):
    """(bytes, value, encode, decode) of one message."""
    name, value = request.param, MESSAGES[request.param]
    encode, decode = CODECS[Path(name).suffix]
    file = RECORDED / name
    if not file.exists() and os.environ.get("TOWLINE_RECORD_WIRE") == "1":
        file.write_bytes(encode(value))
    return file.read_bytes(), value, encode, decode


def test_recorded_bytes_still_mean_what_they_meant(recorded):
    raw_bytes, value, _, decode = recorded
    assert decode(raw_bytes, type(value)) == value


def test_recorded_bytes_are_still_what_is_sent(recorded):
    raw_bytes, value, encode, decode = recorded
    assert encode(decode(raw_bytes, type(value))) == raw_bytes
    assert encode(value) == raw_bytes


def test_every_recorded_file_is_tested():
    assert {path.name for path in RECORDED.iterdir()} == {*MESSAGES, "names.json"}


def test_a_recorded_body_still_opens():
    said = codec.decode_request((RECORDED / "blocks-frames.msgpack").read_bytes(), BlocksRequest)
    for one in said.frames:
        codec.check_body(one)
    opened = [codec.open_body(one.codec, one.body, one.end - one.start) for one in said.frames]
    assert opened == [b"one\ntwo\n", b"\x00\xff\r\n"]


def test_keys_that_a_newer_version_adds_are_ignored(recorded):
    raw_bytes, value, _, decode = recorded
    packer = msgspec.msgpack if raw_bytes[:1] != b"{" else msgspec.json
    newer = packer.decode(raw_bytes) | {"something_new": {"of": [1, 2]}}
    assert decode(packer.encode(newer), type(value)) == value


def test_names_and_prints_are_what_they_were():
    found = json.loads((RECORDED / "names.json").read_text())
    for one in found["streams"]:
        named = stream_id(one["pod_uid"], one["root"], one["inode"], one["birth_ns"], bytes.fromhex(one["head"]))
        assert named == one["id"], one
    for one in found["prints"]:
        window = b"".join(bytes.fromhex(part) * times for part, times in one["window"])
        assert print_of(window) == one["print"], one


@pytest.mark.parametrize("body", [b"\x81\xa7journal\xa1\xff", b"\x91" * 100_000, b"\xc1", b""])
def test_what_cannot_be_read_is_one_kind_of_error(body):
    with pytest.raises(msgspec.DecodeError):
        codec.decode_request(body, BlocksRequest)
