"""The messages of remote write 1.0 by the official protobuf library: what our own bytes are held against.

Source: the remote write 1.0 specification, "Protocol", and Prometheus' prompb/types.proto (exemplars and histograms left out).
"""

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.unknown_fields import UnknownFieldSet

_F = descriptor_pb2.FieldDescriptorProto
_PACKAGE = "prometheus"
_MESSAGES: dict[str, tuple[tuple[str, int, int, str], ...]] = {  # name, number, type, message ("*": repeated)
    "Label": (("name", 1, _F.TYPE_STRING, ""), ("value", 2, _F.TYPE_STRING, "")),
    "Sample": (("value", 1, _F.TYPE_DOUBLE, ""), ("timestamp", 2, _F.TYPE_INT64, "")),
    "TimeSeries": (("labels", 1, _F.TYPE_MESSAGE, "*Label"), ("samples", 2, _F.TYPE_MESSAGE, "*Sample")),
    "MetricMetadata": (
        ("type", 1, _F.TYPE_INT32, ""),  # an enum: the same bytes
        ("metric_family_name", 2, _F.TYPE_STRING, ""),
        ("help", 4, _F.TYPE_STRING, ""),
        ("unit", 5, _F.TYPE_STRING, ""),
    ),
    "WriteRequest": (
        ("timeseries", 1, _F.TYPE_MESSAGE, "*TimeSeries"),
        ("metadata", 3, _F.TYPE_MESSAGE, "*MetricMetadata"),
    ),
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="remote.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in fields:
            label = _F.LABEL_REPEATED if of.startswith("*") else _F.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, type=kind, label=label)
            if of:
                added.type_name = f".{_PACKAGE}.{of.lstrip('*')}"
    return file


def _classes() -> dict[str, Any]:
    pool = descriptor_pool.DescriptorPool()
    pool.Add(_file())
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}")) for name in _MESSAGES
    }


_BUILT = _classes()
Label: Any = _BUILT["Label"]
Sample: Any = _BUILT["Sample"]
TimeSeries: Any = _BUILT["TimeSeries"]
MetricMetadata: Any = _BUILT["MetricMetadata"]
WriteRequest: Any = _BUILT["WriteRequest"]


def parse(message: bytes) -> Any:
    """A WriteRequest; raises google.protobuf.message.DecodeError. Fields that it does not know are refused, too."""
    request = WriteRequest.FromString(message)
    parts = [request, *request.timeseries, *request.metadata]
    parts += [one for series in request.timeseries for one in (*series.labels, *series.samples)]
    if any(len(UnknownFieldSet(part)) for part in parts):
        raise ValueError("the message holds fields that nobody knows")
    return request
