"""Rule 7: the time of an unparsed line."""

import os
import time

from tests.fakes.aggregator import Believed, Said, listening
from tests.fakes.pod import collecting


def times(aggregator):
    return [frame.read_unix_ns for request in aggregator.blocks() for frame in request.frames]


async def test_rule_7_the_time_of_a_backlog_is_when_its_file_was_last_written(tmp_path):
    aggregator = Believed()
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        pod.write("x.log", b"yesterday\n")
        yesterday = time.time_ns() - 86_400 * 10**9
        os.utime(pod.logs / "x.log", ns=(yesterday, yesterday))
        await pod.turn(3)
    assert times(aggregator) == [yesterday]


async def test_rule_7_a_file_that_claims_to_be_of_tomorrow_has_the_time_of_its_reading(tmp_path):
    aggregator = Believed()
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        pod.write("x.log", b"now\n")
        tomorrow = time.time_ns() + 86_400 * 10**9
        os.utime(pod.logs / "x.log", ns=(tomorrow, tomorrow))
        await pod.turn(3)
    (found,) = times(aggregator)
    assert found <= time.time_ns()


async def test_rule_7_the_time_is_the_same_in_every_copy(tmp_path):
    aggregator = Believed()
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        await pod.turn(1)
        aggregator.refuse = Said(503)
        pod.write("x.log", b"one\n")
        await pod.turn(3)
        pod.write("x.log", b"two\n")
        aggregator.refuse = None
        await pod.turn(1)
        first = [request.frames[0] for request in aggregator.blocks()[:3]]
    assert len(first) == 3
    assert len(set(map(repr, first))) == 1


async def test_rule_7_timers_are_monotonic(tmp_path, monkeypatch):
    """The wall clock may jump: nothing but the time in the frames follows it."""
    aggregator = Believed()
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        await pod.turn(1)
        monkeypatch.setattr(time, "time_ns", lambda: 1)
        pod.write("x.log", b"one\n")
        await pod.turn(3)
    assert (aggregator.text(), times(aggregator)) == (b"one\n", [1])
