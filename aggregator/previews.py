"""What each type of sink would send of an event, without a sink: no secret, no region, no connection is needed.

Room: aggregator, beside the registry. Never enters: sending.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from aggregator.config import SinkConfig
from aggregator.core.log_metrics import LogRules
from aggregator.core.records import Batch, Slice
from aggregator.sinks.cloudwatch.names import Names
from aggregator.sinks.cloudwatch.payload import make_payload
from aggregator.sinks.datadog.payload import PayloadMaker
from aggregator.sinks.file.config import PathMaker
from aggregator.sinks.file.payload import LineMaker


class Preview(msgspec.Struct, frozen=True):
    """where: in the destination's own words. records: what it would get; several where one event is more than one can hold."""

    where: str
    records: Sequence[Any]


def preview(sink: SinkConfig, piece: Slice, replica: str, folder: Path) -> Preview | None:
    """What a sink would make of a slice's events; None of a type that is not known here."""
    made = _PREVIEWS.get(sink.options.type)
    return made(sink, piece, replica, folder) if made is not None else None


def _datadog(sink: SinkConfig, piece: Slice, replica: str, folder: Path) -> Preview:  # noqa: ARG001 - one form for all types
    body = PayloadMaker(sink.options.event_id).make(Batch((piece,)), "identity").body
    return Preview("an entry of the logs intake", json.loads(body))


def _cloudwatch(sink: SinkConfig, piece: Slice, replica: str, folder: Path) -> Preview:  # noqa: ARG001 - as above
    names = Names(sink.config.log_group, sink.config.log_stream, replica)
    group, stream = names.group(piece.pod, piece.origin), names.stream(piece.pod, piece.origin)
    payload = make_payload(Batch((piece,)), group, stream, event_ids=sink.options.event_id)
    events = [event for request in payload.requests for event in json.loads(request.body.content)["logEvents"]]
    return Preview(f"log group {group}, log stream {stream}", events)


def _file(sink: SinkConfig, piece: Slice, replica: str, folder: Path) -> Preview:
    path = PathMaker(sink.config.path, folder, replica)(piece.pod, piece.origin)
    lines = LineMaker(event_ids=sink.options.event_id).make(Batch((piece,)))
    return Preview(path, [json.loads(line) for line in lines.splitlines()])


def _log_metrics(sink: SinkConfig, piece: Slice, replica: str, folder: Path) -> Preview:  # noqa: ARG001 - as above
    found = LogRules([rule.rule() for rule in sink.config.rules]).increments([piece])
    counted = [
        {"series": f"{key.rule}{{{key.labels}}}" if key.labels else key.rule, "adds": increment.total}
        for key, increment in found.series.items()
    ]
    refused = [{"not counted": reason, "lines": lines} for reason, lines in found.refused.items()]
    return Preview("counted", [*counted, *refused])


_PREVIEWS: Mapping[str, Callable[[SinkConfig, Slice, str, Path], Preview]] = {
    "datadog": _datadog,
    "cloudwatch": _cloudwatch,
    "file": _file,
    "log_metrics": _log_metrics,
}
