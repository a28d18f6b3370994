"""The strict receiver judges order as Prometheus itself does, and labels as the specification asks."""

import struct
import time
import urllib.error
import urllib.request

import cramjam
import pytest

from tests.e2e.receivers import Prometheus
from tests.fakes import prompb
from tests.fakes.remote_write_receiver import RemoteWriteReceiver

STALE = struct.unpack("<d", struct.pack("<Q", 0x7FF0000000000002))[0]
HEADERS = {
    "Content-Type": "application/x-protobuf",
    "Content-Encoding": "snappy",
    "X-Prometheus-Remote-Write-Version": "0.1.0",
    "User-Agent": "test",
}


def request_of(*samples):
    """`samples`: (name, seconds, value)."""
    base = int(time.time()) - 300
    return prompb.WriteRequest(
        timeseries=[
            prompb.TimeSeries(
                labels=[prompb.Label(name="__name__", value=name)],
                samples=[prompb.Sample(value=value, timestamp=(base + at) * 1000)],
            )
            for name, at, value in samples
        ]
    )


def headers_and_body(message):
    return HEADERS, bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


async def status_of_fake(receiver, client, message):
    headers, body = headers_and_body(message)
    async with client.post(receiver.write_url, data=body, headers=headers) as answer:
        return answer.status


def status_of_real(receiver, message):
    headers, body = headers_and_body(message)
    try:
        with urllib.request.urlopen(urllib.request.Request(receiver.write_url, body, headers), timeout=10) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


ORDERS = {
    "again": [[("a", 10, 1.0)], [("a", 10, 1.0)]],
    "other value": [[("a", 10, 1.0)], [("a", 10, 2.0)]],
    "older": [[("a", 10, 1.0)], [("a", 9, 1.0)]],
    "newer": [[("a", 10, 1.0)], [("a", 11, 1.0)]],
    "another's": [[("a", 10, 1.0)], [("b", 9, 1.0)]],
    "one bad, one good": [[("a", 10, 1.0)], [("c", 12, 1.0), ("a", 9, 1.0)], [("c", 11, 1.0)]],
    "an end": [[("a", 10, 1.0)], [("a", 11, STALE)], [("a", 11, STALE)], [("a", 12, 1.0)]],
    "after an end": [[("a", 11, STALE)], [("a", 10, 1.0)]],
    "twice in one": [[("a", 10, 1.0), ("a", 11, 1.0)], [("a", 10, 1.0), ("a", 11, 1.0)]],
}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    with Prometheus(tmp_path_factory.mktemp("judge")) as receiver:
        yield receiver


@pytest.mark.e2e
@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("number", range(len(ORDERS)), ids=list(ORDERS))
async def test_it_judges_order_as_prometheus_does(prometheus, client, number):
    requests = [
        [(f"{name}_{number}", at, value) for name, at, value in samples] for samples in list(ORDERS.values())[number]
    ]
    messages = [request_of(*samples) for samples in requests]
    async with RemoteWriteReceiver() as fake:
        judged = [await status_of_fake(fake, client, message) for message in messages]
    assert judged == [status_of_real(prometheus, message) for message in messages]


@pytest.mark.parametrize(
    "names",
    [("b", "__name__"), ("__name__", "a", "a"), ("a",), ("__name__", "b", "a")],
    ids="-".join,
)
async def test_labels_that_the_specification_forbids_are_refused(client, names):
    message = request_of()
    message.timeseries.add(labels=[prompb.Label(name=name, value="x") for name in names])
    async with RemoteWriteReceiver() as fake:
        assert await status_of_fake(fake, client, message) == 400


async def test_an_empty_label_is_refused(client):
    message = request_of()
    message.timeseries.add(labels=[prompb.Label(name="__name__", value="x"), prompb.Label(name="a", value="")])
    async with RemoteWriteReceiver() as fake:
        assert await status_of_fake(fake, client, message) == 400
