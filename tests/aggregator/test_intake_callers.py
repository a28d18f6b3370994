"""Who may speak at the door, and in which version of the wire."""

import msgspec
import pytest

from aggregator.auth import StaticTokens
from tests.aggregator.forwarding import frame_of, pod_of
from tests.aggregator.serving import WIRE, serving
from towline.plumbing.secret import Secret


async def test_a_request_that_names_no_wire_version_speaks_the_first(tmp_path):
    async with serving(tmp_path) as place:
        assert (await place.caller.post(frame_of(b"one\n"), headers={})).status == 200


@pytest.mark.parametrize("version", ["2", "0", "", "one"])
async def test_another_wire_version_is_told_which_ones_are_spoken(tmp_path, version):
    async with serving(tmp_path) as place:
        reply = await place.caller.post(frame_of(b"one\n"), headers={"Towline-Wire": version})
    assert (reply.status, reply.blocks.versions, reply.headers["Towline-Wire"]) == (426, (1,), "1")


@pytest.mark.parametrize("authorization", [None, "Bearer wrong", "Basic good", "good", "Bearer ", "Bearer goode"])
async def test_without_a_good_token_nothing_is_told(tmp_path, authorization):
    tokens = StaticTokens([Secret("good"), Secret("also good")])
    headers = WIRE | ({"Authorization": authorization} if authorization else {})
    async with serving(tmp_path, authenticator=tokens) as place:
        post = await place.caller.post(frame_of(b"one\n"), headers=headers)
        marks = await place.caller.call("GET", "/v1/marks?pod=uid-web-1", headers)
    assert (post.status, marks.status) == (401, 401)
    assert not marks.marks.rows


async def test_any_of_several_tokens_is_good(tmp_path):
    tokens = StaticTokens([Secret("old"), Secret("new")])
    async with serving(tmp_path, authenticator=tokens) as place:
        replies = [
            await place.caller.post(headers=WIRE | {"Authorization": f"Bearer {token}"}) for token in ("old", "new")
        ]
    assert [reply.status for reply in replies] == [200, 200]


async def test_a_pod_without_a_name_is_refused(tmp_path):
    async with serving(tmp_path) as place:
        place.caller.pod = msgspec.structs.replace(pod_of(), uid="")
        reply = await place.caller.post(frame_of(b"one\n"))
    assert (reply.status, "uid" in reply.blocks.error) == (400, True)
