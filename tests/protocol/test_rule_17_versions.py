"""Rule 17: which version is spoken. The recorded bytes of each version are tests/contract/test_wire_bytes.py."""

import pytest

from tests.aggregator.serving import serving
from tests.fakes.aggregator import Believed, Said, listening
from tests.fakes.pod import collecting
from towline.wire.block import WIRE_VERSION, BlocksAnswer


@pytest.mark.parametrize("version", ["0", "2", "1.0", "x"])
@pytest.mark.parametrize("path", ["/v1/blocks", "/v1/snapshots"])
async def test_rule_17_an_aggregator_answers_426_with_the_versions_it_speaks(tmp_path, version, path):
    async with serving(tmp_path) as place:
        reply = await place.caller.call("POST", path, headers={"Towline-Wire": version}, data=b"\x80")
    assert (reply.status, reply.blocks.versions) == (426, (WIRE_VERSION,))
    assert reply.headers["Towline-Wire"] == str(WIRE_VERSION)


async def test_rule_17_a_request_that_names_no_version_speaks_the_first(tmp_path):
    async with serving(tmp_path) as place:
        reply = await place.caller.post(headers={})
    assert reply.status == 200


async def test_rule_17_a_collector_says_its_version_and_waits_where_it_is_not_spoken(tmp_path):
    aggregator = Believed()
    async with listening(aggregator) as port, collecting(tmp_path, port) as pod:
        await pod.turn(2)
        aggregator.refuse = Said(426, BlocksAnswer(journal="J1", versions=(9,), error="not spoken here"))
        pod.write("x.log", b"one\n")
        await pod.turn(3)
        assert (pod.progress.waiting_for, pod.custody.unsent_bytes) == ("status_426", 4)
        assert all(headers["Towline-Wire"] == "1" for _, _, headers, _ in aggregator.requests)
        aggregator.refuse = None
        await pod.turn(2)
    assert aggregator.text() == b"one\n"
