import asyncio
import json
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from aggregator.sink import Receipt, Refusal
from aggregator.sinks.prometheus import PrometheusConfig, PrometheusSink
from tests.aggregator.forwarding import Stock, Waits, forwarding, frame_of, pod_of
from tests.aggregator.serving import raw, serving
from tests.fakes.memory_sink import MemorySink
from towline.plumbing.errors import UnauthorizedError
from towline.wire.codec import encode_request
from towline.wire.snapshot import Family, Sample, SnapshotRequest

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/design/status.schema.json").read_text())


async def drained(place):
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(10):
        await place.forwarder.run(stop)


async def values_of(place):
    page = (await place.caller.call("GET", "/metrics")).body.decode()
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def check(schema, value, root=SCHEMA):
    """Just enough of JSON Schema for ours: type, properties, required, additionalProperties, items, enum, $ref."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    types = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "null": type(None),
    }
    allowed = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    assert any(isinstance(value, types[name]) for name in allowed), (schema, value)
    assert "enum" not in schema or value in schema["enum"], (schema, value)
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value), (schema, value)
        for key, inner in value.items():
            rule = schema.get("properties", {}).get(key, schema.get("additionalProperties"))
            assert rule, f"{key} is not in the schema"
            check(rule, inner, root)
    for inner in value if isinstance(value, list) else ():
        check(schema["items"], inner, root)


async def status_of(place):
    reply = await place.caller.call("GET", "/status")
    page = json.loads(reply.body)
    check(SCHEMA, page)
    return page


async def test_status_tells_what_is_owed_and_what_was_delivered(tmp_path):
    async with serving(tmp_path) as place:
        await place.caller.post(frame_of(b"one\ntwo\n"))
        before = await status_of(place)
        await drained(place)
        after = await status_of(place)
    sink, stream = before["sinks"]["out"], before["pods"]["shop/web-1"]["streams"][0]
    assert (sink["type"], sink["owed_blocks"], stream["mark"], stream["lag_bytes"]) == ("memory", 1, 8, 8)
    sink, stream = after["sinks"]["out"], after["pods"]["shop/web-1"]["streams"][0]
    assert (sink["owed_blocks"], sink["delivered_lines_total"], stream["lag_bytes"]) == (0, 2, 0)
    assert [(lane["lane"], lane["state"]) for lane in sink["lanes"]] == [("all", "idle")]


async def test_status_shows_a_held_lane_and_why(tmp_path):
    sink = MemorySink(UnauthorizedError("403: key unknown"))
    sink.healthchecks = [UnauthorizedError("403: key unknown")] * 9
    stock, waits = Stock({"out": sink}), Waits(limit=2)
    await stock.add(b"one\n")
    async with forwarding(stock, waits) as forwarder:
        await waits.exhausted.wait()
        lane = forwarder.states["out"].lanes["all"]
        assert (lane.state, lane.last_error) == ("held", "unauthorized: 403: key unknown")


async def test_status_never_shows_a_line(tmp_path):
    sink = MemorySink(Receipt([Refusal(0, "too_old")]))
    async with serving(tmp_path, {"out": sink}) as place:
        await place.caller.post(frame_of(b"secret words\n"))
        await drained(place)
        status = (await place.caller.call("GET", "/status")).body
        metrics = (await place.caller.call("GET", "/metrics")).body
    assert b"secret words" not in status + metrics


async def test_gaps_are_told_by_reason(tmp_path):
    gap = msgspec.structs.replace(frame_of(b""), body=b"", checksum=0, reason="given_up", end=100)
    async with serving(tmp_path) as place:
        await place.caller.post(gap)
        page = await status_of(place)
    assert page["gaps"] == {"given_up": {"ranges": 1, "bytes": 100}}


async def test_metrics_count_frames_lines_and_refusals(tmp_path):
    sink = MemorySink(Receipt([Refusal(1, "too_old")]))
    async with serving(tmp_path, {"out": sink}) as place:
        await place.caller.post(frame_of(b"one\ntwo\nthree\n"))
        await place.caller.post(frame_of(b"late\n", start=99))
        await drained(place)
        values = await values_of(place)
    assert values["aggregator_frames_total", "200"] == 1
    assert values["aggregator_frames_total", "409"] == 1
    assert values["aggregator_requests_total", "200", "blocks"] == 2
    assert values["aggregator_delivered_records_total", "out"] == 2
    assert values["aggregator_refused_records_total", "out", "too_old"] == 1
    assert values["aggregator_dead_letter_records_total", "out"] == 1
    assert values["aggregator_journal_appended_blocks_total",] == 1
    assert values["aggregator_owed_blocks", "out"] == 0


@pytest.mark.needs("promtool")
async def test_our_own_metrics_pass_the_linter(tmp_path):
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed")
    sink = MemorySink(Receipt([Refusal(1, "too_old")]))
    async with serving(tmp_path, {"out": sink}) as place:
        await place.caller.post(frame_of(b"one\ntwo\nthree\n"))
        await drained(place)
        page = (await place.caller.call("GET", "/metrics")).body
    checked = subprocess.run([tool, "check", "metrics"], input=page, capture_output=True, check=False)  # noqa: ASYNC221 - a second at most
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


async def test_our_own_metrics_keep_the_prefix_that_no_pod_may_use(tmp_path):
    async with serving(tmp_path) as place:
        values = await values_of(place)
    assert all(name.startswith("aggregator_") for name, *_ in values)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/status", "/metrics"])
async def test_pages_ask_for_no_token_and_no_wire_version(tmp_path, path):
    async with serving(tmp_path) as place:
        assert (await place.caller.call("GET", path, {})).status == 200


@pytest.mark.parametrize("headers", [{}, {"Accept-Encoding": "gzip"}, {"Accept": "application/openmetrics-text"}])
async def test_the_page_shows_pods_after_our_own(tmp_path, headers):
    page = PrometheusSink(PrometheusConfig())
    family = Family(name="container_threads", type="gauge", help="Threads.", samples=(Sample({"scope": "pod"}, 7.0),))
    async with serving(tmp_path, page=page) as place:
        said = SnapshotRequest(
            journal=place.journal.journal_id,
            pod=raw(pod_of()),
            run="r",
            sequence=1,
            taken_unix_ns=1,
            interval_seconds=15.0,
            families=(family,),
        )
        await place.caller.call("POST", "/v1/snapshots", data=encode_request(said))
        reply = await place.caller.call("GET", "/metrics", headers)
    text = reply.body.decode()
    assert 'container_threads{namespace="shop",pod="web-1",scope="pod"} 7' in text
    assert 0 <= text.index("aggregator_journal_used_bytes") < text.index("container_threads")
    assert text.count("# EOF") == ("Accept" in headers)


async def test_what_nobody_offers_is_not_found(tmp_path):
    async with serving(tmp_path) as place:
        assert (await place.caller.call("GET", "/v1/nothing")).status == 404
