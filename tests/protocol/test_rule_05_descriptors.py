"""Rule 5: which files stay open, on real files."""

import pytest

from collector.config import CollectorConfig
from tests.fakes.aggregator import Said, listening
from tests.fakes.pod import collecting
from towline.plumbing.config_file import load_config
from towline.plumbing.errors import ConfigError


@pytest.fixture
async def pod(tmp_path, aggregator):
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        await pod.turn(1)
        yield pod


async def test_rule_5_an_unlinked_file_is_held_until_its_last_byte_is_delivered(pod, aggregator):
    pod.write("x.log", b"one\n")
    await pod.turn(3)
    (pod.logs / "x.log").unlink()
    await pod.turn(5, seconds=60)
    assert pod.open_files() == {"x.log (deleted)"}
    aggregator.journal.deliver_all()
    await pod.turn(5, seconds=60)
    assert pod.open_files() == set()


async def test_rule_5_what_is_written_to_an_unlinked_file_is_read_as_well(pod, aggregator):
    with (pod.logs / "x.log").open("ab", buffering=0) as file:
        file.write(b"one\n")
        await pod.turn(3)
        (pod.logs / "x.log").unlink()
        file.write(b"two\n")
        await pod.turn(3)
    assert aggregator.text() == b"one\ntwo\n"


async def test_rule_5_an_unlinked_file_is_held_for_a_minute_after_the_last_word(pod, aggregator):
    pod.write("x.log", b"one\n")
    await pod.turn(3)
    aggregator.journal.deliver_all()
    (pod.logs / "x.log").unlink()
    await pod.turn(3)
    assert pod.open_files() == {"x.log (deleted)"}


async def test_rule_5_a_renamed_file_is_held_until_it_is_stored_however_long_that_takes(pod, aggregator):
    aggregator.refuse = Said(503)
    pod.write("x.log", b"one\n")
    await pod.turn(2)
    (pod.logs / "x.log").rename(pod.logs / "x.log.1")
    pod.write("x.log", b"two\n")
    await pod.turn(5, seconds=86_400)
    assert pod.open_files() >= {"x.log.1", "x.log"}
    aggregator.refuse = None
    await pod.turn(5, seconds=86_400)
    assert (aggregator.text(), pod.open_files()) == (b"one\ntwo\n", set())


def test_rule_5_there_is_no_rotate_wait(tmp_path):
    file = tmp_path / "collector.yaml"
    file.write_text("aggregator: {url: 'http://a:1'}\nlogs: [{path: /var/log/*.log, rotate_wait: 5}]\n")
    with pytest.raises(ConfigError, match="rotate_wait"):
        load_config(file, CollectorConfig, {})
