"""Rule 14: the drain, with real files and servers, and the clock that really ticks."""

import asyncio
import time

import pytest

from collector import drain as draining
from tests.fakes.aggregator import HANG, Believed, Said, listening
from tests.fakes.pod import Collecting, collecting
from towline.wire.block import BlocksAnswer

LINES = b"".join(b"line %04d\n" % number for number in range(100))


pytestmark = pytest.mark.usefixtures("quiet_soon")


async def drain(pod, grace_seconds=20.0, delivered_seconds=0.0):
    return await draining.drain(pod.shipper, grace_seconds, delivered_seconds)


async def ship(pod, rounds=4):
    await pod.shipper.meet_once()
    for _ in range(rounds):
        await pod.shipper.round(draining=True)


async def test_rule_14_the_final_scan_finds_what_nobody_announced(ticking_pod, aggregator):
    await ship(ticking_pod)
    ticking_pod.write("late.log", LINES)
    assert (await drain(ticking_pod)).unstored_bytes == {}
    assert aggregator.text() == LINES


async def test_rule_14_a_collector_that_never_met_a_journal_meets_it_in_its_drain(ticking_pod, aggregator):
    ticking_pod.write("x.log", LINES)
    await drain(ticking_pod)
    assert aggregator.text() == LINES


async def test_rule_14_a_partial_line_ships_at_once(ticking_pod, aggregator):
    ticking_pod.write("x.log", b"one\nhalf a li")
    await drain(ticking_pod)
    assert aggregator.text() == b"one\nhalf a li"


async def test_rule_14_back_off_is_cut_short(ticking_pod, aggregator):
    await ship(ticking_pod)
    ticking_pod.write("x.log", LINES)
    ticking_pod.shipper.pace.failed(ticking_pod.clock(), 3600.0)
    began = time.monotonic()
    await drain(ticking_pod)
    assert (aggregator.text(), time.monotonic() - began < 10) == (LINES, True)


async def test_rule_14_what_an_answer_told_us_to_wait_is_waited(ticking_pod, aggregator):
    await ship(ticking_pod)
    aggregator.refuse = Said(503, headers={"Retry-After": "1"})
    ticking_pod.write("x.log", LINES)
    with (ticking_pod.logs / "noise.txt").open("wb", buffering=0) as noise:
        async with asyncio.TaskGroup() as group:
            leaving = group.create_task(drain(ticking_pod, grace_seconds=2.5))
            while not leaving.done():
                noise.write(b".")  # an app that writes without pause does not make us ask without pause
                await asyncio.wait([leaving], timeout=0.01)
    refused = [path for path in aggregator.paths if path == "/v1/blocks"]
    assert len(refused) < 15


async def test_rule_14_delivered_is_waited_for_but_not_longer_than_said(ticking_pod, aggregator):
    ticking_pod.write("x.log", LINES)
    began = time.monotonic()
    left = await drain(ticking_pod, delivered_seconds=0.5)
    assert (left.unstored_bytes, left.undelivered_bytes) == ({}, len(LINES))
    assert 0.5 <= time.monotonic() - began < 10


async def test_rule_14_a_drain_ends_when_everything_is_delivered(ticking_pod, aggregator):
    ticking_pod.write("x.log", LINES)
    await ship(ticking_pod)
    aggregator.journal.deliver_all()
    began = time.monotonic()
    left = await drain(ticking_pod, delivered_seconds=15.0)
    assert (left.undelivered_bytes, time.monotonic() - began < 10) == (0, True)


async def test_rule_14_what_is_written_while_delivery_is_waited_for_is_stored_too(ticking_pod, aggregator):
    ticking_pod.write("x.log", LINES)
    delivered = draining._until_delivered

    async def and_write(shipper, deadline):
        ticking_pod.write("x.log", b"the last word\n")
        await delivered(shipper, deadline)

    draining._until_delivered = and_write
    try:
        left = await drain(ticking_pod, delivered_seconds=0.5)
    finally:
        draining._until_delivered = delivered
    assert (left.unstored_bytes, aggregator.text()) == ({}, LINES + b"the last word\n")


async def test_rule_14_the_last_request_says_goodbye(ticking_pod, aggregator):
    ticking_pod.write("x.log", LINES)
    await drain(ticking_pod)
    assert [request.goodbye for request in aggregator.blocks()][-1]
    assert not any(request.goodbye for request in aggregator.blocks()[:-1])


async def test_rule_14_bytes_that_are_not_stored_are_said_per_file(ticking_pod, aggregator):
    await ship(ticking_pod)
    aggregator.refuse = Said(503)
    ticking_pod.write("a.log", LINES)
    ticking_pod.write("b.log", b"one\n")
    left = await drain(ticking_pod, grace_seconds=1.6)
    assert left.unstored_bytes == {f"{ticking_pod.logs}/a.log": len(LINES), f"{ticking_pod.logs}/b.log": 4}


@pytest.mark.parametrize("how", [HANG, Said(cut=True)])
async def test_rule_14_a_silent_peer_is_given_up_at_once(tmp_path, monkeypatch, how):
    monkeypatch.setattr("collector.shipper.HURRY_SECONDS", 0.2)
    first, second = Believed("J1"), Believed("J2")
    async with listening(first, second) as port, collecting(tmp_path, port, clock=time.monotonic) as pod:
        await ship(pod)
        pod.shipper.pace.scan_seconds = 0.05
        first.script = [how]
        pod.set_addresses("127.0.0.1", "127.0.0.2")
        pod.link.peers.resolved(["127.0.0.1", "127.0.0.2"])
        pod.write("x.log", LINES)
        left = await drain(pod, grace_seconds=15.0)
        assert (left.unstored_bytes, second.text()) == ({}, LINES)


async def test_rule_14_a_leaving_peer_is_given_up_at_once(tmp_path):
    first, second = Believed("J1"), Believed("J2")
    async with listening(first, second) as port, collecting(tmp_path, port, clock=time.monotonic) as pod:
        await ship(pod)
        pod.peers.resolved(["127.0.0.1", "127.0.0.2"])
        first.leaving = True
        await pod.shipper.round(draining=True)
        first.refuse = Said(503, BlocksAnswer(journal="J1", leaving=True))
        pod.write("x.log", LINES)
        await pod.shipper.exchange(pod.custody.request(1 << 20))
        left = await drain(pod, grace_seconds=15.0)
        assert (left.unstored_bytes, second.text()) == ({}, LINES)


async def test_rule_14_a_drain_never_takes_longer_than_its_grace(ticking_pod, aggregator):
    await ship(ticking_pod)
    ticking_pod.write("x.log", LINES)
    aggregator.script = [HANG]
    began = time.monotonic()
    left = await drain(ticking_pod, grace_seconds=1.5)
    assert time.monotonic() - began < 3.0
    assert list(left.unstored_bytes.values()) == [len(LINES)]


@pytest.mark.parametrize(("exit_code_on_loss", "code"), [(True, 3), (False, 0)])
async def test_rule_14_exit_3_for_bytes_not_stored_only_where_it_was_asked_for(tmp_path, exit_code_on_loss, code):
    options = {"drain": {"grace_seconds": 0.1, "delivered_seconds": 0}, "exit_code_on_loss": exit_code_on_loss}
    async with listening(Believed()) as port:
        one = Collecting(tmp_path, port, addresses=("127.0.0.9",), clock=time.monotonic, **options)
        one.write("x.log", LINES)
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(one.app.run(stop))
            while not one.open_files():
                await asyncio.wait([running], timeout=0.01)
            stop.set()
        assert running.result() == code


async def test_rule_14_stored_and_undelivered_exits_0(tmp_path):
    aggregator = Believed()
    options = {"drain": {"grace_seconds": 10, "delivered_seconds": 0.1}, "exit_code_on_loss": True}
    async with listening(aggregator) as port:
        one = Collecting(tmp_path, port, clock=time.monotonic, **options)
        one.write("x.log", LINES)
        stop = asyncio.Event()
        stop.set()
        assert await one.app.run(stop) == 0
    assert aggregator.text() == LINES


async def test_rule_14_start_and_readiness_never_depend_on_the_aggregator(tmp_path):
    async with listening(None) as port, collecting(tmp_path, port or 9, clock=time.monotonic) as pod:
        await pod.shipper.meet_once()
        assert (pod.app._readyz().status, pod.app._healthz().status) == (200, 200)
        assert b"waiting for no_answer" in pod.app._readyz().body


async def test_rule_14_liveness_is_the_loops_own_progress(ticking_pod):
    ticking_pod.progress.turned_at = ticking_pod.clock() - 41.0
    assert ticking_pod.app._healthz().status == 503
    await ticking_pod.shipper.meet_once()
    assert ticking_pod.app._healthz().status == 200
