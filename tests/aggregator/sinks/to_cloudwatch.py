"""A CloudWatch sink under test, and what is sent through it."""

from aggregator.sinks.cloudwatch.config import CloudWatchConfig
from aggregator.sinks.cloudwatch.sink import CloudWatchSink
from tests.aggregator.sinks.batches import batch_of, surroundings


def sink_to(front, session, **options):
    config = CloudWatchConfig(**{"region": "eu-central-1", "endpoint_url": front.url, **options})
    return CloudWatchSink.build(config, surroundings(session))


def batch_for(sink, *pieces):
    first = pieces[0]
    return batch_of(*pieces, key=sink.key(first.pod, first.origin))


async def send(sink, *pieces):
    batch = batch_for(sink, *pieces)
    return await sink.send(batch, sink.encode(batch))


def operations(front):
    return [one.operation for one in front.requests]
