"""Rule 3: rows, prints and files, on real files and over HTTP."""

import json

import pytest

from tests.fakes.aggregator import Believed, listening
from tests.fakes.pod import collecting

LINES = b"".join(b"line %04d of the log\n" % number for number in range(300))


@pytest.fixture
async def aggregator():
    return Believed()


@pytest.fixture
async def port(aggregator):
    async with listening(aggregator) as port:
        yield port


async def life(tmp_path, port, rounds=4):
    async with collecting(tmp_path, port) as pod:
        await pod.turn(rounds)
        await pod.shipper.keeper.save(pod.custody, pod.peers.current, 0.0)
        return pod.custody


def append(tmp_path, raw, name="x.log"):
    folder = tmp_path / "logs"
    folder.mkdir(exist_ok=True)
    with (folder / name).open("ab") as file:
        file.write(raw)


async def test_rule_3_at_every_start_the_rows_are_asked_for_before_a_frame_is_sent(tmp_path, aggregator, port):
    append(tmp_path, LINES)
    for _ in range(2):
        aggregator.requests.clear()
        await life(tmp_path, port)
        assert aggregator.paths[0].startswith("/v1/marks?pod=uid-1")
    assert aggregator.text() == LINES


@pytest.mark.parametrize(
    "spoil", [lambda file: file.unlink(), lambda file: file.write_bytes(b'{"version": 1, "jou\xff')]
)
async def test_rule_3_losing_the_checkpoint_is_harmless(tmp_path, aggregator, port, spoil):
    append(tmp_path, LINES)
    await life(tmp_path, port)
    spoil(tmp_path / "state" / "checkpoint.json")
    append(tmp_path, b"after\n")
    await life(tmp_path, port)
    assert aggregator.text() == LINES + b"after\n"


async def test_rule_3_the_checkpoint_adds_only_delivered_peer_and_journal(tmp_path, aggregator, port):
    append(tmp_path, LINES)
    await life(tmp_path, port)
    aggregator.journal.deliver_all()
    custody = await life(tmp_path, port)
    saved = json.loads((tmp_path / "state" / "checkpoint.json").read_text())
    (stream,) = custody.streams
    (kept,) = saved.pop("delivered")
    assert saved == {"version": 1, "journal": "J1", "peer": "127.0.0.1"}
    assert kept[:3] == [stream, 0, len(LINES)]


async def test_rule_3_a_smaller_file_begins_the_next_epoch(tmp_path, aggregator, port):
    async with collecting(tmp_path, port) as pod:
        pod.write("x.log", LINES)
        await pod.turn(3)
        (tmp_path / "logs" / "x.log").write_bytes(b"anew\n")
        await pod.turn(5)
    assert (aggregator.row.epoch, aggregator.text()) == (1, LINES + b"anew\n")


async def test_rule_3_size_alone_proves_nothing(tmp_path, aggregator, port):
    async with collecting(tmp_path, port) as pod:
        pod.write("x.log", LINES)
        await pod.turn(3)
        other = LINES.replace(b"line", b"LINE") + b"and more\n"
        (tmp_path / "logs" / "x.log").write_bytes(other)
        await pod.turn(6)
    assert (aggregator.row.epoch, aggregator.text()) == (1, LINES + other)


async def test_rule_3_the_last_frame_of_an_epoch_is_final(tmp_path, aggregator, port):
    async with collecting(tmp_path, port) as pod:
        pod.write("x.log", LINES)
        await pod.turn(3)
        (tmp_path / "logs" / "x.log").write_bytes(b"anew\n")
        await pod.turn(5)
    assert {row.epoch: row.final for row in aggregator.journal.marks().rows} == {0: True, 1: False}


async def test_rule_3_bytes_that_were_seen_and_not_read_are_a_truncated_gap(tmp_path, aggregator, port):
    async with collecting(tmp_path, port) as pod:
        pod.write("x.log", LINES)
        await pod.turn(3)
        pod.write("x.log", b"never read\n")
        await pod.look()
        (tmp_path / "logs" / "x.log").write_bytes(b"anew\n")
        await pod.turn(5)
    assert aggregator.gaps() == [(0, len(LINES), len(LINES) + 11, "truncated")]


async def test_rule_3_a_copy_whose_original_was_truncated_goes_on_as_the_same_stream(tmp_path, aggregator, port):
    async with collecting(tmp_path, port) as pod:
        pod.write("x.log", LINES)
        await pod.turn(3)
        live, copy = tmp_path / "logs" / "x.log", tmp_path / "logs" / "x.log.1"
        copy.write_bytes(LINES + b"in the copy only\n")
        live.write_bytes(b"anew\n")
        await pod.turn(12)
    assert aggregator.text() == LINES + b"in the copy only\n" + b"anew\n"
    assert len({stream for stream, _ in aggregator.journal.rows}) == 1
    assert any(aggregator.journal.aliases.values())


async def test_rule_3_a_file_whose_name_is_no_utf_8_ships_all_the_same(tmp_path, aggregator, port):
    async with collecting(tmp_path, port) as pod:
        pod.write("caf\udce9.log", b"one\n")
        await pod.turn(4)
    assert aggregator.text() == b"one\n"
    assert aggregator.row.path.endswith("/caf\\xe9.log")


async def test_rule_3_an_open_row_without_a_file_is_reported_missing_with_the_bytes(tmp_path, aggregator, port):
    async with collecting(tmp_path, port) as pod:
        pod.write("x.log", LINES)
        await pod.turn(3)
        pod.write("x.log", b"seen, never read\n")
        await pod.look()
        (tmp_path / "logs" / "x.log").unlink()
        pod.watcher._files._descriptors.close_all()
        await pod.turn(8)
        assert pod.readings()["collector_bytes_lost", "missing"] == 17
