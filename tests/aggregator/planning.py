"""Plans for tests of the forwarder: events that begin with a line of `=`, of which those that say `drop` are dropped."""

from dataclasses import dataclass, replace

from aggregator.core.events import Count, Tally
from aggregator.core.plan import Branch, Plan
from tests.aggregator.joining_lines import own

BY_MARK = own(start="^=")
DROPPED = Count("dropped", "web.0")


@dataclass
class Drop:
    """Drops events that hold a word; or fails, where one holds `fault`."""

    word: bytes = b"drop"

    def apply(self, piece):
        if any(b"fault" in text for text in piece.lines):
            raise ValueError("a fault")
        wanted = [self.word not in text for text in piece.lines]
        tally = Tally(piece.tally)
        tally.note(DROPPED, wanted.count(False))
        return replace(piece.kept(wanted), tally=tally)


DROPS = (Drop(),)


class Plans:
    """One plan for every stream and sink, or as `plan_of` says."""

    def __init__(self, joining=BY_MARK, rules=DROPS, plan_of=None):
        self.plan = Plan(branches=(Branch(name="web", rules=rules),), joining=joining)
        self._plan_of = plan_of

    def of(self, sink, pod, origin):
        return self._plan_of(sink, pod, origin) if self._plan_of is not None else self.plan


def events_in(lines):
    """What the same plan makes of a whole file, done the simplest way: events, and how many were dropped."""
    events = []
    for line in lines:
        if events and not line.startswith(b"="):
            events[-1] += b"\n" + line
        else:
            events.append(line)
    return [event for event in events if b"drop" not in event], sum(b"drop" in event for event in events)
