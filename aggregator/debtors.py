"""Who speaks, and who is owed what it says: decided once per (pod identity, origin), then remembered.

Room: aggregator, between intake and sinks. Never enters: HTTP, the journal.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from aggregator.core.checks import fault_of_pod
from aggregator.core.records import Debt
from aggregator.core.route import Routes
from aggregator.metric_sink import MetricSink
from aggregator.sink import Sink
from towline.wire.identity import Origin, Pod

_KEPT_PODS = 4096
_KEPT_ORIGINS = 1024  # of one pod


class UnknownSpeakerError(ValueError):
    """The identity cannot be read or used."""


@dataclass(slots=True)
class Speaker:
    """A pod as it spoke of itself, and what follows from that."""

    pod: Pod
    debts: dict[Origin, tuple[Debt, ...]] = field(default_factory=dict)
    metric_debts: tuple[Debt, ...] | None = None  # None: nobody has asked yet


class Debtors:
    """Decodes identities only where their bytes changed, and asks routes and sinks only where an origin is new."""

    def __init__(
        self, routes: Routes, sinks: Mapping[str, Sink], metric_sinks: Mapping[str, MetricSink] | None = None
    ) -> None:
        self._routes = routes
        self._sinks = sinks
        self._metric_sinks = metric_sinks or {}
        self._speakers: OrderedDict[bytes, Speaker] = OrderedDict()

    def speaker(self, raw: msgspec.Raw) -> Speaker:
        """Whose bytes these are. Raises UnknownSpeakerError."""
        said = bytes(raw)
        known = self._speakers.get(said)
        if known is None:
            known = self._speakers[said] = Speaker(_decoded(said))
            if len(self._speakers) > _KEPT_PODS:
                self._speakers.popitem(last=False)
        else:
            self._speakers.move_to_end(said)
        return known

    def owed(self, speaker: Speaker, origin: Origin) -> tuple[Debt, ...]:
        """The sinks that get this stream, each with its lane."""
        debts = speaker.debts.get(origin)
        if debts is None:
            names = self._routes.owed(speaker.pod, origin)
            debts = tuple(Debt(name, self._sinks[name].lane(speaker.pod, origin)) for name in names)
            if len(speaker.debts) >= _KEPT_ORIGINS:
                speaker.debts.clear()
            speaker.debts[origin] = debts
        return debts

    def owed_metrics(self, speaker: Speaker) -> tuple[Debt, ...]:
        """The sinks that get this pod's snapshots, each with its lane: all that take metrics, as routes are for lines."""
        if speaker.metric_debts is None:
            sinks = self._metric_sinks.items()
            speaker.metric_debts = tuple(Debt(name, sink.lane(speaker.pod)) for name, sink in sinks)
        return speaker.metric_debts


def _decoded(said: bytes) -> Pod:
    try:
        pod = msgspec.msgpack.decode(said, type=Pod)
    except msgspec.DecodeError as error:
        raise UnknownSpeakerError(f"pod: {error}") from error
    fault = fault_of_pod(pod)
    if fault:
        raise UnknownSpeakerError(fault)
    return pod
