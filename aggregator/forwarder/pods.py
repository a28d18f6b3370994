"""What a sink of metrics remembers of each pod: its own state, and which snapshot that is of. In the journal it is one memo per pod.

Room: aggregator, forwarder. Never enters: what a state holds; sockets, clocks (`now` is monotonic seconds).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import msgspec

from aggregator.core.joining import Place

FORGET_SECONDS = 86_400.0  # a pod that did not say goodbye and is not heard for so long is forgotten, in seconds that this process ran
_SILENT_INTERVALS = 4.0  # a pod is not silent before it missed so many of its own
_LONGEST_INTERVAL_SECONDS = 600.0  # as a pod says it: more is not believed


class _Head(msgspec.Struct, frozen=True, array_like=True):
    """What stands before the state in a memo."""

    run: str
    sequence: int
    taken_unix_ns: int
    interval_seconds: float


@dataclass(frozen=True, slots=True)
class PodState:
    """What is known of a pod after a snapshot. `state` is the sink's own."""

    place: Place
    interval_seconds: float
    state: str

    def memo(self) -> str:
        """As the journal keeps it."""
        return msgspec.json.encode(_Head(*self.place, self.interval_seconds)).decode() + "\n" + self.state


@dataclass(slots=True)
class _Known:
    """A pod's state, and when it was settled. `ended`: the sink was told that it is silent."""

    pod: PodState
    heard_at: float
    ended: bool = False


class Pods:
    """All pods of one sink. A pod is in one batch at a time: whoever makes something of it claims it until that is settled or let go."""

    def __init__(self, silent_seconds: float) -> None:
        self._silent_seconds = silent_seconds
        self._known: dict[str, _Known] = {}
        self._claims: dict[str, object] = {}

    def recall(self, memo: Mapping[str, str], now: float) -> None:
        """Know what was settled before this process; a memo that cannot be read is a pod that is not known."""
        for uid, text in memo.items():
            head, _, state = text.partition("\n")
            try:
                said = msgspec.json.decode(head, type=_Head)
            except msgspec.DecodeError:
                continue
            place = Place(said.run, said.sequence, said.taken_unix_ns)
            self._known[uid] = _Known(PodState(place, said.interval_seconds, state), now)

    def get(self, uid: str) -> PodState | None:
        """What is settled of a pod."""
        known = self._known.get(uid)
        return known.pod if known is not None else None

    def settled(self, uid: str, pod: PodState | None, now: float, *, ended: bool = False) -> None:
        """Know what is settled now; None: the pod is forgotten. `ended`: not by a snapshot, but by its end."""
        if pod is None:
            self._known.pop(uid, None)
            return
        known = self._known.get(uid)
        self._known[uid] = _Known(pod, known.heard_at if ended and known is not None else now, ended)

    def claim(self, uid: str, who: object) -> bool:
        """Have a pod for oneself. False while another has it."""
        return self._claims.setdefault(uid, who) is who

    def release(self, uids: Collection[str]) -> None:
        """Let others have these pods."""
        for uid in uids:
            self._claims.pop(uid, None)

    def silent(self, now: float) -> list[str]:
        """Pods that are to be ended now."""
        return [uid for uid, known in self._known.items() if not known.ended and self._is_silent(known, now)]

    def forgotten(self, now: float) -> list[str]:
        """Pods that nothing is to be remembered of any more."""
        return [uid for uid, known in self._known.items() if now - known.heard_at >= FORGET_SECONDS]

    def _is_silent(self, known: _Known, now: float) -> bool:
        interval = min(max(known.pod.interval_seconds, 0.0), _LONGEST_INTERVAL_SECONDS)
        return now - known.heard_at >= max(self._silent_seconds, _SILENT_INTERVALS * interval)
