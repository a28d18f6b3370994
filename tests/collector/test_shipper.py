"""The loop: what it does with refusals, how it waits, and that nothing makes it spin, stop or hang."""

import asyncio
import contextlib
import time

import pytest

from collector import shipper as shipping
from tests.fakes.aggregator import CUT, HANG, Believed, Said, listening
from tests.fakes.pod import collecting
from towline.wire.block import BlocksAnswer, FrameAnswer

LINES = b"".join(b"line %04d\n" % number for number in range(100))


@pytest.fixture
async def aggregator():
    return Believed()


@pytest.fixture
async def pod(tmp_path, aggregator):
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        yield pod


@pytest.fixture
async def ticking(tmp_path, aggregator):
    """A pod whose clock is the real one."""
    async with listening(aggregator) as port, collecting(tmp_path, port, clock=time.monotonic) as pod:
        pod.shipper.progress.turned_at = time.monotonic()
        yield pod


@contextlib.asynccontextmanager
async def running(pod):
    """The loop at work; `turns` counts its visits to the files."""
    stop, turns, turn = asyncio.Event(), [], pod.watcher.turn

    async def counted(*words, **more):
        turns.append(time.monotonic())
        return await turn(*words, **more)

    pod.watcher.turn = counted
    async with asyncio.TaskGroup() as group:
        beside = group.create_task(pod.shipper.keep_hold())
        loop = group.create_task(pod.shipper.run(stop))
        yield turns
        stop.set()
        pod.shipper.hurry()
        await asyncio.wait([loop])
        beside.cancel()


async def until(condition, seconds=10.0):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in another process's files
            await asyncio.sleep(0.01)


# Refusals.


def taking(aggregator, most_bytes):
    """An aggregator that takes no larger request."""

    def answer(request, body):
        return Said(413) if len(body) > most_bytes else aggregator._journaled(request, body)

    aggregator.script = [answer]


async def test_413_for_a_request_sends_fewer_frames_until_it_passes(pod, aggregator):
    taking(aggregator, 1500)
    for number in range(20):
        pod.write(f"{number}.log", b"%d: " % number + LINES[:500])
    await pod.turn(60)
    assert len(aggregator.text()) == sum(len(b"%d: " % number) + 500 for number in range(20))


async def test_413_for_a_request_of_one_frame_reads_half_as_much(pod, aggregator):
    import os

    raw = os.urandom(60_000).replace(b"\n", b" ") + b"\n"
    taking(aggregator, 30_000)
    pod.write("x.log", raw)
    await pod.turn(12)
    assert aggregator.text() == raw


async def test_after_a_413_requests_grow_again(pod, aggregator):
    await pod.turn(1)
    pod.progress.max_body_bytes = 100
    for _ in range(20):
        pod.write("a.log", b"more\n")
        await pod.turn(1)
    assert pod.progress.max_body_bytes == shipping.MAX_BODY_BYTES


async def test_400_for_a_frame_is_read_again_once_and_the_stream_goes_on_behind_the_gap(pod, aggregator):
    def answer(request, body):
        if request.method == "POST" and any(
            frame.body and frame.start == 0 for frame in aggregator.blocks()[-1].frames
        ):
            frames = aggregator.blocks()[-1].frames
            return Said(
                body=BlocksAnswer(
                    journal="J1", frames=tuple(FrameAnswer(stream=one.stream, code=400) for one in frames)
                )
            )
        return aggregator._journaled(request, body)

    aggregator.script = [answer]
    pod.write("x.log", LINES)
    await pod.turn(5)
    pod.write("x.log", b"after\n")
    await pod.turn(3)
    sent = [frame for request in aggregator.blocks() for frame in request.frames]
    assert [bool(frame.body) for frame in sent] == [True, True, False, True]
    assert (aggregator.gaps(), aggregator.text()) == ([(0, 0, len(LINES), "unreadable")], b"after\n")


async def test_421_of_the_very_journal_that_is_believed_in_asks_for_the_rows_again(pod, aggregator):
    """Another life of this pod's collector spoke meanwhile."""
    await pod.turn(2)
    aggregator.refuse = Said(421, aggregator.journal.marks())
    pod.write("x.log", LINES)
    asked = sum("/v1/marks" in path for path in aggregator.paths)
    await pod.turn(1)
    assert sum("/v1/marks" in path for path in aggregator.paths) == asked + 1
    aggregator.refuse = None
    await pod.turn(2)
    assert (aggregator.text(), pod.custody.counters["journal_changes"]) == (LINES, 0)


@pytest.mark.parametrize("refusal", [Said(503), Said(401), Said(426), Said(200, b"<html>"), Said(404), CUT])
async def test_whatever_refuses_nothing_moves_and_everything_arrives_afterwards(pod, aggregator, refusal):
    await pod.turn(1)
    aggregator.refuse = refusal
    pod.write("x.log", LINES)
    await pod.turn(3)
    assert (pod.stream.stored, pod.custody.unsent_bytes) == (0, len(LINES))
    aggregator.refuse = None
    await pod.turn(2)
    assert aggregator.text() == LINES


async def test_while_the_aggregator_is_away_only_the_window_is_in_memory(tmp_path, aggregator):
    async with listening(aggregator) as port, collecting(tmp_path, port, window_bytes=4096) as pod:
        await pod.turn(1)
        aggregator.refuse = Said(503)
        for number in range(200):
            pod.write(f"{number % 8}.log", b"%d: " % number + LINES)
            await pod.turn(1)
        assert pod.custody.unsent_bytes < 4096 + 2 * (len(LINES) + 8)
        assert sum(len(stream.queue) for stream in pod.custody.streams.values()) < 16


# Waiting.


async def test_a_line_goes_at_once_and_a_stop_ends_the_loop_at_once(ticking, aggregator):
    async with running(ticking):
        await until(lambda: ticking.progress.met)
        ticking.write("x.log", LINES)
        await until(lambda: aggregator.text() == LINES, 5.0)
        began = time.monotonic()
    assert time.monotonic() - began < 1.0


async def test_an_idle_loop_looks_once_a_scan_and_does_nothing_else(ticking):
    async with running(ticking) as turns:
        await until(lambda: ticking.progress.met)
        await asyncio.sleep(0.5)
        before, used, began = len(turns), time.process_time(), time.monotonic()
        await asyncio.sleep(2.0)
        assert len(turns) - before <= time.monotonic() - began + 2
        assert time.process_time() - used < 0.2


async def test_an_app_that_writes_without_pause_costs_one_look_a_flush(ticking, aggregator):
    async with running(ticking) as turns:
        await until(lambda: ticking.progress.met)
        before, began = len(turns), time.monotonic()
        while time.monotonic() < began + 1.5:
            ticking.write("x.log", b"a line\n")
            await asyncio.sleep(0.002)
        assert len(turns) - before <= 2 * (time.monotonic() - began) / 0.3 + 2


@pytest.mark.parametrize(
    "refusal", [Said(503, headers={"Retry-After": "60"}), Said(429, headers={"Retry-After": "60"})]
)
async def test_who_is_told_to_wait_waits_whatever_the_app_writes(ticking, aggregator, refusal):
    async with running(ticking) as turns:
        await until(lambda: ticking.progress.met)
        aggregator.refuse = refusal
        ticking.write("x.log", LINES)
        await until(lambda: ticking.progress.waiting_for.startswith("status_"))
        asked, looked, began = len(aggregator.requests), len(turns), time.monotonic()
        for _ in range(100):
            ticking.write("x.log", b"more\n")
            await asyncio.sleep(0.01)
        assert len(aggregator.requests) == asked
        assert len(turns) - looked <= time.monotonic() - began + 2


async def test_a_stop_does_not_wait_for_the_back_off_nor_for_the_silent(ticking, aggregator, monkeypatch):
    monkeypatch.setattr(shipping, "HURRY_SECONDS", 0.1)
    async with running(ticking):
        await until(lambda: ticking.progress.met)
        aggregator.script, before = [HANG], len(aggregator.requests)
        ticking.write("x.log", LINES)
        await until(lambda: len(aggregator.requests) > before)  # one that was under way may still be answered
        began = time.monotonic()
    assert time.monotonic() - began < 2.0
    assert ticking.peers.silent_since is not None


async def test_a_hanging_request_is_no_standstill(ticking, aggregator, monkeypatch):
    monkeypatch.setattr(shipping, "HURRY_SECONDS", 0.1)
    async with running(ticking):
        await until(lambda: ticking.progress.met)
        ticking.shipper.pace.scan_seconds = 0.05
        aggregator.script, before = [HANG], len(aggregator.requests)
        ticking.write("x.log", LINES)
        await until(lambda: len(aggregator.requests) > before)  # one that was under way may still be answered
        asked_at = ticking.progress.turned_at
        await until(lambda: ticking.progress.turned_at > asked_at + 0.2, 8.0)
        ticking.shipper.hurry()


async def test_before_a_journal_answers_files_are_held_open_so_that_nothing_is_lost(tmp_path, aggregator):
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        aggregator.script = [Said(503)]
        pod.write("x.log", LINES)
        await pod.turn(1)
        (pod.logs / "x.log").unlink()
        pod.write("x.log", b"anew\n")
        await pod.turn(1)
        aggregator.script = [aggregator._journaled]
        await pod.turn(6)
        assert sorted(aggregator.text().splitlines(keepends=True)) == sorted((LINES + b"anew\n").splitlines(True))


# What goes wrong in the file thread.


async def test_a_volume_that_cannot_be_looked_at_for_a_while_ends_nothing(pod, aggregator, monkeypatch):
    await pod.turn(1)
    pod.write("x.log", LINES)
    scan = pod.watcher._files.scan

    def fails():
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(pod.watcher._files, "scan", fails)
    await pod.turn(3)
    await pod.watcher.hold()
    assert aggregator.text() == b""
    monkeypatch.setattr(pod.watcher._files, "scan", scan)
    await pod.turn(2)
    assert aggregator.text() == LINES


async def test_a_log_folder_that_is_not_there_yet_is_waited_for(tmp_path, aggregator):
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        pod.logs.rmdir()
        await pod.turn(3)
        pod.logs.mkdir()
        pod.write("x.log", LINES)
        await pod.turn(2)
        assert aggregator.text() == LINES


async def test_metrics_can_be_read_while_files_are_looked_at(pod):
    """The page is made on the event loop, custody changes on the file thread."""
    await pod.turn(1)
    for number in range(300):
        pod.write(f"{number}.log", b"%d\n" % number)
    async with asyncio.TaskGroup() as group:
        turning = group.create_task(pod.turn(5))
        while not turning.done():
            assert b"collector_files" in pod.app._own_metrics.page()
            await asyncio.sleep(0)
