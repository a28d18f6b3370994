"""Rule 12: what is let go when the volume fills up, with real files and a limit."""

import os
from pathlib import Path

import pytest

from tests.fakes.aggregator import Said, listening
from tests.fakes.pod import collecting

KIB = 1024


@pytest.fixture
async def place(tmp_path, aggregator):
    """A pod whose aggregator was met and then went away."""
    async with listening(aggregator) as port:
        yield lambda **options: collecting(tmp_path, port, **options)


def lines(size, letter="x"):
    return b"".join(b"%c%06d\n" % (ord(letter), number) for number in range(size // 8))


async def test_rule_12_above_80_percent_custody_falls_to_stored(place, aggregator):
    async with place(limit_bytes=100 * KIB) as pod:
        pod.write("x.log", lines(50 * KIB))
        await pod.turn(3)
        (pod.logs / "x.log").unlink()
        await pod.turn(4, seconds=60)
        assert pod.open_files() == {"x.log (deleted)"}  # stored, not delivered: kept
        pod.write("y.log", lines(32 * KIB, "y"))
        await pod.turn(4, seconds=60)
        assert pod.open_files() == {"y.log"}
        assert pod.custody.waiting_bytes == 82 * KIB


async def test_rule_12_custody_comes_back_below_75_percent(place):
    async with place(limit_bytes=100 * KIB) as pod:
        tail = lambda: pod.watcher._tail.release_at  # noqa: E731 - read anew each time
        pod.write("x.log", lines(81 * KIB))
        await pod.turn(3)
        assert tail() == "stored"
        (pod.logs / "x.log").write_bytes(lines(76 * KIB))
        await pod.turn(2)
        assert tail() == "stored"
        (pod.logs / "x.log").write_bytes(lines(70 * KIB))
        await pod.turn(2)
        assert tail() == "delivered"


async def test_rule_12_acknowledge_stored_never_waits_for_delivery(place):
    async with place(acknowledge="stored") as pod:
        pod.write("x.log", lines(8 * KIB))
        await pod.turn(3)
        (pod.logs / "x.log").unlink()
        await pod.turn(4, seconds=60)
        assert pod.open_files() == set()


async def test_rule_12_above_90_percent_an_unlinked_range_is_given_up_and_its_space_is_free_at_once(place, aggregator):
    async with place(limit_bytes=100 * KIB, window_bytes=KIB) as pod:
        await pod.turn(2)
        aggregator.refuse = Said(503)
        pod.write("a.log", lines(16 * KIB, "a"))
        pod.write("old.log", lines(40 * KIB, "o"))
        await pod.turn(3)
        (first,) = (stream for stream in pod.custody.streams.values() if stream.queue)  # as far as the window reaches
        read = first.origin.path
        other = next(stream.origin.path for stream in pod.custody.streams.values() if stream is not first)
        (pod.logs / Path(other).name).unlink()
        pod.write("live.log", lines(80 * KIB, "l"))
        await pod.turn(4)
        assert pod.open_files() == {Path(read).name, "live.log"}
        assert pod.custody.counters["given_up_bytes"] in (16 * KIB, 40 * KIB)


async def test_rule_12_what_is_given_up_is_a_gap_in_the_journal_and_counted(place, aggregator):
    async with place(limit_bytes=100 * KIB) as pod:
        await pod.turn(2)
        pod.write("x.log", lines(8 * KIB))
        await pod.turn(2)
        aggregator.refuse = Said(503)
        pod.write("y.log", b"first in the window\n")
        await pod.turn(1)
        pod.write("x.log", lines(90 * KIB)[8 * KIB :])
        (pod.logs / "x.log").rename(pod.logs / "x.log.1")
        await pod.look()
        aggregator.refuse = None
        await pod.turn(4)
        reasons = [(start, end, reason) for _, start, end, reason in aggregator.gaps()]
        assert reasons == [(8 * KIB, 90 * KIB, "given_up")]
        assert pod.readings()["collector_bytes_lost", "given_up"] == 82 * KIB


async def test_rule_12_the_live_file_is_never_given_up(place, aggregator):
    async with place(limit_bytes=100 * KIB) as pod:
        await pod.turn(2)
        aggregator.refuse = Said(503)
        pod.write("x.log", lines(99 * KIB))
        await pod.turn(3)
        aggregator.refuse = None
        await pod.turn(3)
        assert (aggregator.gaps(), aggregator.text()) == ([], lines(99 * KIB))


async def test_rule_12_a_limit_of_one_log_counts_its_own_files_only(place, aggregator):
    async with place(log={"limit_bytes": 10 * KIB}) as pod:
        await pod.turn(2)
        pod.write("notes.txt", lines(64 * KIB))
        pod.write("x.log", lines(KIB))
        await pod.turn(2)
        assert pod.watcher._tail.release_at == "delivered"
        pod.write("x.log.1", lines(8 * KIB))
        await pod.turn(2)
        assert pod.watcher._tail.release_at == "stored"


async def test_rule_12_a_hole_takes_no_room(place):
    async with place(limit_bytes=100 * KIB) as pod:
        pod.write("x.log", lines(KIB))
        with (pod.logs / "x.log").open("ab") as file:
            file.truncate(1 << 30)
        await pod.turn(3)
        assert pod.watcher._tail.release_at == "delivered"


async def test_rule_12_without_a_limit_the_file_system_is_asked(place, monkeypatch):
    whole = os.statvfs("/")
    used = whole.f_blocks * 85 // 100
    full = os.statvfs_result((*whole[:3], whole.f_blocks - used, whole.f_blocks - used, *whole[5:]))
    monkeypatch.setattr("collector.volume.os.statvfs", lambda _: full)
    async with place() as pod:
        pod.write("x.log", lines(KIB))
        await pod.turn(3)
        assert pod.watcher._tail.release_at == "stored"
