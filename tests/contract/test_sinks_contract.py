"""What holds for every sink that pushes, against its real counterpart, every record counted by its id."""

import asyncio
import os
from pathlib import Path

import pytest

from aggregator.registry import SINKS
from tests.contract.sink_harness import HARNESSES, PULLS, aws_keys, batch_for, deliver, harness_for, ids_of, joined
from tests.fakes.datadog_oracles import OpenApiOracle, check_with_client_models

NETWORKED = sorted(set(HARNESSES) - {"file"})
OPENAPI = Path(
    os.environ.get("TOWLINE_DATADOG_OPENAPI") or Path(__file__).parents[3] / "shared/contracts/datadog-openapi.yaml"
)
HAS_OPENAPI = OPENAPI.exists()


@pytest.fixture(params=sorted(HARNESSES))
async def one(request, tmp_path, monkeypatch):
    aws_keys(monkeypatch, tmp_path)
    async with harness_for(request.param, tmp_path) as harness:
        yield harness


def for_(*kinds):
    return pytest.mark.parametrize("one", kinds, indirect=True)


def lines(count, first=0):
    return [b"line %05d" % number for number in range(first, first + count)]


def test_every_sink_that_pushes_is_under_contract():
    assert set(SINKS) - PULLS == set(HARNESSES)


async def test_accepts(one):
    batch = batch_for(one.sink, lines(500))
    custody = await deliver(one.sink, batch)
    assert one.ids() == ids_of(batch)
    assert (custody.refused, custody.waits) == ({}, [])


async def test_accepts_a_batch_of_the_size_that_it_says_it_takes(one):
    limits = one.sink.limits
    count = min(limits.max_lines, 3000)
    room = min(limits.max_bytes // count - limits.line_overhead_bytes, 600)
    batch = batch_for(one.sink, [b"%0*d" % (room, number) for number in range(count)])
    custody = await deliver(one.sink, batch)
    assert one.ids() == ids_of(batch)
    assert custody.refused == {}


async def test_encodes_the_same_batch_to_the_same_payload(one):
    batch = batch_for(one.sink, [b"", b"\xff", b"\x7f", *lines(50)])
    assert one.sink.encode(batch) == one.sink.encode(batch)


async def test_busy_means_the_same_batch_again_when_it_says(one):
    batch = batch_for(one.sink, lines(3))
    one.busy()
    custody = await deliver(one.sink, batch, on_retry=one.calm)
    assert one.ids() == ids_of(batch)
    assert custody.waits == [one.asks_to_wait_seconds]


@for_(*NETWORKED)
async def test_refuses_one_poisoned_line_and_takes_its_neighbours(one):
    batch = batch_for(one.sink, [*lines(20), b"poison", *lines(20, 20)])
    one.poison("poison")
    custody = await deliver(one.sink, batch)
    poisoned = ids_of(batch)[20]
    assert one.ids() == [event_id for event_id in ids_of(batch) if event_id != poisoned]
    assert custody.refused == {poisoned: "RejectedError"}


@for_(*NETWORKED)
async def test_a_silent_destination_is_left_and_tried_again(one):
    batch = batch_for(one.sink, lines(3))
    one.silent()
    custody = await deliver(one.sink, batch, give_up_seconds=0.2)
    assert one.ids() == ids_of(batch)
    assert custody.waits == [0.0]


@for_(*NETWORKED)
async def test_an_answer_that_never_came_costs_a_copy_with_the_same_ids_and_nothing_else(one):
    batch = batch_for(one.sink, lines(3))
    one.keeps_and_breaks_off()
    await deliver(one.sink, batch)
    assert one.ids() == ids_of(batch) * 2


async def test_cancelled_half_way_and_sent_again_loses_nothing(one):
    first, second = batch_for(one.sink, lines(3)), batch_for(one.sink, lines(3, 3), start=33)
    await deliver(one.sink, first)
    if not one.exactly_once:
        one.slow()
    async with asyncio.TaskGroup() as group:
        sending = group.create_task(one.sink.send(second, one.sink.encode(second)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        sending.cancel()
    await deliver(one.sink, second)
    found = one.ids()
    assert set(found) == {*ids_of(first), *ids_of(second)}
    if one.exactly_once:
        assert found == [*ids_of(first), *ids_of(second)]


@for_(*NETWORKED)
async def test_takes_a_part_and_names_the_rest(one):
    age = {"datadog": 19, "cloudwatch": 15 * 24}[one.kind]
    old, fresh = batch_for(one.sink, [b"old 1", b"old 2"], age_hours=age), batch_for(one.sink, lines(3), start=12)
    custody = await deliver(one.sink, joined(old, fresh))
    assert one.ids() == ids_of(fresh)
    assert custody.refused == dict.fromkeys(ids_of(old), "too_old")


async def test_lines_of_every_kind_arrive_once_each(one):
    strange = [
        b"",
        b"\r",
        b"\xff\xfe",
        b"\x00",
        b"\x7f",
        b'","',
        b"\\",
        "\u2028".encode(),
        b"x" * 70_000,
        b"{}",
        b"null",
    ]
    batch = batch_for(one.sink, strange)
    custody = await deliver(one.sink, batch)
    assert one.ids() == ids_of(batch)
    assert custody.refused == {}


async def test_a_batch_without_lines_is_nothing_to_send(one):
    empty, full = batch_for(one.sink, []), batch_for(one.sink, lines(2))
    await deliver(one.sink, empty)
    await deliver(one.sink, joined(empty, full, empty))
    assert one.ids() == ids_of(full)


async def test_health_is_proved_before_the_first_batch(one):
    await one.sink.healthcheck()
    await one.sink.recall({})
    await deliver(one.sink, batch_for(one.sink, lines(1)))


@for_("datadog")
async def test_every_datadog_entry_passes_the_official_clients_models(one):
    await deliver(one.sink, batch_for(one.sink, [b"", b"\xff", b"\x00", *lines(50)]))
    assert len(one.intake.entries) == 53
    check_with_client_models(one.intake.entries)


@for_("datadog")
async def test_every_datadog_entry_passes_the_openapi_document(one):
    if not HAS_OPENAPI:
        pytest.skip(f"no {OPENAPI.name}: name it by TOWLINE_DATADOG_OPENAPI")
    await deliver(one.sink, batch_for(one.sink, [b"", b"\xff", b"\x00", *lines(50)]))
    OpenApiOracle(OPENAPI).check(one.intake.entries, "HTTPLog")


@for_("file")
async def test_a_file_holds_each_line_once_whatever_was_settled_when_the_process_ended(one):
    batches = [batch_for(one.sink, lines(3, number * 3), start=number * 33) for number in range(4)]
    for settled in range(4):  # in each life: one batch more is settled, and one is written that is not
        memo = (await deliver(one.sink, batches[settled])).memo
        if settled < 3:
            await deliver(one.sink, batches[settled + 1])
        await one.sink.close()
        one.sink = one.build()
        await one.sink.recall(memo)
    assert one.ids() == [event_id for batch in batches for event_id in ids_of(batch)]
