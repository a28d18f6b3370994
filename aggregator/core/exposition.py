"""One page for many pods: a cached block of lines per pod and family, rendered at the push and only joined at the scrape.

Room: aggregator core. Never enters: clocks (`now` is passed in), sockets, compression, the aggregator's own registry.

The page has one family table. The first TYPE wins for as long as any pod shows the family; a pod that differs has that family
quarantined: not shown, counted. Whatever a pod is refused, it and its neighbours keep the rest.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

import msgspec

from aggregator.core.exposition_lines import block, label_text, line, lines_of, number, openmetrics_head, text_head
from aggregator.core.family_table import FamilyTable, PodKey
from aggregator.core.groups import fitting
from aggregator.core.series import Kind, Opened, Row, SeriesFamily
from towline.wire.identity import Pod

RESERVED_PREFIX = "aggregator_"  # the aggregator's own metrics stand on the same page
PUSH_TIME = SeriesFamily(
    name="towline_pod_last_snapshot_timestamp_seconds",
    kind="gauge",
    help="Unix time at which the aggregator took the pod's last snapshot, in seconds.",
)
# What Kubernetes' own Job controller puts on its pods: before 1.27, and since.
JOB_LABELS = frozenset({"job-name", "batch.kubernetes.io/job-name"})

_exemplar_of = itemgetter(3)
_EXEMPLARY: Mapping[Kind, str] = {"counter": "_total", "histogram": "_bucket"}  # what may have exemplars in OpenMetrics
_OWN: PodKey = ("", "")  # no pod has an empty name
_NO_NAMES = frozenset({"", "_total", PUSH_TIME.name})  # a counter's bare suffix would be a family without a name


class Pushed(msgspec.Struct, frozen=True):
    """What a push did: whether it is shown, and which families it newly has in quarantine."""

    shown: bool
    quarantined: frozenset[str] = frozenset()


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How long a pod stays on the page, and how much stands there.

    expire_seconds: after its last push. keep_finished_seconds: a Job's pod, after its goodbye; any other pod leaves with it.
    """

    expire_seconds: float = 60.0
    keep_finished_seconds: float = 300.0
    max_series: int = 1_000_000


class _Speaker(msgspec.Struct):
    """A pod on the page: its last snapshot, and what it shows until `ends` (monotonic)."""

    uid: str
    run: str
    sequence: int
    taken_unix_ns: int
    ends: float
    identity: str
    series: int = 0
    families: list[str] = []
    quarantined: frozenset[str] = frozenset()


class Exposition:
    """The page's state."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._series = 0
        self._refused: Counter[str] = Counter()
        self._table = FamilyTable()
        self._pods: dict[PodKey, _Speaker] = {}
        self._own: dict[str, Sequence[SeriesFamily]] = {}
        self._own_refused = 0

    @property
    def refused_series(self) -> Mapping[str, int]:
        """How many series were pushed and are not shown, by reason."""
        return +self._refused

    def push(self, opened: Opened, now: float, now_unix_ns: int) -> Pushed:
        """Show a snapshot in place of all that this pod showed before. One that is not newer than what is shown changes nothing."""
        pod = opened.pod
        key = (pod.namespace, pod.name)
        before = self._pods.get(key)
        if before is not None and not _is_newer(opened, before):
            return Pushed(shown=False)
        self._refused += opened.refused
        if opened.goodbye and not is_of_a_job(pod):
            if before is not None:
                self._withdraw(key, before)
            return Pushed(shown=False)
        named = _by_name(opened.families)
        if before is not None:
            self._withdraw_other(key, before, named)
        speaker = self._pods[key] = self._speaker(opened, now)
        self._table.put(PUSH_TIME, key, block([line(PUSH_TIME.name, speaker.identity, number(now_unix_ns / 1e9))]), b"")
        for name, families in named.items():
            self._show(name, families, key, speaker)
        self._series += speaker.series
        if before is not None:  # blocks that have not been replaced, there being no room for them any more
            for name in {*before.families}.difference(speaker.families):
                self._table.remove(name, key)
        known = before.quarantined if before is not None else frozenset()
        return Pushed(shown=True, quarantined=speaker.quarantined - known)

    def show_own(self, families: Sequence[SeriesFamily]) -> None:
        """Show what this aggregator itself counted, in place of what it showed of that before. Whose a series is stands in its labels.

        A family of the same object is not rendered again; one that does not fit beside the pods' is in quarantine.
        """
        wanted = _by_name(families)
        for name, shown in list(self._own.items()):
            if not _are_same(shown, wanted.get(name, ())):
                self._table.remove(name, _OWN)
                del self._own[name]
        for name, same in wanted.items():
            if name not in self._own and self._table.fits(name, same[0].kind):
                self._own[name] = same
                self._table.put(same[0], _OWN, block(text for one in same for text in lines_of("", one.rows)), b"")
        self._own_refused = len(wanted) - len(self._own)

    def expire(self, now: float) -> int:
        """Take off the page whose time is over. Returns how many they were."""
        over = [(key, pod) for key, pod in self._pods.items() if now >= pod.ends]
        for key, pod in over:
            self._withdraw(key, pod)
        return len(over)

    def render(self, *, openmetrics: bool = False) -> Iterator[bytes]:
        """The page, one chunk per family, without timestamps (and without OpenMetrics' `# EOF`, as more may follow).

        Chunks are made as they are taken; pods may push meanwhile, each family is whole.
        """
        yield from self._table.render(openmetrics=openmetrics)
        yield from self.about_itself(openmetrics=openmetrics)

    def _speaker(self, opened: Opened, now: float) -> _Speaker:
        pod = opened.pod
        seconds = self._terms.keep_finished_seconds if opened.goodbye else self._terms.expire_seconds
        identity = label_text({"namespace": pod.namespace, "pod": pod.name})
        return _Speaker(pod.uid, opened.run, opened.sequence, opened.taken_unix_ns, now + seconds, identity)

    def _show(self, name: str, families: Sequence[SeriesFamily], key: PodKey, speaker: _Speaker) -> None:
        first = families[0]
        rows = first.rows if len(families) == 1 else tuple(row for family in families for row in family.rows)
        if name in _NO_NAMES or name.startswith(RESERVED_PREFIX):
            self._refused["name"] += len(rows)
            return
        if not self._table.fits(name, first.kind):
            self._refused["type_differs"] += len(rows)
            speaker.quarantined |= {name}
            return
        kept = fitting(first.kind, rows, self._terms.max_series - self._series - speaker.series)
        self._refused["page_cap"] += len(rows) - len(kept)
        if kept:
            self._table.put(first, key, *_blocks(speaker.identity, kept, first.kind))
            speaker.families.append(name)
            speaker.series += len(kept)

    def _withdraw(self, key: PodKey, speaker: _Speaker) -> None:
        for name in (PUSH_TIME.name, *speaker.families):
            self._table.remove(name, key)
        self._series -= speaker.series
        del self._pods[key]

    def _withdraw_other(self, key: PodKey, speaker: _Speaker, named: Mapping[str, Sequence[SeriesFamily]]) -> None:
        """Take away what is not said again, or under another type. The rest is replaced where it stands, which costs less than to make its place anew."""
        self._series -= speaker.series
        kept = [name for name in speaker.families if name in named and named[name][0].kind == self._table.kind(name)]
        for name in {*speaker.families}.difference(kept):
            self._table.remove(name, key)
        speaker.families = kept

    def about_itself(self, *, openmetrics: bool = False) -> Iterator[bytes]:
        """The page's end, which is of no pod: what stands on it, and what was refused."""
        quarantined = sum(len(pod.quarantined) for pod in self._pods.values()) + self._own_refused
        yield _own("pods", "gauge", "Pods on this page.", {"": len(self._pods)}, openmetrics)
        yield _own("series", "gauge", "Series of pods on this page.", {"": self._series}, openmetrics)
        what = "Families that a pod sends under a type other than the page's."
        yield _own("quarantined_families", "gauge", what, {"": quarantined}, openmetrics)
        what = "Series that were pushed and not shown, by reason."
        yield _own("refused_series_total", "counter", what, self.refused_series, openmetrics)


def is_of_a_job(pod: Pod) -> bool:
    """Whether a Job made this pod: its end is no loss of a witness, its last words are its result."""
    return not JOB_LABELS.isdisjoint(pod.labels)


def _by_name(families: Sequence[SeriesFamily]) -> dict[str, list[SeriesFamily]]:
    named: dict[str, list[SeriesFamily]] = {}
    for family in families:
        named.setdefault(family.name, []).append(family)
    return named


def _blocks(identity: str, rows: Sequence[Row], kind: Kind) -> tuple[bytes, bytes]:
    """The lines in the text format, and in OpenMetrics where they differ: by exemplars."""
    lines = lines_of(identity, rows)
    suffix = _EXEMPLARY.get(kind)
    if suffix is None or not any(map(_exemplar_of, rows)):
        return block(lines), b""
    extended = (
        f"{text[:-1]}{row.exemplar}\n" if row.name.endswith(suffix) else text
        for text, row in zip(lines, rows, strict=True)
    )
    return block(lines), block(extended)


def _are_same(some: Sequence[SeriesFamily], others: Sequence[SeriesFamily]) -> bool:
    return len(some) == len(others) and all(one is other for one, other in zip(some, others, strict=True))


def _is_newer(opened: Opened, before: _Speaker) -> bool:
    """Whether a snapshot comes after the one shown. Sequences compare within one run; across runs and pods only the time can tell."""
    if (opened.pod.uid, opened.run) == (before.uid, before.run):
        return opened.sequence > before.sequence
    return opened.taken_unix_ns >= before.taken_unix_ns


def _own(suffix: str, kind: Kind, help_text: str, values: Mapping[Any, int], openmetrics: bool) -> bytes:
    name = f"{RESERVED_PREFIX}exposition_{suffix}"
    head = openmetrics_head(name, kind, help_text) if openmetrics else text_head(name, kind, help_text)
    labels = ((label_text({"reason": reason} if reason else {}), value) for reason, value in values.items())
    return head + block(line(name, text, number(value)) for text, value in labels)
