"""A file sink under test: the one of the next process, what is sent through it, and what it wrote."""

import json

from aggregator.sinks.file.config import FileConfig
from aggregator.sinks.file.sink import FileSink
from tests.aggregator.sinks.batches import batch_of, piece, surroundings


def again(tmp_path):
    """The sink of the next process."""
    return FileSink.build(FileConfig(path="out/{namespace}/{pod}.jsonl"), surroundings(folder=tmp_path))


def path_in(tmp_path):
    return tmp_path / "out/shop/web-7d9f8c6b5-x2x4z.jsonl"


def batch_for(sink, lines, start=0, **more):
    one = piece(lines, start=start, **more)
    return batch_of(one, key=sink.key(one.pod, one.origin))


async def send(sink, lines, start=0, **more):
    batch = batch_for(sink, lines, start, **more)
    return await sink.send(batch, sink.encode(batch))


def messages(path):
    return [json.loads(line)["message"] for line in path.read_bytes().splitlines()]
