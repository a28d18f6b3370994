"""The main job as users run it: files, one collector, one aggregator, one file of delivered lines. Nothing is lost, doubled or torn."""

import os
import signal

import pytest

from tests.e2e.procs import wait_until
from tests.e2e.scratch import assert_exact, written_by
from tests.e2e.writer import Plan, Writer

pytestmark = pytest.mark.e2e


def writers(stage, count, plan):
    return [Writer(stage.logs / f"w{number}.log", plan, f"w{number}") for number in range(count)]


def test_several_files_arrive_exactly_with_what_is_known_of_them(stage):
    writing = writers(stage, 4, Plan(lines=500, form="mixed"))
    for one in writing[:2]:
        one.write_all()  # a backlog; the other files come while the collector runs
    stage.start()
    for one in writing[2:]:
        one.write_all()
    stage.wait_for_lines(2000)
    records = stage.records()
    assert_exact(written_by(*writing), records)
    paths = {f"{stage.logs}/w{number}.log" for number in range(4)}
    assert {record["path"] for record in records} == paths
    known = {"namespace": "shop", "pod": "web-0", "container": "web", "source": "nginx", "service": "web"}
    assert all(record.items() >= known.items() for record in records)


@pytest.mark.parametrize("rotate", ["rename", "copytruncate"])
def test_rotation_under_load_loses_and_doubles_nothing(stage, rotate):
    stage.start()
    options = ["--files", 2, "--rate", 1000, "--rotate", rotate, "--rotate-bytes", 60_000, "--keep", 20]
    with stage.writer(*options, lines=3000) as writer:
        assert writer.wait(30) == 0
    written = stage.written()
    assert min(written["rotations"].values()) >= 5
    stage.wait_for_lines(6000)
    stage.wait_delivered(sum(written["bytes"].values()))
    assert_exact(written, stage.records())


def test_a_last_line_without_its_end_arrives_and_so_does_its_rest(stage):
    stage.start(collector={"partial_line_seconds": 0.5})
    stage.append("x.log", b"whole\nhalf of")
    stage.wait_for_lines(2)
    stage.append("x.log", b" a line\nnext\n")
    stage.wait_for_lines(4)
    told = [(one["message"], "towline_partial" in one, "towline_continues" in one) for one in stage.records()]
    assert told == [
        ("whole", False, False),
        ("half of", True, False),
        (" a line", False, True),
        ("next", False, False),
    ]


def test_sigterm_delivers_what_is_written_and_both_leave_with_zero(stage):
    collector, aggregator = stage.start(collector={"flush_seconds": 5})
    first, last = writers(stage, 2, Plan(lines=400))
    first.write_all()
    stage.wait_for_lines(1)
    last.write_all()
    stage.append("w1.log", b"no end")  # a partial line does not wait its three seconds out
    assert collector.terminate(20) == 0
    assert aggregator.terminate(20) == 0
    *lines, end = stage.records()
    if end["message"] != "no end":
        end = next(one for one in lines if one["message"] == "no end")
        lines = [one for one in stage.records() if one is not end and one["message"] != "no end"]
    assert end["towline_partial"]
    assert_exact(written_by(first, last), lines)
    [drained] = [event for event in collector.log_events() if event["event"] == "drain_finished"]
    assert (drained["unstored_bytes"], drained["undelivered_bytes"]) == (0, 0)


def test_an_aggregator_that_leaves_first_delivers_what_it_stored_and_the_rest_waits_in_the_files(stage):
    collector, aggregator = stage.start()
    [one] = writers(stage, 1, Plan(lines=2000))
    one.write(1000)
    stage.wait_for_lines(1)
    assert aggregator.terminate(20) == 0
    one.write_all()
    stage.run(aggregator).wait_ready()
    stage.wait_for_lines(2000)
    assert_exact(written_by(one), stage.records())
    assert collector.is_alive


@pytest.mark.parametrize("checkpoint", ["kept", "lost", "rubbish"])
def test_a_restarted_collector_goes_on_where_it_was_whatever_became_of_its_checkpoint(stage, checkpoint):
    collector, _ = stage.start()
    several = writers(stage, 3, Plan(lines=900, rotate="rename", rotate_bytes=30_000, keep=20))
    for one in several:
        one.write(400)
    stage.wait_for_lines(1200)
    collector.kill()
    saved = stage.state / "checkpoint.json"
    if checkpoint == "lost":
        saved.unlink()
    elif checkpoint == "rubbish":
        saved.write_bytes(b"\x00{rubbish")
    for one in several:
        one.write(200)  # rotated while nobody looked
    stage.run(collector).wait_ready()
    for one in several:
        one.write_all()
    stage.wait_for_lines(2700)
    stage.wait_delivered(sum(one.size_bytes for one in several))
    assert_exact(written_by(*several), stage.records())


def test_copies_made_while_the_collector_was_away_are_not_shipped_again(stage):
    collector, _ = stage.start()
    [one] = writers(stage, 1, Plan(lines=900, rotate="copytruncate", rotate_bytes=10**9, keep=20))
    one.write(300)
    stage.wait_for_lines(300)
    collector.kill()
    one.write(300)
    one.rotate()
    one.write_all()
    stage.run(collector).wait_ready()
    stage.wait_for_lines(900)
    stage.wait_delivered(one.size_bytes)
    assert_exact(written_by(one), stage.records())


def test_a_deleted_file_is_read_to_its_end(stage):
    stage.start()
    writing = Writer(stage.logs / "w0.log", Plan(lines=600), "w0")
    writing.write(300)
    stage.wait_for_lines(300)
    (stage.logs / "w0.log").unlink()
    writing.write_all()  # to the file that has no name any more
    stage.wait_for_lines(600)
    assert_exact(written_by(writing), stage.records())


def test_the_first_line_after_quiet_comes_at_once_and_a_new_file_within_its_second(stage):
    collector, _ = stage.start(collector={"flush_seconds": 1})
    stage.append("x.log", b"one\n")
    stage.wait_for_lines(1, 3)
    wait_until(lambda: collector.metric("collector_undelivered_bytes") == 0, 10)
    stage.append("y.log", b"two\n")
    stage.wait_for_lines(2, 5)
    assert stage.messages() == ["one", "two"]


def test_a_stopped_collector_catches_up_over_rotations(stage):
    collector, _ = stage.start()
    [one] = writers(stage, 1, Plan(lines=1000, rotate="rename", rotate_bytes=20_000, keep=30))
    one.write(300)
    stage.wait_for_lines(300)
    collector.pause()
    one.write(500)
    os.kill(collector.pid, signal.SIGCONT)
    one.write_all()
    stage.wait_for_lines(1000)
    assert_exact(written_by(one), stage.records())


@pytest.mark.parametrize(("on_loss", "code"), [(False, 0), (True, 3)])
def test_what_no_journal_took_in_time_is_said_by_file_and_is_there_for_the_next_life(stage, on_loss, code):
    collector = stage.collector(drain={"grace_seconds": 2, "delivered_seconds": 1}, exit_code_on_loss=on_loss)
    stage.run(collector).wait_ready()
    several = writers(stage, 2, Plan(lines=300))
    for one in several:
        one.write(200)
    assert collector.terminate(10) == code
    left = {
        event["path"]: event["size_bytes"]
        for event in collector.log_events()
        if event["event"] == "bytes_left_unstored"
    }
    assert left == {str(one.path): one.size_bytes for one in several}
    for one in several:
        one.write_all()
    stage.run(stage.aggregator())
    stage.run(collector).wait_ready()
    stage.wait_for_lines(600)
    assert_exact(written_by(*several), stage.records())


def test_what_an_aggregator_could_not_deliver_in_its_grace_is_delivered_by_its_next_life(stage):
    stage.delivered.mkdir()  # where the sink wants to have a file
    collector, aggregator = stage.start({"drain": {"delivered_seconds": 0.5}}, {"drain": {"grace_seconds": 1}})
    [one] = writers(stage, 1, Plan(lines=500))
    one.write_all()
    wait_until(lambda: stage.stored_bytes() == one.size_bytes, 20, "everything stored")
    assert collector.terminate(20) == 0  # stored is safe: said, and no failure
    assert [event["size_bytes"] for event in collector.log_events() if event["event"] == "bytes_left_undelivered"] == [
        one.size_bytes
    ]
    assert aggregator.terminate(20) == 0
    stage.delivered.rmdir()
    stage.run(aggregator).wait_ready()
    stage.wait_for_lines(500)
    assert_exact(written_by(one), stage.records())
