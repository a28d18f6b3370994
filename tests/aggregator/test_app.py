import asyncio
import json
import random
import signal

import aiohttp
import pytest

from tests.aggregator.running import Aggregator, Shipper

pytestmark = pytest.mark.e2e

LINES = 3000
TEXT = b"".join(b"line %05d %s\n" % (number, b"x" * (number % 50)) for number in range(LINES))


def file_sink(folder):
    return {"out": {"type": "file", "path": f"{folder}/out.jsonl"}}


def delivered_lines(folder):
    file = folder / "out.jsonl"
    return [json.loads(line)["message"].encode() for line in file.read_bytes().splitlines()] if file.exists() else []


async def finish(aggregator, shipper):
    await aggregator.start()
    await shipper.ship(aggregator, lambda: shipper.is_done)
    assert await aggregator.end() == 0


async def test_every_line_arrives_once_and_in_order(tmp_path):
    aggregator, shipper = Aggregator(tmp_path, file_sink(tmp_path)), Shipper(TEXT)
    await finish(aggregator, shipper)
    assert delivered_lines(tmp_path) == TEXT.splitlines()


@pytest.mark.parametrize(
    "point",
    [
        "intake.before_reply",
        "journal.before_commit",
        "journal.after_commit",
        "forwarder.after_2xx",
        "forwarder.before_settle",
    ],
)
async def test_every_line_arrives_once_whatever_moment_it_is_killed_at(tmp_path, point):
    aggregator, shipper = Aggregator(tmp_path, file_sink(tmp_path)), Shipper(TEXT)
    for passes in (1, 2, 4):
        await aggregator.start(kill_at=f"{point}:{passes}")
        await shipper.ship(aggregator, lambda: shipper.is_done)
        assert await asyncio.to_thread(aggregator.process.wait, 10) == -signal.SIGKILL  # by its own hand
    await finish(aggregator, shipper)
    assert delivered_lines(tmp_path) == TEXT.splitlines()


async def test_every_line_arrives_once_however_often_it_is_killed(tmp_path):
    aggregator, shipper, chance = Aggregator(tmp_path, file_sink(tmp_path)), Shipper(TEXT), random.Random(5)
    for _ in range(6):
        await aggregator.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(shipper.ship(aggregator, lambda: shipper.is_done))
            await asyncio.sleep(chance.random() * 0.2)
            await aggregator.end(signal.SIGKILL)
    await finish(aggregator, shipper)
    assert delivered_lines(tmp_path) == TEXT.splitlines()


async def test_a_drain_delivers_what_is_stored_and_says_that_it_leaves(tmp_path):
    aggregator, shipper = Aggregator(tmp_path, file_sink(tmp_path)), Shipper(TEXT)
    await aggregator.start()
    await shipper.ship(aggregator, lambda: shipper.mark > 50_000)
    assert await aggregator.end() == 0
    assert len(b"\n".join(delivered_lines(tmp_path))) + 1 == shipper.mark
    assert any("service_draining" in line for line in aggregator.log)


async def test_a_start_says_what_is_hardly_meant_of_its_configuration(tmp_path):
    aggregator = Aggregator(
        tmp_path, {"counts": {"type": "log_metrics", "rules": [{"name": "lines_total", "type": "counter"}]}}
    )
    await aggregator.start()
    assert await aggregator.end() == 0
    [said] = [json.loads(line)["reason"] for line in aggregator.log if "configuration_doubted" in line]
    assert said.startswith(f"{tmp_path}/aggregator.yaml: sinks.counts: counts lines, and no sink shows or takes ")


async def test_what_a_drain_cannot_deliver_is_delivered_after_the_next_start(tmp_path):
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    aggregator, shipper = Aggregator(tmp_path, file_sink(blocked), "drain: {grace_seconds: 0.5}"), Shipper(TEXT)
    (blocked / "out.jsonl").mkdir()  # a folder where the file is to be: every send fails
    await aggregator.start()
    await shipper.ship(aggregator, lambda: shipper.mark == len(TEXT))
    assert await aggregator.end() == 0
    assert any("sink_left_owing" in line for line in aggregator.log)
    (blocked / "out.jsonl").rmdir()
    await finish(aggregator, shipper)
    assert delivered_lines(blocked) == TEXT.splitlines()


async def test_a_sink_that_is_configured_no_more_releases_what_it_was_owed(tmp_path):
    (tmp_path / "gone.jsonl").mkdir()
    both = {**file_sink(tmp_path), "gone": {"type": "file", "path": f"{tmp_path}/gone.jsonl"}}
    aggregator, shipper = Aggregator(tmp_path, both, "drain: {grace_seconds: 0.5}"), Shipper(TEXT)
    await aggregator.start()
    await shipper.ship(aggregator, lambda: shipper.mark == len(TEXT))
    assert (await aggregator.end(), shipper.is_done) == (0, False)
    again = Aggregator(tmp_path, file_sink(tmp_path))
    await finish(again, shipper)
    assert any("sink_released" in line for line in again.log)
    assert delivered_lines(tmp_path) == TEXT.splitlines()


async def test_a_port_that_is_taken_is_a_configuration_error(tmp_path):
    first = Aggregator(tmp_path, file_sink(tmp_path))
    await first.start()
    (tmp_path / "second").mkdir()
    second = Aggregator(tmp_path / "second", file_sink(tmp_path))
    second._port = first._port
    await second.start()
    assert await second.end() == 2
    assert "http.listen" in "".join(second.log)
    assert await first.end() == 0


async def test_a_journal_that_another_process_holds_is_a_configuration_error(tmp_path):
    first, second = Aggregator(tmp_path, file_sink(tmp_path)), Aggregator(tmp_path, file_sink(tmp_path))
    second._log_file = tmp_path / "second.log"
    await first.start()
    await second.start()
    assert await second.end() == 2
    assert "another process" in "".join(second.log)
    assert await first.end() == 0


async def test_a_destination_that_is_down_stops_no_start(tmp_path):
    sinks = {"out": {"type": "datadog", "logs_url": "http://127.0.0.1:9/", "api_url": "http://127.0.0.1:9/"}}
    (tmp_path / "key").write_text("k" * 32)
    sinks["out"]["api_key_file"] = f"{tmp_path}/key"
    aggregator, shipper = Aggregator(tmp_path, sinks, "drain: {grace_seconds: 0.2}"), Shipper(TEXT)
    await aggregator.start()
    await shipper.ship(aggregator, lambda: shipper.mark == len(TEXT))
    async with aiohttp.ClientSession() as session, session.get(aggregator.url + "/readyz") as response:
        assert response.status == 200
    assert await aggregator.end() == 0
    assert "kkkk" not in "".join(aggregator.log)
