"""What was counted of lines as snapshots, so that it goes to destinations as what pods say does: an owner of totals speaks as a pod of its own.

Room: aggregator core. Never enters: how totals come about, journals, clocks.

A life of totals is a run: everything in it began at 0 with it. docs/design/metrics.md, "What rules count", has what follows from that.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from aggregator.core.exposition_lines import IDENTITY
from aggregator.core.log_metrics import Rule
from aggregator.core.log_series import Standing
from aggregator.core.log_totals import Total, buckets_of
from aggregator.core.relabel import pairs_of
from towline.wire.identity import Pod
from towline.wire.snapshot import Family, Sample, SnapshotRequest

COUNTED_UID = "counted:"  # no collector may say a uid that begins so (checks.py)
AGGREGATOR = "aggregator"  # a label: several count the same workload's lines, each those that came to it
BOUND = "le"


class Moment(NamedTuple):
    """When a snapshot is taken, and its number."""

    sequence: int
    taken_unix_ns: int
    interval_seconds: float


def is_counted(pod_uid: str) -> bool:
    """Whether this is an owner of totals, and no pod."""
    return pod_uid.startswith(COUNTED_UID)


def speaker_of(sink: str, standing: Standing) -> Pod:
    """As whom an owner speaks: its own words, under a uid that no pod has."""
    digest = hashlib.blake2b(standing.identity.encode(), digest_size=12).hexdigest()
    return msgspec.structs.replace(standing.life.pod, uid=f"{COUNTED_UID}{sink}:{digest}")


def first_sequence(standing: Standing) -> int:
    """Of a run that was not told from its beginning on, the first snapshot is missing."""
    return 1 if standing.life.is_whole else 2


def snapshot_of(pod: Pod, standing: Standing, aggregator: str, moment: Moment) -> SnapshotRequest:
    """All totals of one owner. aggregator: the label's value, "" for none."""
    by_rule: dict[str, tuple[Rule, list[Sample]]] = {}
    own = _labels_of(standing.identity) | ({AGGREGATOR: aggregator} if aggregator else {})
    # Sinks keep what they made of a snapshot that says the same series in the same order.
    for rule, labels, total in sorted(standing.totals, key=_place):
        _, samples = by_rule.setdefault(rule.name, (rule, []))
        samples += _samples_of(rule, {**_labels_of(labels), **own}, total)
    families = tuple(
        Family(
            name=name,
            type=rule.type,
            help=rule.help,
            source="logs",
            from_zero=rule.type != "gauge",
            samples=tuple(samples),
        )
        for name, (rule, samples) in by_rule.items()
    )
    return _request(pod, standing.life.run, moment, families=families)


def goodbye_of(pod: Pod, run: str, moment: Moment) -> SnapshotRequest:
    """The end of a run: there is nothing that was not told before."""
    return _request(pod, run, moment, goodbye=True)


def _request(
    pod: Pod, run: str, moment: Moment, *, families: tuple[Family, ...] = (), goodbye: bool = False
) -> SnapshotRequest:
    return SnapshotRequest(
        journal="",
        pod=msgspec.Raw(msgspec.msgpack.encode(pod)),
        run=run,
        sequence=moment.sequence,
        taken_unix_ns=moment.taken_unix_ns,
        interval_seconds=moment.interval_seconds,
        families=families,
        goodbye=goodbye,
    )


def _place(one: tuple[Rule, str, Total]) -> tuple[str, str]:
    rule, labels, _ = one
    return rule.name, labels


def _labels_of(text: str) -> dict[str, str]:
    """Without the pod's identity: the speaker is the one who has it."""
    return {name: value for name, value in pairs_of(text) if name not in IDENTITY}


def _samples_of(rule: Rule, labels: Mapping[str, str], total: Total) -> Iterator[Sample]:
    if rule.type == "histogram":
        for bound, count in buckets_of(rule, total):
            yield Sample({**labels, BOUND: bound}, float(count))
    yield Sample(labels, total.value)
