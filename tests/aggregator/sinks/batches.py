"""Batches as a forwarder hands them to a sink, made by hand."""

import time
from pathlib import Path

from aggregator.core.records import Batch, Slice
from aggregator.sink import SinkOptions, Surroundings
from towline.wire.identity import Origin, Pod

NOW_NS = 1_763_848_355_123_456_789
POD = Pod(
    namespace="shop",
    name="web-7d9f8c6b5-x2x4z",
    uid="0b5f",
    workload="web",
    cluster="main",
    region="eu-west-1",
    account="123456789012",
    labels={
        "app": "web",
        "pod-template-hash": "7d9f8c6b5",
        "tags.datadoghq.com/env": "prod",
        "tags.datadoghq.com/service": "storefront",
        "tags.datadoghq.com/version": "1.2.3",
    },
)
ORIGIN = Origin(path="/var/log/app/access.log", container="nginx", source="nginx", tags=("team:web",))


def piece(lines, *, start=0, pod=POD, origin=ORIGIN, read_unix_ns=NOW_NS, **more):
    """A slice of whole lines at `start` of one stream."""
    end = start + sum(map(len, lines)) + len(lines)
    fields = {"block_id": 1, "stream": "5" * 32, "epoch": 0, **more}
    return Slice(start=start, end=end, lines=lines, pod=pod, origin=origin, read_unix_ns=read_unix_ns, **fields)


def fresh(lines, **more):
    """A slice that was read just now."""
    return piece(lines, **{"read_unix_ns": time.time_ns(), **more})


def batch_of(*pieces, key=""):
    return Batch(tuple(pieces), key)


def surroundings(session=None, *, folder="/nowhere", event_id=False, name="out"):
    options = SinkOptions(type="any", event_id=event_id)
    return Surroundings(name=name, options=options, session=session, replica="agg-0", folder=Path(folder))
