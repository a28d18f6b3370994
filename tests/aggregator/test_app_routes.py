"""Routes in a real aggregator: each destination gets what its routes say, once, whatever moment it is killed at."""

import asyncio
import json
import signal

import pytest

from tests.aggregator.running import Aggregator, Shipper

pytestmark = pytest.mark.e2e

LINES = 2000
EVENTS = [
    {"n": number, "level": "error" if number % 10 == 0 else "info", "message": f"for u{number}@example.com"}
    for number in range(LINES)
]
TEXT = b"".join(json.dumps(event).encode() + b"\n" for event in EVENTS)
ROUTES = """
routes:
  - {name: bad, match: {namespace: shop}, parse: json, where: {level_at_least: error}, rules: [{mask: email}, {set: {pod: '{pod}'}}], to: [errors]}
  - {name: all, parse: json, rules: [{name: odd, drop: {field: n, matches: '[13579]$'}}, {only: [n, message]}], to: [rest, errors]}
"""


def sinks_in(folder):
    return {name: {"type": "file", "path": f"{folder}/{name}.jsonl"} for name in ("errors", "rest")}


def found_in(folder, name):
    return [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("point", ["journal.after_commit", "forwarder.after_2xx", "forwarder.before_settle"])
async def test_each_destination_gets_what_its_routes_say_once(tmp_path, point):
    aggregator, shipper = Aggregator(tmp_path, sinks_in(tmp_path), ROUTES), Shipper(TEXT)
    for passes in (1, 3):
        await aggregator.start(kill_at=f"{point}:{passes}")
        await shipper.ship(aggregator, lambda: shipper.is_done)
        assert await asyncio.to_thread(aggregator.process.wait, 10) == -signal.SIGKILL
    await aggregator.start()
    await shipper.ship(aggregator, lambda: shipper.is_done)
    assert await aggregator.end() == 0
    even = [event for event in EVENTS if event["n"] % 2 == 0]
    assert [one["fields"]["n"] for one in found_in(tmp_path, "rest")] == [event["n"] for event in even]
    assert {tuple(one["fields"]) for one in found_in(tmp_path, "rest")} == {("n",)}
    errors = found_in(tmp_path, "errors")
    assert [one["fields"]["n"] for one in errors] == [event["n"] for event in even]
    bad = [one for one in errors if one.get("level") == "error"]
    assert [one["fields"]["n"] for one in bad] == list(range(0, LINES, 10))
    assert {(one["message"], one["fields"]["pod"]) for one in bad} == {("for [EMAIL]", "web-1")}
