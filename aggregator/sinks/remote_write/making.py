"""A pod's snapshot as series of one request body, and its next state. Pure: the same three give the same bytes.

Room: aggregator sinks, pure but for what it remembers to be faster. Never enters: the network, clocks, snappy.
"""

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from aggregator.core.counted import is_counted
from aggregator.core.series import Opened
from aggregator.metric_sink import Fragment, Made, Moment
from aggregator.sinks.remote_write.encoding import STALE, SampleTime, SeriesWriter, Shapes, encode_value
from aggregator.sinks.remote_write.state import Known, State, state_of, text_of

SERIES = "series"
SILENCED = "silenced"  # markers of pods that fell silent here. Where such a pod speaks to another aggregator, all of them are refused
_MARKERS_OF_A_FRAGMENT = 500
MAX_PREPARED_BYTES = 64 << 20  # of series kept from one snapshot to the next: some 500 bytes each
MAX_NAMES = 50_000  # of pods: those heard last
_NS_PER_MS = 1_000_000

_SERIES_BYTES = 150  # of a dictionary, beside its key and its bytes

Prepared = dict[str, bytes]  # a series' key to its bytes, up to the value
_NOTHING: tuple[Prepared, int] = {}, 0


class _Whose(NamedTuple):
    """What a series' bytes depend on beside its key. `after_bytes`: of what closes a sample.

    counted: the uid of what speaks beside the pod of that name (core/counted.py), "" of the pod itself.
    """

    namespace: str
    pod: str
    counted: str
    after_bytes: int

    @classmethod
    def of(cls, names: tuple[str, str], pod_uid: str, time: SampleTime) -> "_Whose":
        return cls(*names, pod_uid if is_counted(pod_uid) else "", len(time.after))


class _Kept:
    """Bytes of the pods that came first, as long as there is room: throwing out the oldest would, with too many pods, throw out each one just before its turn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pods: dict[_Whose, tuple[Prepared, int]] = {}
        self._size_bytes = 0

    def get(self, whose: _Whose) -> Prepared:
        return self._pods.get(whose, _NOTHING)[0]

    def put(self, whose: _Whose, prepared: Prepared) -> None:
        """An empty one forgets the pod."""
        size_bytes = 2 * sum(map(len, prepared.values())) + _SERIES_BYTES * len(prepared)
        with self._lock:
            self._size_bytes -= self._pods.pop(whose, _NOTHING)[1]
            if prepared and self._size_bytes + size_bytes <= MAX_PREPARED_BYTES:
                self._pods[whose] = prepared, size_bytes
                self._size_bytes += size_bytes


class _Owners:
    """Which pod has a name: of a StatefulSet's pod and its successor, the one that spoke last. A hint: it starts empty with the process."""

    def __init__(self) -> None:
        self._owners: dict[tuple[str, ...], tuple[int, str]] = {}

    def note(self, whose: _Whose, uid: str, unix_ms: int) -> None:
        name = whose[:3]
        self._owners[name] = max(self._owners.pop(name, (0, "")), (unix_ms, uid))
        if len(self._owners) > MAX_NAMES:
            self._owners.pop(next(iter(self._owners)), None)

    def is_anothers(self, whose: _Whose, uid: str) -> bool:
        """Whether another pod than that of `uid` has the name now."""
        return self._owners.get(whose[:3], (0, uid))[1] != uid


class Making:
    """`labels`: what every series gets that has none of that name itself."""

    def __init__(self, labels: Mapping[str, str], max_age_seconds: float) -> None:
        self._labels = labels
        self._max_age_ms = max_age_seconds * 1000
        self._shapes = Shapes({*labels, "namespace", "pod", "instance"})
        self._kept = _Kept()
        self._owners = _Owners()

    def make(self, opened: Opened, state: str | None, moment: Moment) -> Made:
        """Samples of what the snapshot says, markers for what it says no more.

        Dropped: `too_old`; `out_of_order` where the pod's clock went back, so that receivers would refuse it; `stamped`, values with
        a time of their own, for they would have to come in order with the others.
        """
        before = state_of(state)
        unix_ms = opened.taken_unix_ns // _NS_PER_MS
        dropped = Counter({"stamped": len(opened.stamped)} if opened.stamped else {})
        reason = "out_of_order" if unix_ms <= before.last_unix_ms else "too_old" if moment.too_old else ""
        if reason:
            dropped[reason] += sum([len(family.rows) for family in opened.families])
            # What was alive was alive until then, though nothing of it is sent: it ends with a later snapshot, or after this one.
            is_later = before.known.series and unix_ms > before.last_unix_ms
            return Made((), text_of(before.known, unix_ms, before) if is_later else state or "", +dropped)
        time = SampleTime(unix_ms)
        whose = _Whose.of((opened.pod.namespace, opened.pod.name), opened.pod.uid, time)
        self._owners.note(whose, opened.pod.uid, unix_ms)
        bodies, prepared = self._samples(opened, whose, time)
        known = Known(whose.namespace, whose.pod, list(prepared))
        if before.known.series != known.series:
            bodies += self._markers([key for key in before.known.series if key not in prepared], whose, time)
        self._kept.put(whose, prepared)
        return Made([Fragment(SERIES, body) for body in bodies], text_of(known, unix_ms, before), dropped)

    def end(self, pod_uid: str, state: str, now_unix_ns: int) -> Made:
        """Markers for all that is alive, a millisecond after its last sample; none where the series go on in a pod of the same name.

        Not at `now`: what the pod took meanwhile and cannot ship yet would come too late.
        """
        before = state_of(state)
        if not before.known.series:
            return Made((), state)
        unix_ms, time = before.last_unix_ms + 1, SampleTime(before.last_unix_ms + 1)
        whose = _Whose.of((before.known.namespace, before.known.pod), pod_uid, time)
        self._kept.put(whose, {})
        text = text_of(Known(whose.namespace, whose.pod), unix_ms, State())
        if self._owners.is_anothers(whose, pod_uid) or now_unix_ns / _NS_PER_MS - unix_ms > self._max_age_ms:
            return Made((), text)  # of so long ago receivers have forgotten them by themselves, and take nothing
        markers = self._markers(before.known.series, whose, time)
        if now_unix_ns // _NS_PER_MS == unix_ms:  # a goodbye, told just after its snapshot
            return Made([Fragment(SERIES, body) for body in markers], text)
        parts = [markers[at : at + _MARKERS_OF_A_FRAGMENT] for at in range(0, len(markers), _MARKERS_OF_A_FRAGMENT)]
        return Made([Fragment(SILENCED, b"".join(part), len(part)) for part in parts], text)

    def _samples(self, opened: Opened, whose: _Whose, time: SampleTime) -> tuple[list[bytes], Prepared]:
        kept, labels_of = self._kept.get(whose), self._writer(whose).labels
        prepared: Prepared = {}
        values: list[bytes] = []
        for family in opened.families:
            for name, labels, value, _ in family.rows:
                key = f"{name}{{{labels}"
                before = kept.get(key)
                if before is None:
                    before = time.before(labels_of(name, labels))
                prepared[key] = before
                values.append(encode_value(float(value)))
        after = time.after
        return [b"".join((one, value, after)) for one, value in zip(prepared.values(), values, strict=True)], prepared

    def _markers(self, keys: Sequence[str], whose: _Whose, time: SampleTime) -> list[bytes]:
        labels_of = self._writer(whose).labels
        named = [key.partition("{") for key in keys]
        return [b"".join((time.before(labels_of(name, labels)), STALE, time.after)) for name, _, labels in named]

    def _writer(self, whose: _Whose) -> SeriesWriter:
        own = {"instance": whose.pod, "namespace": whose.namespace, "pod": whose.pod}
        return SeriesWriter(self._shapes, {**self._labels, **own})
