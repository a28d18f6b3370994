"""A log_metrics sink under test: made of rules as a configuration says them, and what it shows."""

from aggregator.sinks.log_metrics.config import LogMetricsConfig
from aggregator.sinks.log_metrics.sink import LogMetricsSink
from tests.aggregator.sinks.batches import ORIGIN, POD, batch_of, piece
from towline.plumbing.config_file import convert
from towline.plumbing.place import Place

REQUESTS = {
    "name": "nginx_requests_total",
    "type": "counter",
    "match": r'" (?P<code>\d{3}) ',
    "labels": {"code": "code"},
}
LATENCY = {
    "name": "shop_seconds",
    "type": "histogram",
    "json": True,
    "value": "ms",
    "scale": 0.001,
    "buckets": [0.1, 1],
}
QUEUE = {"name": "shop_queue_length", "type": "gauge", "match": r"queue=(?P<length>\S+)", "value": "length"}
IDENTITY = f'namespace="{POD.namespace}",pod="{POD.name}"'


def config_of(*rules, **more):
    return convert({"rules": list(rules), **more}, LogMetricsConfig, Place("aggregator.yaml", "sinks.counts"))


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def sink_of(*rules, clock=None, **more):
    return LogMetricsSink("counts", config_of(*rules, **more), clock or Clock())


def lines_batch(*lines, pod=POD, origin=ORIGIN, **more):
    return batch_of(piece(list(lines), pod=pod, origin=origin, **more))


async def send(sink, *lines, **more):
    """Deliver lines and settle them; what the journal is to remember."""
    batch = lines_batch(*lines, **more)
    receipt = await sink.send(batch, sink.encode(batch))
    sink.settled()
    assert not receipt.refusals
    return receipt.memo


def shown(sink):
    """Every series that is shown: `name{labels}` to its value, as text."""
    return {f"{row.name}{{{row.labels}}}": row.value for family in sink.families() for row in family.rows}


def shown_of_pod(sink):
    """The same without the identity of the one pod."""
    return {name.replace(IDENTITY, "").replace("{,", "{"): value for name, value in shown(sink).items()}
