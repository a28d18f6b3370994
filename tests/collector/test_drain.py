"""What a drain says and when it ends, beside what rule 14 asks (tests/protocol/test_rule_14_a_collector_leaves.py)."""

import time

import pytest
from structlog.testing import capture_logs

from collector import drain as draining
from tests.fakes.aggregator import Said
from tests.fakes.pod import collecting

LINES = b"".join(b"line %04d\n" % number for number in range(100))


pytestmark = pytest.mark.usefixtures("quiet_soon")


async def drain(pod, grace_seconds=20.0, delivered_seconds=0.0):
    with capture_logs() as logs:
        left = await draining.drain(pod.shipper, grace_seconds, delivered_seconds)
    return left, {entry["event"]: entry for entry in logs}


async def test_what_is_left_is_said_per_file_and_in_sum(ticking_pod, aggregator):
    await ticking_pod.shipper.meet_once()
    aggregator.refuse = Said(503)
    ticking_pod.write("x.log", LINES)
    _, said = await drain(ticking_pod, grace_seconds=1.5)
    unstored = said["bytes_left_unstored"]
    assert (unstored["path"], unstored["size_bytes"], unstored["log_level"]) == (
        f"{ticking_pod.logs}/x.log",
        1000,
        "error",
    )
    assert said["drain_finished"]["unstored_bytes"] == 1000


async def test_stored_and_undelivered_is_a_warning(ticking_pod):
    ticking_pod.write("x.log", LINES)
    left, said = await drain(ticking_pod, delivered_seconds=0.1)
    assert (left.undelivered_bytes, said["bytes_left_undelivered"]["log_level"]) == (1000, "warning")
    assert "bytes_left_unstored" not in said


async def test_where_nothing_is_left_nothing_is_complained_of(ticking_pod, aggregator):
    _, said = await drain(ticking_pod)
    assert not {"bytes_left_unstored", "bytes_left_undelivered"} & said.keys()
    assert said["drain_finished"]["unstored_bytes"] == 0


async def test_without_any_aggregator_what_is_there_is_said_to_be_left(tmp_path):
    async with collecting(tmp_path, 9, addresses=("127.0.0.9",), clock=time.monotonic) as pod:
        pod.write("x.log", LINES)
        pod.write("bystander.txt", LINES)
        left, said = await drain(pod, grace_seconds=1.3)
    assert left.unstored_bytes == {f"{pod.logs}/x.log": 1000}
    assert said["drain_finished"]["unstored_bytes"] == 1000


@pytest.mark.parametrize("grace_seconds", [0.0, -3.0])
async def test_without_any_grace_a_drain_ends_at_once(ticking_pod, grace_seconds):
    await ticking_pod.shipper.meet_once()
    began = time.monotonic()
    await drain(ticking_pod, grace_seconds=grace_seconds)
    assert time.monotonic() - began < 1.0


async def test_the_checkpoint_of_a_drain_knows_what_was_delivered(ticking_pod, aggregator):
    ticking_pod.write("x.log", LINES)
    await drain(ticking_pod)
    aggregator.journal.deliver_all()
    await drain(ticking_pod, delivered_seconds=5.0)
    assert [one.delivered for one in ticking_pod.shipper.keeper.load().delivered] == [1000]


async def test_a_drain_with_an_app_that_never_stops_writing_ends_with_its_grace(ticking_pod, monkeypatch):
    round_ = ticking_pod.shipper.round

    async def and_write(**more):
        ticking_pod.write("x.log", b"and on\n")
        return await round_(**more)

    monkeypatch.setattr(ticking_pod.shipper, "round", and_write)
    began = time.monotonic()
    left, _ = await drain(ticking_pod, grace_seconds=1.6)
    assert time.monotonic() - began < 3.0
    assert sum(left.unstored_bytes.values()) < 100
