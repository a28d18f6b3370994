"""Java traces through the real thing: whole, whatever rotates and whoever is killed."""

import random
import time

import pytest

from tests.e2e.procs import wait_until
from tests.e2e.test_kills import kill_at_random

pytestmark = pytest.mark.e2e

EVENTS = 180
FRAMES = 12
EVENTS_PER_KILL = 40


def event_of(number):
    """A line of a log with its trace, or without one. Every line of it says whose it is."""
    head = f"2026-11-23 12:00:00 {'INFO' if number % 3 == 2 else 'ERROR'} event {number}"
    if number % 3 == 2:
        return head
    frames = [f"\tat com.example.shop.Orders.place(Orders.java:{number}{frame:02})" for frame in range(FRAMES)]
    return "\n".join([head, f"java.lang.IllegalStateException: order {number}", *frames, f"\t... {number} more"])


class Application:
    """Writes events as loggers do, some of them in several writes, and has its file renamed away between two."""

    def __init__(self, folder):
        self._folder, self._rotations = folder, 0
        self._choice = random.Random(7)
        self.written = []

    def write(self, count):
        with (self._folder / "app.log").open("ab", buffering=0) as log:
            for _ in range(count):
                text = event_of(len(self.written))
                data = text.encode() + b"\n"
                middle = self._choice.randrange(len(data))
                log.write(data[:middle])
                time.sleep(0.002)  # the rest comes later: blocks end in the middle of events, and of lines
                log.write(data[middle:])
                self.written.append(text)

    def rotate(self):
        self._rotations += 1
        (self._folder / "app.log").rename(self._folder / f"app.log.{self._rotations}")


def test_traces_are_delivered_whole_under_rotation_and_kills(stage):
    routes = [{"name": "app", "multiline": "java", "to": ["file"]}]
    _, aggregator = stage.start(aggregator={"routes": routes})
    application = Application(stage.logs)
    while len(application.written) < EVENTS:
        application.write(EVENTS_PER_KILL)
        kill_at_random([aggregator], seed=len(application.written), kills=1, gap_seconds=(0.0, 0.3))
        application.write(EVENTS_PER_KILL // 2)
        application.rotate()
    aggregator.wait_ready()
    stage.wait_delivered(sum(len(text.encode()) + 1 for text in application.written))
    assert sorted(stage.messages()) == sorted(application.written)


def test_an_event_that_was_open_at_a_kill_is_one_event_after_it(stage):
    routes = [{"name": "app", "multiline": "app", "to": ["file"]}]
    multiline = {"app": {"start": "^event", "timeout_seconds": 1}}
    _, aggregator = stage.start(aggregator={"routes": routes, "multiline": multiline})
    stage.append("app.log", b"event 1\n  a\n")
    wait_until(lambda: stage.stored_bytes() == 12, 20, "the event is stored")
    aggregator.kill()
    stage.append("app.log", b"  b\nevent 2\n")
    aggregator.start()
    stage.wait_for_lines(1)
    assert stage.messages()[0] == "event 1\n  a\n  b"
