"""A remote write sink under test, and what it is told: snapshots made by hand."""

from aggregator.core.joining import Join
from aggregator.core.series import Opened, Row, SeriesFamily
from aggregator.metric_sink import Moment
from aggregator.sinks.remote_write.config import RemoteWriteConfig
from aggregator.sinks.remote_write.making import Making
from aggregator.sinks.remote_write.sink import RemoteWriteSink
from tests.aggregator.sinks.batches import surroundings
from tests.fakes import prompb
from towline.wire.identity import Pod

START_MS = 1_790_000_000_000
WEB = Pod(namespace="shop", name="web-0", uid="u0")
NOW = Moment(Join.SAME_RUN)


def sink_to(receiver, session, **options):
    config = RemoteWriteConfig(**{"url": receiver.write_url, "metadata_seconds": 0, **options})
    return RemoteWriteSink.build(config, surroundings(session)).metrics


def making(**labels):
    return Making({"job": "towline", **labels}, 3600.0)


def family(name, *rows, kind="gauge", **more):
    """`rows`: (labels, value) of the family's own name, or whole rows."""
    whole = tuple(row if isinstance(row, Row) else Row(name, *row) for row in rows)
    return SeriesFamily(name=name, kind=kind, rows=whole, **more)


def snapshot(at_seconds, *families, pod=WEB, **more):
    """What `pod` said `at_seconds` after START_MS."""
    taken = (START_MS + round(at_seconds * 1000)) * 1_000_000
    return Opened(
        pod=pod, run="r", sequence=1, taken_unix_ns=taken, interval_seconds=15, families=tuple(families), **more
    )


def gauges(at_seconds, pod=WEB, **values):
    """A snapshot of gauges without labels of their own."""
    return snapshot(at_seconds, *[family(name, ("", str(value))) for name, value in values.items()], pod=pod)


def read(made):
    """What a receiver is told: labels, unix ms and value of each sample."""
    request = prompb.parse(b"".join(fragment.body for fragment in made.fragments))
    return [
        ({label.name: label.value for label in one.labels}, sample.timestamp, sample.value)
        for one in request.timeseries
        for sample in one.samples
    ]


async def send(sink, made):
    """All of it in one request."""
    [route] = {fragment.route for fragment in made.fragments}
    return await sink.send(route, sink.pack(route, [fragment.body for fragment in made.fragments]))
