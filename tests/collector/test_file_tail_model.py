"""Everything an app, a log rotator and a restart may do to real files, in any order: every line exactly once."""

import gzip
import os
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from collector.core.files import Missing
from tests.collector.tailing import Desk, copytruncate, lines_of, numbered


class Rotator(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.scratch = tempfile.TemporaryDirectory()
        self.desk = None
        self.written = 0
        self.generations = []  # suffixes of the rotated logs, youngest first
        self.looks = (
            Counter()
        )  # at each of those, while reading: what is compressed before it was read is lost to `*.log`

    @initialize(pattern=st.sampled_from(["*.log", "*.log*"]), text=st.sampled_from(["line", "l"]))
    def begin(self, pattern, text):
        self.text = text
        self.desk = Desk(Path(self.scratch.name), pattern)
        self.desk.round()

    @rule(count=st.integers(1, 80))
    def the_app_writes(self, count):
        self.desk.write("x.log", numbered(self.written, count, self.text))
        self.written += count

    @rule(seconds=st.sampled_from([0.3, 1.0, 3.0]))
    def time_passes(self, seconds):
        self.desk.round(seconds)
        if self.desk.reads:
            self.looks.update(self.generations)

    @rule(reads=st.booleans())
    def reading_is_allowed_or_not(self, reads):
        self.desk.reads = reads

    @precondition(
        lambda self: self.desk and self.desk.path("x.log").exists() and self.desk.path("x.log").stat().st_size
    )
    @rule()
    def the_log_is_renamed(self):
        suffix = str(len(self.generations) + 1)
        self.desk.path("x.log").rename(self.desk.path(f"x.log.{suffix}"))
        self.generations.insert(0, suffix)

    @precondition(
        lambda self: self.desk and self.desk.path("x.log").exists() and self.desk.path("x.log").stat().st_size
    )
    @rule(appends=st.booleans())
    def the_log_is_copied_and_truncated(self, appends):
        """A writer that does not append writes on where it was, behind a hole."""
        suffix = str(len(self.generations) + 1)
        size = self.desk.path("x.log").stat().st_size
        copytruncate(self.desk, "x.log", f"x.log.{suffix}")
        if not appends:
            os.truncate(self.desk.path("x.log"), size)
        self.generations.insert(0, suffix)

    @precondition(lambda self: self.desk and self.desk.path("x.log").exists() and self.desk.reads)
    @rule()
    def the_log_is_unlinked_after_it_was_read(self):
        self.desk.rounds(3, 3.0)
        self.desk.path("x.log").unlink()

    @precondition(lambda self: self.readable())
    @rule(data=st.data())
    def a_rotated_log_is_compressed(self, data):
        suffix = data.draw(st.sampled_from(self.readable()))
        path = self.desk.path(f"x.log.{suffix}")
        self.desk.path(f"x.log.{suffix}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        self.generations[self.generations.index(suffix)] = f"{suffix}.gz"

    def readable(self):
        return [one for one in self.generations if self.looks[one] >= 3 and not one.endswith("gz")]

    @rule()
    def the_collector_is_killed(self):
        self.looks -= Counter({one: count for one, count in self.looks.items() if count < 3})
        self.desk.start()

    def teardown(self):
        try:
            self.judge()
        finally:
            if self.desk is not None:
                self.desk.close()
            self.scratch.cleanup()

    def judge(self):
        if self.desk is not None:
            self.desk.reads = True
            self.desk.rounds(8, 3.0)
            lines, written = self.desk.lines, lines_of(numbered(0, self.written, self.text))
            assert sorted(set(written) - set(lines)) == []
            assert lines == written
            assert not [event for event in self.desk.kinds(Missing) if event.size_bytes]


TestRotator = Rotator.TestCase
TestRotator.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)
