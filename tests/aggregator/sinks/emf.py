"""Snapshots made into CloudWatch's log events, and what CloudWatch makes of those."""

from collections import Counter

from aggregator.core.joining import Join
from aggregator.metric_sink import Moment
from aggregator.sinks.cloudwatch.metric_config import CloudWatchMetricsConfig
from aggregator.sinks.cloudwatch.metric_making import Making, event_of
from tests.aggregator.exposing import family, opened
from tests.aggregator.sinks.batches import POD
from tests.fakes.cloudwatch_emf import read

NOW_MS = 1_800_000_000_000
SAME, UNKNOWN, BEGINS, NEW_RUN = (Moment(join) for join in (Join.SAME_RUN, Join.UNKNOWN, Join.BEGINS, Join.NEW_RUN))
SCOPE = {"scope": "pod"}
ALL = ("ClusterName", "Namespace", "PodName", "LaunchType")


class Pod:
    """One pod whose snapshots, 15 seconds apart, become log events. `metrics`: what CloudWatch made of the last one, `state` what is kept of it."""

    def __init__(self, pod=POD, **options):
        self.pod = pod
        self.choose(**options)
        self.state = None
        self.second = 0
        self.dropped = Counter()
        self.messages, self.metrics = [], []

    def choose(self, **options):
        self.making = Making(CloudWatchMetricsConfig(**options))

    def say(self, *families, moment=SAME, seconds=15, **more):
        """The metrics of the next snapshot by name, in one set of dimensions (the longest)."""
        self.second += seconds
        taken = NOW_MS * 1_000_000 + self.second * 10**9
        one = opened(*families, pod=self.pod, taken_unix_ns=taken, **more)
        made = self.making.make("group\nstream", one, self.state, moment)
        self.state, self.dropped = made.state, made.dropped
        events = [event_of(fragment.body) for fragment in made.fragments]
        self.messages = [event.message.decode() for event, _ in events]
        read_back = [read(event.message.decode(), event.time_ms) for event, _ in events]
        assert [len({datum.name for datum in data}) for data in read_back] == [points for _, points in events]
        assert [fragment.points for fragment in made.fragments] == [points for _, points in events]
        self.metrics = [datum for data in read_back for datum in data]
        longest = max((len(datum.dimensions) for datum in self.metrics), default=0)
        return {datum.name: datum.total for datum in self.metrics if len(datum.dimensions) == longest}

    def dimensions(self, name):
        return {datum.dimensions for datum in self.metrics if datum.name == name}


def measured(*, cpu, received, memory, cores=0.5, scope="pod"):
    """What a pod measures of itself, as far as Container Insights' metrics are made of it."""
    labels = {"scope": scope}
    families = [
        family("container_cpu_usage_seconds_total", (labels, cpu), kind="counter"),
        family("container_memory_working_set_bytes", (labels, memory)),
        family("container_memory_rss", (labels, memory / 2)),
        family(
            "container_network_receive_bytes_total",
            ({"scope": "pod", "interface": "eth0"}, received),
            ({"scope": "pod", "interface": "eth1"}, received),
            kind="counter",
        ),
        family("container_network_transmit_bytes_total", (SCOPE, received / 2), kind="counter"),
    ]
    if cores:
        families.append(family("towline_pod_capacity_cpu_cores", (SCOPE, cores)))
        families.append(family("towline_pod_capacity_memory_bytes", (SCOPE, 1 << 30)))
    return families


def counter(name, value, labels=(), **more):
    return family(name, (dict(labels), value), kind="counter", **more)


def gauge(name, value, labels=(), **more):
    return family(name, (dict(labels), value), **more)
