"""One page for many pods: a cached block of lines per pod and family, rendered at the push and only joined at the scrape.

Room: aggregator core. Never enters: clocks (`now` is passed in), sockets, compression, the aggregator's own registry.

The page has one family table. The first TYPE wins for as long as any pod shows the family; a pod that differs has that family
quarantined: not shown, counted. Whatever a pod is refused, it and its neighbours keep the rest.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Literal

import msgspec

from aggregator.core.exposition_lines import (
    LabelWriter,
    block,
    claimed_names,
    label_text,
    line,
    metric_name,
    openmetrics_head,
    text_head,
)
from towline.wire.identity import Pod
from towline.wire.snapshot import Family, FamilyType, Sample, SnapshotRequest

Refused = Literal["type_differs", "name", "value", "duplicate", "series_cap"]

RESERVED_PREFIX = "aggregator_"  # the aggregator's own metrics stand on the same page
# Proven, so it overwrites. Which `container` of its pod a sample is of, only the collector can say.
IDENTITY = frozenset({"namespace", "pod"})
PUSH_TIME = Family(
    name="towline_pod_last_snapshot_timestamp_seconds",
    type="gauge",
    help="Unix time at which the aggregator took the pod's last snapshot, in seconds.",
)

_NO_NAMES = frozenset({"", "_total", PUSH_TIME.name})  # a counter's bare suffix would be a family without a name
# Namespace and name: labels carry no uid, so a pod that comes back under its name takes its old place.
_Key = tuple[str, str]


class Pushed(msgspec.Struct, frozen=True):
    """What a push did: whether it is shown, and which families it newly has in quarantine."""

    shown: bool
    quarantined: frozenset[str] = frozenset()


class _Speaker(msgspec.Struct):
    """A pod on the page: its last snapshot, and what it shows."""

    uid: str
    run: str
    sequence: int
    taken_unix_ns: int
    pushed: float
    identity: str
    series: int = 0
    families: set[str] = msgspec.field(default_factory=set)
    quarantined: set[str] = msgspec.field(default_factory=set)


class Exposition:
    """The page's state. A pod leaves it with its goodbye, or `expire_seconds` after its last push."""

    def __init__(self, expire_seconds: float, max_series_per_pod: int) -> None:
        self._expire_seconds = expire_seconds
        self._max_series = max_series_per_pod
        self._refused: Counter[Refused] = Counter()
        self._table = _FamilyTable()
        self._pods: dict[_Key, _Speaker] = {}

    @property
    def refused_series(self) -> Mapping[Refused, int]:
        """How many series were pushed and are not shown, by reason."""
        return self._refused

    def push(self, pod: Pod, request: SnapshotRequest, now: float, now_unix_ns: int) -> Pushed:
        """Show a snapshot in place of all that this pod showed before. One that is not newer than what is shown changes nothing."""
        key = (pod.namespace, pod.name)
        before = self._pods.get(key)
        if before is not None:
            if not _is_newer(pod.uid, request, before):
                return Pushed(shown=False)
            self._withdraw(key, before)
        if request.goodbye:
            return Pushed(shown=False)
        identity = label_text({"namespace": pod.namespace, "pod": pod.name})
        speaker = _Speaker(pod.uid, request.run, request.sequence, request.taken_unix_ns, now, identity)
        self._pods[key] = speaker
        self._table.put(PUSH_TIME, key, block([line(PUSH_TIME.name, identity, now_unix_ns / 1e9)]))
        for family in request.families:
            self._show(family, key, speaker)
        known = before.quarantined if before is not None else set()
        return Pushed(shown=True, quarantined=frozenset(speaker.quarantined - known))

    def expire(self, now: float) -> int:
        """Take off the page who has not pushed for too long. Returns how many they were."""
        silent = [(key, pod) for key, pod in self._pods.items() if now - pod.pushed >= self._expire_seconds]
        for key, pod in silent:
            self._withdraw(key, pod)
        return len(silent)

    def render(self, *, openmetrics: bool = False) -> list[bytes]:
        """The page, one chunk per family, without timestamps (and without OpenMetrics' `# EOF`, as more may follow)."""
        return [*self._table.render(openmetrics=openmetrics), *self._about_itself(openmetrics=openmetrics)]

    def _show(self, family: Family, key: _Key, speaker: _Speaker) -> None:
        name = metric_name(family.name)
        if name in _NO_NAMES or name.startswith(RESERVED_PREFIX):
            self._refused["name"] += len(family.samples)
        elif name in speaker.families:
            self._refused["duplicate"] += len(family.samples)
        elif not self._table.fits(name, family.type):
            self._refused["type_differs"] += len(family.samples)
            speaker.quarantined.add(name)
        else:
            lines = self._lines(name, family, speaker)
            if lines:
                self._table.put(msgspec.structs.replace(family, name=name, samples=()), key, block(lines))
                speaker.families.add(name)

    def _lines(self, name: str, family: Family, speaker: _Speaker) -> list[str]:
        lines: dict[str, str] = {}
        room = self._max_series - speaker.series
        writer = LabelWriter(IDENTITY)
        for sample in family.samples:
            labels = writer.write(sample.labels)
            if family.type == "counter" and not sample.value >= 0:  # NaN is not, either
                self._refused["value"] += 1
            elif labels in lines:
                self._refused["duplicate"] += 1
            elif len(lines) >= room:
                self._refused["series_cap"] += 1
            else:
                together = [text for text in (speaker.identity, labels) if text]
                lines[labels] = line(name, ",".join(together), sample.value)
        speaker.series += len(lines)
        return list(lines.values())

    def _withdraw(self, key: _Key, speaker: _Speaker) -> None:
        for name in (PUSH_TIME.name, *speaker.families):
            self._table.remove(name, key)
        del self._pods[key]

    def _about_itself(self, *, openmetrics: bool) -> list[bytes]:
        pods = self._pods.values()
        about = (
            _own("pods", "gauge", "Pods on this page.", {"": len(pods)}),
            _own("series", "gauge", "Series of pods on this page.", {"": sum(pod.series for pod in pods)}),
            _own(
                "quarantined_families",
                "gauge",
                "Families that a pod sends under a type other than the page's.",
                {"": sum(len(pod.quarantined) for pod in pods)},
            ),
            _own("refused_series_total", "counter", "Series that were pushed and not shown, by reason.", self._refused),
        )
        head = openmetrics_head if openmetrics else text_head
        return [
            head(family.name, family.type, family.help)
            + block(line(family.name, label_text(s.labels), s.value) for s in family.samples)
            for family in about
        ]


class _Shown(msgspec.Struct):
    """A family on the page: its first TYPE and HELP, as they stand above its lines in each format."""

    kind: FamilyType
    text_head: bytes
    openmetrics_head: bytes
    blocks: dict[_Key, bytes]


class _FamilyTable:
    """Which families are on the page, and each pod's block of lines in them."""

    def __init__(self) -> None:
        self._families: dict[str, _Shown] = {}
        self._claims: dict[str, str] = {}  # every name taken on the page, in either format -> the family that takes it

    def fits(self, name: str, kind: FamilyType) -> bool:
        """Whether a family may stand on the page: none of its names is another's, and if it is there already, then with this type."""
        shown = self._families.get(name)
        if shown is not None:
            return shown.kind == kind
        return not any(claimed in self._claims for claimed in claimed_names(name, kind))

    def put(self, family: Family, key: _Key, lines: bytes) -> None:
        """Show a pod's block of a family that fits."""
        shown = self._families.get(family.name)
        if shown is None:
            heads = [head(family.name, family.type, family.help) for head in (text_head, openmetrics_head)]
            shown = self._families[family.name] = _Shown(family.type, heads[0], heads[1], {})
            for claimed in claimed_names(family.name, family.type):
                self._claims[claimed] = family.name
        shown.blocks[key] = lines

    def remove(self, name: str, key: _Key) -> None:
        """Take a pod's block away, and with the last block the family."""
        shown = self._families[name]
        del shown.blocks[key]
        if not shown.blocks:
            del self._families[name]
            for claimed in claimed_names(name, shown.kind):
                del self._claims[claimed]

    def render(self, *, openmetrics: bool) -> Iterable[bytes]:
        """One chunk per family."""
        for shown in self._families.values():
            yield b"".join((shown.openmetrics_head if openmetrics else shown.text_head, *shown.blocks.values()))


def _is_newer(uid: str, request: SnapshotRequest, before: _Speaker) -> bool:
    """Whether a snapshot comes after the one shown. Sequences compare within one run; across runs and pods only the time can tell."""
    if (uid, request.run) == (before.uid, before.run):
        return request.sequence > before.sequence
    return request.taken_unix_ns >= before.taken_unix_ns


def _own(suffix: str, kind: FamilyType, help_text: str, values: Mapping[Any, int]) -> Family:
    samples = tuple(Sample({"reason": reason} if reason else {}, float(value)) for reason, value in values.items())
    return Family(name=f"{RESERVED_PREFIX}exposition_{suffix}", type=kind, help=help_text, samples=samples)
