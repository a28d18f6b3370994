"""A DogStatsD table under test."""

import msgspec

from collector.core.gathered import Gathered
from collector.core.statsd import Limits, Table
from collector.core.statsd_gathering import Gathering

NOW = 1_700_000_000
TICK = 15.0


class Counting:
    """A table, and a clock that each gathering moves by 15 s."""

    def __init__(self, **limits):
        self.table = Table(Limits(**limits))
        self.now = 1000.0

    def take(self, *lines):
        """Each line is a datagram of its own."""
        self.table.take([line.encode() if isinstance(line, str) else line for line in lines], NOW)
        return self

    def gather(self, *, fresh=True, step=3):
        self.now += TICK
        gathering = Gathering(self.table, self.now, NOW * 10**9, fresh=fresh)
        while not gathering.step(step):
            pass
        # As it travels, and as whoever gets it reads it.
        return msgspec.msgpack.decode(msgspec.msgpack.encode(gathering.result()), type=Gathered)

    def families(self, **how):
        return {family.name: family for family in self.gather(**how).families}

    def values(self, name, **how):
        """Values by label set."""
        family = self.families(**how).get(name)
        return (
            {}
            if family is None
            else {",".join(f"{k}={v}" for k, v in s.labels.items()): s.value for s in family.samples}
        )

    @property
    def refused(self):
        return dict(self.table.refused)
