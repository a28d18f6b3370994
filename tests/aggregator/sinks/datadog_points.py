"""Snapshots made by hand, and what the Datadog sink makes of them: fragments packed as for the wire, judged by the strict intake's checks."""

import json
import zlib
from itertools import groupby

from aggregator.core.joining import Join
from aggregator.core.opening import OpenLimits, open_snapshot
from aggregator.metric_sink import Moment
from aggregator.sinks.datadog.metric_options import DatadogMetricsConfig
from aggregator.sinks.datadog.points import PointsMaker
from aggregator.sinks.datadog.series_payload import MetricsPacker, limits_of
from aggregator.sinks.datadog.tags import tags_of
from tests.aggregator.sinks.batches import POD
from tests.fakes.datadog_oracles import check_metrics_with_client_models
from tests.fakes.datadog_points import Points
from tests.fakes.datadog_routes import ROUTES
from towline.wire.identity import Origin
from towline.wire.snapshot import Family, Sample, Scrape, SnapshotRequest

SECOND = 1_763_848_355
KINDS = {route.kind: route for route in ROUTES.values()}


def request(*, second=SECOND, run="r1", sequence=1, **said):
    return SnapshotRequest(
        journal="j",
        pod=b"\xc0",
        run=run,
        sequence=sequence,
        taken_unix_ns=second * 10**9 + 123,
        interval_seconds=15.0,
        **said,
    )


def scraped(text, **more):
    raw = text.encode()
    labels = {"job": "app", "instance": "127.0.0.1:8080"}
    scrape = Scrape(
        labels=labels,
        scraped_unix_ns=0,
        duration_seconds=0.25,
        up=True,
        content_type="text/plain; version=0.0.4",
        codec="none",
        length=len(raw),
        body=raw,
    )
    return request(scrapes=(scrape,), **more)


def measured(name, kind, *samples):
    return Family(name=name, type=kind, help="", samples=tuple(Sample(labels, value) for labels, value in samples))


def said(name, kind, *samples, **more):
    return Family(
        name=name,
        type=kind,
        help="",
        source="dogstatsd",
        from_zero=True,
        samples=tuple(Sample(labels, value) for labels, value in samples),
        **more,
    )


class Telling:
    """A pod whose snapshots are made into points, one after the other. `taken`: entries by kind, as an intake has them.

    `judged`: as the client's models judge them too, which takes long where there are very many values.
    """

    def __init__(self, pod=POD, *, judged=True, **options):
        self.judged = judged
        self.maker = PointsMaker(DatadogMetricsConfig(**options))
        self.pod, self.state, self.join = pod, None, Join.BEGINS
        self.taken = {kind: [] for kind in KINDS}
        self.dropped = None

    def tell(self, snapshot, join=None, *, too_old=False):
        """Take a snapshot in. Its fragments."""
        opened = open_snapshot(self.pod, snapshot, OpenLimits())
        made = self.maker.make(opened, self.state, Moment(self.join if join is None else join, too_old=too_old))
        self.state, self.join, self.dropped = made.state, Join.SAME_RUN, dict(made.dropped)
        for kind, fragments in groupby(made.fragments, lambda fragment: fragment.route):
            self._take(kind, snapshot, [fragment.body for fragment in fragments])
        return made.fragments

    def _take(self, kind, snapshot, bodies):
        """Judge them as the intake does, and as the official client's models do."""
        now_ms = snapshot.taken_unix_ns // 10**6
        for some in requests_of(kind, bodies):
            packed = MetricsPacker().pack(kind, some, "identity")
            accepted = KINDS[kind].check(packed.body, len(packed.body), now_ms)
            assert all(not one.flags for one in accepted)
            entries = [one.entry for one in accepted]
            if self.judged:
                check_metrics_with_client_models(kind, entries)
            self.taken[kind] += entries

    @property
    def points(self):
        return Points.of(self.taken["series"], self.taken["distributions"])

    def series(self, metric):
        """Of each point of a metric: type, value, and tags that are not the pod's own."""
        own = set(pod_tags(self.pod))
        return [
            (one["type"], one["points"][0]["value"], sorted(set(one["tags"]) - own))
            for one in self.taken["series"]
            if one["metric"] == metric
        ]


def requests_of(kind, bodies):
    """As the forwarder fills requests: within the sink's limits."""
    limits = limits_of(kind)
    filled, size = [], 0
    for body in bodies:
        if filled and (size + len(body) + 1 > limits.max_bytes or len(filled) >= limits.max_points):
            yield filled
            filled, size = [], 0
        filled.append(body)
        size += len(body) + 1
    yield filled


def pod_tags(pod=POD):
    return tags_of(pod, Origin(path=""))


def inflated(packed):
    return json.loads(zlib.decompress(packed.body))
