"""A file sink writes: lines as they were, whole or not at all, on disks that fill and files that are moved."""

import asyncio
import errno
import json
import os
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aggregator.sinks.file.config import FileConfig
from aggregator.sinks.file.payload import LineMaker, rfc3339
from aggregator.sinks.file.sink import FileSink
from tests.aggregator.sinks.batches import NOW_NS, batch_of, piece, surroundings
from tests.aggregator.sinks.to_file import messages, path_in, send
from towline.plumbing.errors import ConfigError, RetryableError
from towline.wire.identity import Pod


async def test_a_line_is_one_object_with_where_it_came_from(sink, tmp_path):
    await send(sink, [b"GET /"])
    assert json.loads(path_in(tmp_path).read_bytes()) == {
        "timestamp": "2025-11-22T21:52:35.123456789Z",
        "message": "GET /",
        "namespace": "shop",
        "pod": "web-7d9f8c6b5-x2x4z",
        "container": "nginx",
        "workload": "web",
        "source": "nginx",
        "path": "/var/log/app/access.log",
        "tags": ["team:web"],
    }


def test_ids_and_parts_are_members_of_their_lines():
    one = piece([b"a", b"b"], partial=True, continues=True)
    lines = [orjson.loads(line) for line in LineMaker(event_ids=True).make(batch_of(one)).splitlines()]
    assert [line["evt_id"] for line in lines] == one.event_ids()
    assert [(line.get("towline_continues"), line.get("towline_partial")) for line in lines] == [
        (True, None),
        (None, True),
    ]


@given(
    st.lists(st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=9), st.booleans()
)
def test_whatever_lines_hold_each_is_one_line_of_json(lines, event_ids):
    made = LineMaker(event_ids=event_ids).make(batch_of(piece(lines)))
    assert made == LineMaker(event_ids=event_ids).make(batch_of(piece(lines)))
    texts = [orjson.loads(line)["message"] for line in made.split(b"\n")[:-1]]
    assert texts == [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines]


@pytest.mark.parametrize(
    ("unix_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1970-01-01T00:00:00.000000000Z"),
        (1 << 63, "2262-04-11T23:47:16.854775808Z"),
        (1 << 70, "9999-12-31T23:59:59.999999999Z"),
        (NOW_NS, "2025-11-22T21:52:35.123456789Z"),
    ],
)
def test_any_time_can_be_written(unix_ns, text):
    assert rfc3339(unix_ns) == text


async def test_a_failed_write_leaves_the_file_as_it_was_and_is_retryable(sink, tmp_path, monkeypatch):
    await send(sink, [b"before"])
    before = path_in(tmp_path).read_bytes()
    real = os.pwrite

    def full_after_some(descriptor, content, at):
        if len(content) > 40:
            return real(descriptor, content[:40], at)
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full_after_some)
        with pytest.raises(RetryableError, match="No space left on device"):
            await send(sink, [b"x" * 100], start=7)
    assert path_in(tmp_path).read_bytes() == before
    await send(sink, [b"after"], start=7)
    assert messages(path_in(tmp_path)) == ["before", "after"]


def test_a_full_disk_is_retryable_and_recovers(tmp_path):
    """RLIMIT_FSIZE stands for the disk: the kernel itself refuses the write, half way through."""
    code = textwrap.dedent("""
        import asyncio, resource, signal, sys
        from tests.aggregator.sinks.to_file import again, send, messages, path_in
        from towline.plumbing.errors import RetryableError
        from pathlib import Path
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        async def main(folder):
            sink = again(folder)
            await send(sink, [b"before"])
            resource.setrlimit(resource.RLIMIT_FSIZE, (600, resource.RLIM_INFINITY))
            try:
                await send(sink, [b"x" * 1000], start=7)
            except RetryableError as error:
                print(error, messages(path_in(folder)))
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            await send(sink, [b"after"], start=7)
            print(messages(path_in(folder)))
            await sink.close()
        asyncio.run(main(Path(sys.argv[1])))
    """)
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["cannot write: File too large ['before']", "['before', 'after']"]


async def test_a_cancelled_send_leaves_no_copy(sink, tmp_path, monkeypatch):
    await send(sink, [b"before"])
    entered, go_on = asyncio.Event(), threading.Event()
    loop, real = asyncio.get_running_loop(), os.fsync

    def slow_fsync(descriptor):
        loop.call_soon_threadsafe(entered.set)
        go_on.wait(10)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", slow_fsync)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(send(sink, [b"half way"], start=7))
        await entered.wait()
        first.cancel()
        second = group.create_task(send(sink, [b"half way"], start=7))
        await asyncio.sleep(0)
        go_on.set()
    assert first.cancelled()
    assert messages(path_in(tmp_path)) == ["before", "half way"]
    assert second.result().memo == {str(path_in(tmp_path)): str(path_in(tmp_path).stat().st_size)}


async def test_something_else_in_the_way_is_said_and_never_hangs(sink, tmp_path):
    path = path_in(tmp_path)
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    with pytest.raises(RetryableError, match="cannot write"):
        await send(sink, [b"x"])
    assert stat.S_ISFIFO(path.stat().st_mode)


async def test_the_folder_is_proved_at_the_start(tmp_path, sink):
    await sink.healthcheck()
    (tmp_path / "file").touch()
    blocked = FileSink.build(FileConfig(path="file/{pod}.jsonl"), surroundings(folder=tmp_path))
    with pytest.raises(ConfigError, match=r"sinks\.out\.path: .*file cannot be made \(File exists\)\. Mount"):
        await blocked.healthcheck()


async def test_hundreds_of_paths_keep_no_file_open(sink, tmp_path):
    def open_files():
        return len(list(Path("/proc/self/fd").iterdir()))

    await send(sink, [b"x"])
    before = await asyncio.to_thread(open_files)
    for number in range(100):
        await send(sink, [b"x"], pod=Pod(namespace="n", name=f"p{number}", uid=str(number)))
    assert await asyncio.to_thread(open_files) == before
