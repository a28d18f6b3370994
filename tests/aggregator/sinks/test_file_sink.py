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

from aggregator.sinks.file import appending
from aggregator.sinks.file.config import FileConfig, PathMaker, safe_value
from aggregator.sinks.file.payload import LineMaker, rfc3339
from aggregator.sinks.file.sink import FileSink
from tests.aggregator.sinks.batches import NOW_NS, ORIGIN, POD, batch_of, piece, surroundings
from towline.plumbing.errors import ConfigError, RetryableError
from towline.wire.identity import Origin, Pod


@pytest.fixture
async def sink(tmp_path):
    sink = FileSink.build(FileConfig(path="out/{namespace}/{pod}.jsonl"), surroundings(folder=tmp_path))
    yield sink
    await sink.close()


def again(tmp_path):
    """The sink of the next process."""
    return FileSink.build(FileConfig(path="out/{namespace}/{pod}.jsonl"), surroundings(folder=tmp_path))


def path_in(tmp_path):
    return tmp_path / "out/shop/web-7d9f8c6b5-x2x4z.jsonl"


def batch_for(sink, lines, start=0, **more):
    one = piece(lines, start=start, **more)
    return batch_of(one, key=sink.key(one.pod, one.origin))


async def send(sink, lines, start=0, **more):
    batch = batch_for(sink, lines, start, **more)
    return await sink.send(batch, sink.encode(batch))


def messages(path):
    return [json.loads(line)["message"] for line in path.read_bytes().splitlines()]


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


async def test_a_receipt_records_the_length_and_recall_cuts_back_to_it(sink, tmp_path):
    receipt = await send(sink, [b"settled"])
    path = path_in(tmp_path)
    assert receipt.memo == {str(path): str(path.stat().st_size)}
    await send(sink, [b"killed before it was settled"], start=8)
    after = again(tmp_path)
    await after.recall(receipt.memo)
    assert messages(path) == ["settled"]
    await send(after, [b"sent again"], start=8)
    assert messages(path) == ["settled", "sent again"]
    await after.close()


async def test_the_very_first_batch_is_not_doubled_by_a_kill_before_it_was_settled(sink, tmp_path):
    await send(sink, [b"first", b"of all"])
    after = again(tmp_path)
    await after.recall({})
    await send(after, [b"first"])
    await send(after, [b"of all"], start=6)
    assert messages(path_in(tmp_path)) == ["first", "of all"]
    await after.close()


async def test_what_others_left_in_a_file_is_kept(sink, tmp_path):
    path = path_in(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b'{"message":"of old"}\n{"torn')
    await send(sink, [b"new"])
    assert path.read_bytes().startswith(b'{"message":"of old"}\n{"torn\n{"timestamp"')


async def test_a_lost_journal_never_takes_delivered_lines_away(sink, tmp_path):
    await send(sink, [b"settled in a journal that is gone"])
    after = again(tmp_path)
    await after.recall({})
    await send(after, [b"another stream"], stream="6" * 32)
    assert messages(path_in(tmp_path)) == ["settled in a journal that is gone", "another stream"]
    await after.close()


async def test_the_intent_goes_once_it_is_not_needed(sink, tmp_path):
    path = str(path_in(tmp_path))
    receipt = await send(sink, [b"first"])
    assert appending.read_intent(path).length == 0
    await send(sink, [b"second"], start=6)
    assert appending.read_intent(path) is None
    other = tmp_path / "again"
    other.mkdir()
    await send(again(other), [b"first"])
    await again(other).recall({str(path_in(other)): "1"})
    assert appending.read_intent(str(path_in(other))) is None
    assert receipt.memo[path] != "0"


async def test_a_damaged_intent_is_no_intent(sink, tmp_path):
    path = path_in(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"kept\n")
    appending.intent_path(str(path)).write_bytes(b"\x00not json")
    await send(sink, [b"new"])
    assert path.read_bytes().startswith(b"kept\n{")


async def test_a_file_that_was_moved_away_begins_anew(sink, tmp_path):
    await send(sink, [b"first"])
    path_in(tmp_path).rename(tmp_path / "rotated")
    await send(sink, [b"second"], start=6)
    assert (messages(tmp_path / "rotated"), messages(path_in(tmp_path))) == (["first"], ["second"])


async def test_recall_of_files_that_are_gone_or_short_goes_on(sink, tmp_path, capsys):
    path = path_in(tmp_path)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"short\n")
    await sink.recall({str(path): "100", str(tmp_path / "gone.jsonl"): "5"})
    await send(sink, [b"next"])
    assert path.read_bytes().startswith(b"short\n{")
    assert capsys.readouterr().out.count("file_found_shorter") == 2


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
        from tests.aggregator.sinks.test_file_sink import again, send, messages, path_in
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


NASTY_NAME = st.one_of(
    st.sampled_from(["..", ".", "", "/etc/passwd", "../../x", "a/../..", "\0", "x" * 400, "é" * 300, "{pod}", "\n"]),
    st.text(max_size=30),
)


@given(NASTY_NAME, NASTY_NAME, NASTY_NAME)
def test_no_value_can_leave_its_place_in_the_path(namespace, name, label):
    pod = Pod(namespace=namespace, name=name, uid="u", labels={"app": label})
    made = PathMaker("/data/{namespace}/{labels[app]}-{pod}{pod}.jsonl", surroundings().folder, "r")(pod, ORIGIN)
    assert made.startswith("/data/")
    assert made.endswith(".jsonl")
    names = made.split("/")
    assert len(names) == 4
    assert all(one not in {"", ".", ".."} and len(one.encode()) <= 255 and "\0" not in one for one in names[1:])
    assert made == PathMaker("/data/{namespace}/{labels[app]}-{pod}{pod}.jsonl", surroundings().folder, "r")(
        pod, ORIGIN
    )


def test_relative_paths_stand_beside_the_configuration_and_braces_in_its_folder_are_text(tmp_path):
    maker = PathMaker("{pod}.jsonl", tmp_path / "{x}", "r")
    assert maker(POD, Origin(path="/x")) == str(tmp_path / "{x}" / "web-7d9f8c6b5-x2x4z.jsonl")
    assert maker.root == tmp_path / "{x}"
    assert PathMaker("/data/all.jsonl", tmp_path, "r").root.as_posix() == "/data"
    assert PathMaker("/data/x-{pod}", tmp_path, "r").root.as_posix() == "/data"


def test_dots_alone_are_no_name():
    assert [safe_value(value) for value in ("..", ".", "...", ".a", "a/b\0c")] == ["__", "_", "___", ".a", "a_b_c"]


@pytest.mark.parametrize("path", ["/data/", "", "/data/{nope}", "/data/\0x", "/"])
def test_a_path_that_names_no_file_is_refused(path):
    with pytest.raises(ValueError, match=r"^path: "):
        FileConfig(path=path)
