"""Lines of opened blocks become the events that a sink gets: joined and put through its plan. Holds what may go on in the next block.

Room: aggregator, forwarder. Never enters: which pod's turn it is, sending, settling.

Everything here can be read again: what is held open was not settled, so after a restart it begins where it began.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import structlog

from aggregator.core.events import Tally, Texts
from aggregator.core.multiline import Joined
from aggregator.core.plan import Plan
from aggregator.core.records import Slice
from aggregator.forwarder.opener import Opener
from aggregator.forwarder.state import place_of
from towline.wire.identity import Origin, Pod

log = structlog.get_logger()

PlanOf = Callable[[Pod, Origin], Plan | None]
_REMEMBERED_STREAMS = 1000  # whose last event was closed by its timeout


class Spent(NamedTuple):
    """A range of which nothing is left to send, to be settled all the same. `reason`: why it is a dead letter, "" where it is none."""

    piece: Slice
    reason: str = ""
    line: bytes = b""


class Made(NamedTuple):
    """What became of lines. `slices`: events to send."""

    slices: Sequence[Slice]
    spent: Sequence[Spent]


class TimedOut:
    """Where events of a sink were closed that may go on all the same: by stream, the newest of them."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def note(self, piece: Slice) -> None:
        """Nothing more was waited for behind `piece`."""
        self._ends[piece.stream] = (piece.epoch, piece.end)
        while len(self._ends) > _REMEMBERED_STREAMS:
            self._ends.popitem(last=False)

    def was_before(self, piece: Slice) -> bool:
        """Whether that is where `piece` begins. Asked once."""
        return self._ends.pop(piece.stream, None) == (piece.epoch, piece.start)


@dataclass(frozen=True, slots=True)
class Patience:
    """What the lanes of a sink share of waiting. `not_before`: when an open event may be closed at the soonest."""

    not_before: Callable[[Slice], float] = lambda _: 0.0
    timed_out: TimedOut = field(default_factory=TimedOut)


@dataclass(slots=True)
class _Open:
    """An event that may go on, and until when it is waited for."""

    piece: Slice
    plan: Plan
    until: float


class Processing:
    """What one lane holds open, by stream."""

    def __init__(self, opener: Opener, clock: Callable[[], float], waiting: Patience) -> None:
        self._opener = opener
        self._clock = clock
        self._waiting = waiting
        self._open: dict[str, dict[str, _Open]] = {}  # by pod and stream

    @property
    def pods(self) -> Iterable[str]:
        """Those with an open event."""
        return self._open.keys()

    def holds(self, pod: str, stream: str) -> bool:
        """Whether an event of the stream is open."""
        return stream in self._open.get(pod, ())

    def held_bytes(self, pod: str) -> int:
        """Of all open events of a pod."""
        return sum(held.piece.lines.span_bytes for held in self._open.get(pod, {}).values())

    def next_due(self, pod: str) -> float | None:
        """When the first of a pod's open events has waited long enough; None where none is open."""
        return min((self._due(held) for held in self._open.get(pod, {}).values()), default=None)

    def forget(self) -> None:
        """Let go of all: it is still owed."""
        self._open.clear()

    async def take(self, piece: Slice, plan: Plan | None) -> Made:
        """The events that are complete with a stream's next lines."""
        pod, stream = piece.pod.uid, piece.stream
        timed_out = self._waiting.timed_out.was_before(piece)
        if self.holds(pod, stream) and (plan is None or plan.joining is None):  # routes were changed
            closed = await self.close(pod, stream)
            made = await self.take(piece, plan)
            return Made([*closed.slices, *made.slices], [*closed.spent, *made.spent])
        if plan is None:
            return Made([piece], [])
        held = self._open.get(pod, {}).get(stream)
        before = held.piece if held is not None else None
        size_bytes = piece.lines.span_bytes + (before.lines.span_bytes if before is not None else 0)
        try:
            made, opened = await self._opener.compute(
                size_bytes, lambda: self._processed(plan, before, piece, after_timeout=timed_out)
            )
        except Exception as error:  # noqa: BLE001 - a fault of ours, which must not stop the lines around it
            made, opened = self._failed(before, piece, error), None
        self._hold(pod, stream, self._opened(opened, plan))
        return made

    async def close_due(self, pod: str, now: float) -> Made:
        """The events of a pod that have waited long enough at `now`, as they are."""
        due = [stream for stream, held in self._open.get(pod, {}).items() if self._due(held) <= now]
        made = [await self.close(pod, stream) for stream in due]
        return Made([piece for one in made for piece in one.slices], [piece for one in made for piece in one.spent])

    async def close(self, pod: str, stream: str) -> Made:
        """A stream's open event, as it is."""
        held = self._open[pod][stream]
        try:
            made, _ = await self._opener.compute(
                held.piece.lines.span_bytes, lambda: self._processed(held.plan, held.piece, None)
            )
        except Exception as error:  # noqa: BLE001 - as in take
            made = self._failed(None, held.piece, error)
        self._hold(pod, stream, None)
        self._waiting.timed_out.note(held.piece)
        return made

    def _opened(self, piece: Slice | None, plan: Plan) -> _Open | None:
        if piece is None or plan.joining is None:
            return None
        return _Open(piece, plan, self._clock() + plan.joining.timeout_seconds)

    def _due(self, held: _Open) -> float:
        return max(held.until, self._waiting.not_before(held.piece))

    def _hold(self, pod: str, stream: str, opened: _Open | None) -> None:
        streams = self._open.setdefault(pod, {})
        streams.pop(stream, None)
        if opened is not None:
            streams[stream] = opened
        if not streams:
            del self._open[pod]

    def _failed(self, held: Slice | None, piece: Slice, error: Exception) -> Made:
        """What cannot be processed is kept as it came, in the journal: it may hold what a mask was to hide from destinations."""
        text, whole = piece.lines.text(), piece
        if held is not None:
            text = held.lines.text() + b"\n" + text
            covers = (*held.covers, (held.block_id, held.end)) if held.block_id != piece.block_id else held.covers
            whole = replace(piece, start=held.start, covers=covers)
        log.error("block_not_processed", size_bytes=whole.end - whole.start, error=place_of(error))
        return Made([], [Spent(replace(whole, lines=Texts(()), ends=None), "unprocessable", text)])

    def _processed(
        self, plan: Plan, held: Slice | None, piece: Slice | None, *, after_timeout: bool = False
    ) -> tuple[Made, Slice | None]:
        """Joined, and through the plan. On a worker thread where there is much of it."""
        opener, joining = self._opener, plan.joining
        if joining is None:
            joined = Joined([one for one in (held, piece) if one is not None], None)
        elif held is None and piece is not None and not after_timeout:
            joined = opener.joined(joining, piece)
        else:
            joined = joining.join(held, piece, after_timeout=after_timeout)
        return tied(self._applied(plan, one) for one in joined.complete), joined.open

    def _applied(self, plan: Plan, piece: Slice) -> Slice:
        """Through the plan. What it parses of whole slices is shared with other sinks."""
        opener, joined_as = self._opener, plan.joining.key if plan.joining is not None else ""
        return plan.apply(
            piece, lambda parse, it: opener.parsed(parse, it, joined_as) if it is piece else parse.apply(it)
        )


def tied(slices: Iterable[Slice]) -> Made:
    """Slices of which nothing is left are settled with a neighbour of their block, where there is one: neither before nor after it."""
    made: list[Slice] = []
    for piece in slices:
        if made and made[-1].block_id == piece.block_id and not (made[-1].lines and piece.lines):
            made[-1] = _as_one(made[-1], piece)
        else:
            made.append(piece)
    return Made([piece for piece in made if piece.lines], [Spent(piece) for piece in made if not piece.lines])


def _as_one(first: Slice, second: Slice) -> Slice:
    """Both ranges, with the events of the one that has some."""
    filled = first if first.lines else second
    tally = Tally(first.tally).with_all(second.tally)
    return replace(
        filled, start=first.start, end=second.end, ends=filled.known_ends(), covers=first.covers, tally=tally
    )
