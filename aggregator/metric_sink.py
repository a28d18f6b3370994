"""What a destination of metrics is: it makes points of a pod's snapshots, packs them, sends them. Order, retries and custody are the forwarder's.

Room: aggregator, above core. Never enters: a vendor.

How a snapshot goes through a sink, in order for each pod:

1. `make(opened, state, moment)` turns one snapshot into fragments, and says the pod's next state. Pure: the same three give the same answer,
   so that after a crash the same points are sent again. It runs on a worker thread. Counters and distributions that the destination wants as
   deltas go through `advance` (core/deltas.py), with `core/book.py` for the state's text.
2. Fragments of one `route`, of several snapshots and pods, are gathered up to `limits(route)`, and `pack` makes a request body of them. Pure too.
3. `send` delivers that. Once every fragment of a snapshot was taken (or refused for good), the journal settles the snapshot and writes the
   pod's new state, in one transaction.

When the pod has ended, `end` makes its last fragments. A goodbye then forgets its state; a pod that was only silent keeps what `end` returned,
as it may come back.

How a sink comes to be: a row of the registry builds an object that offers `metrics`. A sink of lines that takes metrics too has it as a property
(None where it is not configured); one that takes nothing else is built as `MetricsOnly`. In the journal, the status and the metrics of the aggregator
it is named `<sink>.metrics`, with a share of its own.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol

from aggregator.core.joining import Join
from aggregator.core.series import Opened
from aggregator.sink import SinkOptions
from towline.wire.identity import Pod

DEFAULT_SHARE = 0.1


class Fragment(NamedTuple):
    """One series, event or check as it stands in a request body: what can be refused by itself.

    route: what can share a request (an endpoint, a log stream). Opaque to the forwarder, never shown.
    points: how many it counts for, in `limits` and in the counters.
    """

    route: str
    body: bytes
    points: int = 1


class Limits(NamedTuple):
    """How large a request of one route may be: points, and bytes of fragments, each with `overhead_bytes` for what stands between them.

    `max_fragments`: where the destination counts those as well (log events of a PutLogEvents).
    """

    max_points: int
    max_bytes: int
    overhead_bytes: int = 1
    max_fragments: int = 1 << 30


class Moment(NamedTuple):
    """How a snapshot comes to its sink.

    join: how it goes on from the state that is passed with it; for `advance`.
    too_old: it was taken more than `max_age_seconds` ago. What has a time is not made of it (counted in `dropped` as `too_old`); counters
        go through `advance(..., hold=True)`, so that their deltas are part of the next point.
    """

    join: Join
    too_old: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """What one snapshot, or the end of a pod, becomes.

    state: the pod's durable state once the fragments are settled. "" is none: nothing is written down for it.
    dropped: points that were in the snapshot and are in no fragment, by a reason from the sink's closed list.
    """

    fragments: Sequence[Fragment] = ()
    state: str = ""
    dropped: Counter[str] = field(default_factory=Counter)


class Terms(NamedTuple):
    """The sink's part of the journal: a fraction or a size, and what happens when it is used up. Counters lose nothing where it sheds.

    of_lines: it is owed what rules count of lines (own_snapshots.py), too.
    """

    share: float | str = DEFAULT_SHARE
    when_full: Literal["hold", "shed"] = "shed"
    of_lines: bool = True


class MetricSink(Protocol):
    """A push destination of metrics."""

    @property
    def terms(self) -> Terms: ...

    @property
    def max_age_seconds(self) -> float:
        """Points older than this are not taken by the destination; math.inf where there is no limit."""

    @property
    def silent_seconds(self) -> float:
        """A pod that sent nothing for so long is ended (staleness markers); math.inf where nothing is to be said of it."""

    def limits(self, route: str) -> Limits:
        """How large one request of this route may be. Pure."""

    def lane(self, pod: Pod) -> str:
        """What fails and is ordered as one (the pods of one hash). Pure; the same for a pod as long as its uid, name and labels are."""

    def make(self, opened: Opened, state: str | None, moment: Moment) -> Made:
        """One snapshot's fragments and the pod's next state. Pure; runs on a worker thread. `state`: None where nothing is known of the pod."""

    def end(self, pod_uid: str, state: str, now_unix_ns: int) -> Made:
        """The last fragments of a pod that said goodbye (just after that snapshot's), or that was silent for `silent_seconds`. Pure."""

    def pack(self, route: str, fragments: Sequence[bytes]) -> Any:
        """The request body of these fragments, in their order. Pure and deterministic (a retry sends the same bytes); runs on a worker thread."""

    async def send(self, route: str, payload: Any) -> Counter[str]:
        """Return once the destination has answered for all of `payload`: the points that it refused for good, by reason (mostly none).

        Raises RetryableError (the same payload may pass later), TooLargeError (halve it), RejectedError (bisect) or UnauthorizedError
        (hold the lane).
        """

    async def healthcheck(self) -> None:
        """As a Sink's: prove address and credentials. Only a ConfigError stops the start."""

    async def close(self) -> None:
        """Let go of connections. Of a sink that takes lines too, that one's `close` does it, and this nothing."""


@dataclass(frozen=True, slots=True)
class MetricsOnly:
    """A destination that takes no lines, as the registry builds it."""

    metrics: MetricSink

    async def close(self) -> None:
        """Close the sink."""
        await self.metrics.close()


class MetricSinkOptions(SinkOptions, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every destination that takes metrics alone has beside its own options: `share` and `when_full` as metrics want them."""

    share: float | str = DEFAULT_SHARE
    when_full: Literal["hold", "shed"] = "shed"


def metrics_of(built: object) -> MetricSink | None:
    """The sink of metrics that a built destination offers, if any."""
    offered: MetricSink | None = getattr(built, "metrics", None)
    return offered
