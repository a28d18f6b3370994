"""What a pod measured of itself at one moment.

Room: wire. Never enters: files, sockets, clocks.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

FamilyType = Literal["gauge", "counter"]


class Sample(msgspec.Struct, frozen=True, array_like=True):
    """`[labels, value]`; labels are the family's own, without the pod's identity."""

    labels: Mapping[str, str]
    value: float


class Family(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One metric family under its full exposition name (a counter's ends in `_total`). Base units only."""

    name: str
    type: FamilyType
    help: str
    samples: tuple[Sample, ...] = ()


class SnapshotRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`POST /v1/snapshots`, named (pod, run, sequence): `run` names one life of a collector, `sequence` counts from 1 in it."""

    journal: str
    pod: msgspec.Raw
    run: str
    sequence: int
    taken_unix_ns: int
    interval_seconds: float
    families: tuple[Family, ...] = ()
    goodbye: bool = False


class SnapshotAnswer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`sequence` is the newest of this run that the journal has: at or above the one sent, it is taken."""

    journal: str
    code: int
    sequence: int = 0
    error: str = ""
