"""Every number that the collector's /metrics shows, provoked by what it counts."""

import os

import pytest

from collector.core.gathered import Gathered
from collector.core.snapshot import SnapshotQueue
from tests.fakes.aggregator import CUT, Said, listening
from tests.fakes.dict_journal import DictJournal
from tests.fakes.pod import RAW_POD, collecting
from towline.plumbing.errors import ConfigError
from towline.wire.block import BlocksAnswer, FrameAnswer
from towline.wire.snapshot import Family, Sample, SnapshotAnswer

LINES = b"".join(b"line %04d\n" % number for number in range(100))


@pytest.fixture
async def pod(tmp_path, aggregator):
    async with listening(aggregator) as port, collecting(tmp_path, port, metrics={"interval_seconds": 15}) as pod:
        await pod.turn(2)
        yield pod


def value(pod, name, label=""):
    return pod.readings()[f"collector_{name}", label]


def refusing(aggregator, **word):
    """From now on every frame is answered by this word."""

    def answer(_request, _body):
        (sent,) = aggregator.blocks()[-1:]
        frames = tuple(FrameAnswer(stream=frame.stream, **word) for frame in sent.frames)
        return Said(body=BlocksAnswer(journal="J1", frames=frames))

    aggregator.script = [answer]


async def test_shipped_bytes_and_blocks_are_what_the_journal_has_stored(pod):
    pod.write("x.log", LINES)
    pod.write("y.log", b"one\n")
    await pod.turn(3)
    assert (value(pod, "shipped_bytes"), value(pod, "shipped_blocks")) == (len(LINES) + 4, 2)


async def test_requests_are_counted_by_what_came_of_them(pod, aggregator):
    pod.write("x.log", LINES)
    await pod.turn(2)
    answered = value(pod, "requests", "answered")
    assert answered > 0
    pod.write("x.log", LINES)
    for refusal, outcome in ((Said(503), "status_503"), (CUT, "no_answer"), (Said(401), "status_401")):
        aggregator.refuse = refusal
        await pod.turn(1)
        assert value(pod, "requests", outcome) == 1
    assert value(pod, "requests", "answered") == answered


async def test_frames_are_counted_by_their_code(pod, aggregator):
    pod.write("x.log", LINES)
    await pod.turn(2)
    refusing(aggregator, code=409, mark=0)
    pod.write("x.log", LINES)
    await pod.turn(2)
    assert (value(pod, "frames", "200"), value(pod, "frames", "409") > 0) == (1, True)


async def test_a_change_of_journal_and_the_copies_it_makes_possible_are_counted(pod, aggregator):
    pod.write("x.log", LINES)
    await pod.turn(2)
    assert value(pod, "journal_changes") == 0
    aggregator.journal = DictJournal("J2")
    pod.write("x.log", b"more\n")
    await pod.turn(2)
    assert (value(pod, "journal_changes"), value(pod, "copies_possible_bytes")) == (1, len(LINES))


async def test_undelivered_and_in_flight_and_unstored_follow_a_byte_on_its_way(pod, aggregator):
    def where():
        return [value(pod, name) for name in ("unstored_bytes", "in_flight_bytes", "undelivered_bytes")]

    aggregator.refuse = Said(503)
    pod.write("x.log", LINES)
    await pod.look()
    assert where() == [len(LINES), 0, 0]
    await pod.turn(1)
    assert where() == [len(LINES), len(LINES), 0]
    aggregator.refuse = None
    await pod.turn(2)
    assert where() == [0, 0, len(LINES)]
    aggregator.journal.deliver_all()
    await pod.turn(2, seconds=10)
    assert where() == [0, 0, 0]


async def test_before_a_journal_was_met_everything_is_unstored(tmp_path):
    async with collecting(tmp_path, 9) as pod:
        pod.write("x.log", LINES)
        pod.write("notes.txt", LINES)
        await pod.turn(1)
        assert value(pod, "unstored_bytes") == len(LINES)


async def test_connected_says_whether_the_aggregator_takes_what_it_is_sent(pod, aggregator):
    pod.write("x.log", LINES)
    await pod.turn(2)
    assert value(pod, "connected") == 1
    aggregator.refuse = Said(503)
    pod.write("x.log", LINES)
    await pod.turn(1)
    assert value(pod, "connected") == 0


async def test_a_checkpoint_that_cannot_be_written_is_counted_and_nothing_else_happens(pod, aggregator, tmp_path):
    state = tmp_path / "state"
    (state / "checkpoint.json").unlink()
    state.rmdir()
    state.write_text("a file stands where the folder should be")
    pod.write("x.log", LINES)
    await pod.turn(2)
    aggregator.journal.deliver_all()
    await pod.turn(4, seconds=10)
    assert (value(pod, "checkpoint_failures") > 0, aggregator.text()) == (True, LINES)


# What is lost.


async def test_lost_to_truncation_is_what_was_seen_and_not_read(pod):
    pod.write("x.log", LINES)
    await pod.turn(2)
    pod.write("x.log", b"never read\n")
    await pod.look()
    (pod.logs / "x.log").write_bytes(b"anew\n")
    await pod.turn(4)
    assert value(pod, "bytes_lost", "truncated") == 11


async def test_missing_is_what_was_seen_of_a_file_that_is_nowhere_any_more(pod):
    pod.write("x.log", LINES)
    await pod.turn(2)
    pod.write("x.log", b"never read\n")
    await pod.look()
    (pod.logs / "x.log").unlink()
    pod.watcher._files._descriptors.close_all()
    await pod.turn(6)
    assert value(pod, "bytes_lost", "missing") == 11


async def test_given_up_is_what_the_volume_had_no_room_for(tmp_path, aggregator):
    async with listening(aggregator) as port, collecting(tmp_path, port, limit_bytes=1000, window_bytes=1) as pod:
        await pod.turn(2)
        aggregator.refuse = Said(503)
        pod.write("x.log", LINES)
        await pod.turn(1)
        (pod.logs / "x.log").rename(pod.logs / "x.log.1")
        pod.write("x.log.1", b"beyond\n")
        await pod.turn(2)
        assert value(pod, "bytes_lost", "given_up") == 7


async def test_unreadable_is_what_was_refused_twice(pod, aggregator):
    refusing(aggregator, code=400)
    pod.write("x.log", LINES)
    await pod.turn(6)
    assert value(pod, "bytes_lost", "unreadable") == len(LINES)


async def test_left_is_what_only_a_journal_had_that_is_gone(pod, aggregator):
    pod.write("x.log", LINES)
    await pod.turn(2)
    (pod.logs / "x.log").write_bytes(b"anew\n")
    await pod.turn(4)
    aggregator.journal = DictJournal("J2")
    pod.write("x.log", b"more\n")
    await pod.turn(4)
    assert value(pod, "bytes_lost", "left") == len(LINES)


async def test_holes_are_counted_and_are_no_loss(pod):
    with (pod.logs / "x.log").open("wb") as file:
        file.write(b"one\n")
        file.seek(1 << 20)
        file.write(b"two\n")
    await pod.turn(6)
    assert (1 << 20) - 8192 < value(pod, "hole_bytes") < 1 << 20
    assert all(value(pod, "bytes_lost", reason) == 0 for reason in ("truncated", "missing", "left"))


# Files and lines.


async def test_files_are_those_that_are_tailed(pod, aggregator):
    for name in ("x.log", "y.log", "z.txt"):
        pod.write(name, name.encode() + b"\n")
    await pod.turn(3)
    assert value(pod, "files") == 2
    (pod.logs / "y.log").unlink()
    aggregator.journal.deliver_all()
    await pod.turn(6, seconds=60)
    assert value(pod, "files") == 1


async def test_files_refused_are_counted_by_reason_once_for_as_long_as_it_lasts(pod):
    os.mkfifo(pod.logs / "fifo.log")
    (pod.logs / "link.log").symlink_to("/etc/hostname")
    await pod.turn(4)
    found = {label: number for (name, label), number in pod.readings().items() if name == "collector_files_refused"}
    assert sum(found.values()) == 2
    assert found["link"] == 1


async def test_partial_lines_are_counted_when_they_ship(pod):
    pod.write("x.log", b"no end")
    await pod.turn(2)
    assert value(pod, "partial_lines") == 0
    await pod.turn(4)
    assert value(pod, "partial_lines") == 1


# Snapshots.


async def test_snapshots_that_were_taken_are_sent(pod, aggregator):
    aggregator.script = [Said(body=SnapshotAnswer(journal="J1", code=200, sequence=1))]
    await pod.app._sampling._gather(5.0)
    assert await pod.app._sampling._send() is None
    assert (value(pod, "snapshots_sent"), value(pod, "snapshots_given_up")) == (1, 0)


async def test_snapshots_that_were_refused_for_good_are_given_up(pod, aggregator):
    aggregator.script = [Said(400, SnapshotAnswer(journal="J1", code=400))]
    await pod.app._sampling._gather(5.0)
    await pod.app._sampling._send()
    assert (value(pod, "snapshots_sent"), value(pod, "snapshots_given_up")) == (0, 1)


async def test_snapshot_requests_that_came_to_nothing_are_failures(pod, aggregator):
    aggregator.script = [Said(503)]
    await pod.app._sampling._gather(5.0)
    assert await pod.app._sampling._send() is not None
    assert value(pod, "snapshot_failures") == 1


async def test_series_above_the_limit_of_a_snapshot_are_dropped(pod):
    queue = pod.app._sampling.queue = SnapshotQueue(RAW_POD, "r", 15.0, max_series=2)
    samples = tuple(Sample({"n": str(number)}, 1.0) for number in range(5))
    queue.offer(Gathered(families=(Family(name="g", type="gauge", help="", samples=samples),)), 1)
    assert value(pod, "snapshot_dropped", "series") == 3


# Configurations.


async def test_a_configuration_that_was_refused_is_counted_and_not_current(pod):
    assert (value(pod, "configuration_current"), value(pod, "configuration_generation")) == (1, 1)

    def load():
        raise ConfigError("collector.yaml: is bad. Make it good")

    pod.app.reloading._load = load
    assert await pod.app.reloading.reload() == "refused"
    assert (value(pod, "configuration_refused"), value(pod, "configuration_current")) == (1, 0)
    assert b"configuration refused: collector.yaml: is bad. Make it good" in pod.app._readyz().body


def test_every_reading_is_provoked_by_a_test():
    from pathlib import Path

    source = "".join(file.read_text() for file in Path(__file__).parent.glob("test_readings*.py"))
    readings = Path(__file__).parents[2] / "collector" / "readings.py"
    names = {word.split('"')[0] for word in readings.read_text().split('"collector_')[1:]}
    assert [name for name in sorted(names) if f'"{name}"' not in source and f'collector_{name}"' not in source] == []
