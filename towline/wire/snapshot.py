"""What a pod measured of itself at one moment, what its app said of itself, and what was counted for it meanwhile.

Room: wire. Never enters: files, sockets, clocks.

Everything that adds up is cumulative, so of two snapshots of one run the later one says everything (docs/design/metrics.md).
What a snapshot holds thousands of is nothing for the garbage collector (`gc=False`): it is frozen and made of texts and numbers, so it is in no cycle.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

FamilyType = Literal["gauge", "counter", "histogram"]
FamilySource = Literal["pod", "dogstatsd", "logs"]
Flavour = Literal["", "histogram", "timing", "distribution"]

SKETCH_GAMMA = 1.02  # ratio of neighbouring bounds: a value read back from its bucket is at most 1 % off


class Sample(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`[labels, value]`; labels are the family's own, without the pod's identity. A tag without a value has the value ""."""

    labels: Mapping[str, str]
    value: float


class Distribution(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`[labels, count, sum, zeros, positive, negative]`: how often values fell where, since the run began.

    Bucket `i` holds values v with SKETCH_GAMMA**(i-1) < |v| <= SKETCH_GAMMA**i; counts are floats because sampled values count for several.
    """

    labels: Mapping[str, str]
    count: float
    sum: float
    zeros: float = 0.0
    positive: Mapping[int, float] = {}
    negative: Mapping[int, float] = {}


class Family(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One metric family. Base units only.

    name: of source `pod`, the exposition name (a counter's ends in `_total`); of source `dogstatsd`, the name as the app sent it.
        Source `logs` is what an aggregator itself says of lines that it counted: named as `pod`'s, of a histogram with `samples`, whose
        `le` are buckets (each with the ones below) and of which the one without is the sum.
    from_zero: its counters began at 0 with this run of the collector; else the first value seen of one says nothing of what was before.
    distributions: of a histogram, in place of `samples`; flavour: which of DogStatsD's three kinds of it the app sent.
    """

    name: str
    type: FamilyType
    help: str
    unit: str = ""
    source: FamilySource = "pod"
    flavour: Flavour = ""
    from_zero: bool = False
    samples: tuple[Sample, ...] = ()
    distributions: tuple[Distribution, ...] = ()


class Scrape(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """One endpoint's exposition, as it was read: parsed once, by the aggregator.

    labels: `job` and `instance`, and what the configuration adds to each of its series.
    up: whether there was a whole answer of status 200 within its limits; `error` is a word of why not.
    body: its text, as `codec` says; `length` are the bytes of the text. Empty where `up` is false.
    """

    labels: Mapping[str, str]
    scraped_unix_ns: int
    duration_seconds: float
    up: bool = False
    error: str = ""
    content_type: str = ""
    codec: Literal["none", "zstd"] = "zstd"
    length: int = 0
    body: bytes = b""


class Stamped(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`[name, type, labels, value, unix_seconds]`: a DogStatsD value with a time of its own. It is passed on, not added up; `value` is a delta for a counter."""

    name: str
    type: Literal["gauge", "counter"]
    labels: Mapping[str, str]
    value: float
    unix_seconds: int


class Event(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A DogStatsD event."""

    title: str
    text: str
    unix_seconds: int
    hostname: str = ""
    aggregation_key: str = ""
    priority: Literal["normal", "low"] = "normal"
    source_type: str = ""
    alert_type: Literal["info", "success", "warning", "error"] = "info"
    tags: tuple[str, ...] = ()


class ServiceCheck(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """A DogStatsD service check. status: 0 ok, 1 warning, 2 critical, 3 unknown."""

    name: str
    status: int
    unix_seconds: int
    hostname: str = ""
    message: str = ""
    tags: tuple[str, ...] = ()


class SnapshotRequest(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`POST /v1/snapshots`, named (pod, run, sequence): `run` names one life of a collector, `sequence` counts from 1 in it."""

    journal: str
    pod: msgspec.Raw
    run: str
    sequence: int
    taken_unix_ns: int
    interval_seconds: float
    families: tuple[Family, ...] = ()
    scrapes: tuple[Scrape, ...] = ()
    stamped: tuple[Stamped, ...] = ()
    events: tuple[Event, ...] = ()
    checks: tuple[ServiceCheck, ...] = ()
    goodbye: bool = False


class SnapshotAnswer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """`sequence` is the newest of this run that the journal has: at or above the one sent, it is taken."""

    journal: str
    code: int
    sequence: int = 0
    error: str = ""
