"""docs/design/wire.md's table of codes as the line to the aggregator sees it, over real sockets."""

import contextlib

import msgspec
import pytest

from collector.core.custody import Sent
from collector.core.peers import Peers
from collector.link import Link, Speaker, Wait
from tests.fakes.aggregator import CUT, HANG, Resolving, Said, Scripted, listening, marks
from tests.fakes.pod import POD, Clock, block
from towline.plumbing.secret import Secret
from towline.wire.block import BlocksAnswer, BlocksRequest, Delivered, FrameAnswer, MarksAnswer
from towline.wire.codec import decode_request
from towline.wire.identity import Pod
from towline.wire.snapshot import SnapshotAnswer

SENT = Sent(1, "J1", 7, (block("a", 0, b"one\n"),))
STORED = BlocksAnswer(journal="J1", frames=(FrameAnswer(stream="a", code=200, mark=4),))


@contextlib.asynccontextmanager
async def linked(*scripts, addresses=("127.0.0.1",), token=None, pod=POD, timeout_seconds=5.0):
    """A link to aggregators of these scripts, each on an address of its own; None listens nowhere."""
    aggregators = [script if script is None or isinstance(script, Scripted) else Scripted(script) for script in scripts]
    async with listening(*aggregators) as port:
        client = Resolving(f"http://towline.test:{port}", timeout_seconds)
        client.addresses = addresses
        peers, clock = Peers(pod_uid=pod.uid, failover_seconds=120), Clock()
        link = Link(client, peers, Speaker(lambda: pod, token, "run-1"), clock)
        link.clock, link.client = clock, client
        yield link
        client.close()


# What is sent.


async def test_a_request_carries_journal_pod_run_frames_and_since():
    aggregator = Scripted(Said(body=STORED))
    async with linked(aggregator) as link:
        await link.blocks(SENT, goodbye=True)
    ((method, path, headers, body),) = aggregator.requests
    said = decode_request(body, BlocksRequest)
    assert (method, path, headers["Content-Type"]) == ("POST", "/v1/blocks", "application/vnd.towline.v1+msgpack")
    assert (said.journal, said.run, said.frames, said.since, said.goodbye) == ("J1", "run-1", SENT.frames, 7, True)
    assert msgspec.msgpack.decode(said.pod, type=Pod) == POD


async def test_every_request_names_the_wire_version_and_no_token_where_there_is_none():
    aggregator = Scripted(Said(body=marks()))
    async with linked(aggregator) as link:
        await link.marks()
    ((_, _, headers, _),) = aggregator.requests
    assert headers["Towline-Wire"] == "1"
    assert "Authorization" not in headers


async def test_a_uid_is_quoted_where_it_stands_in_a_path():
    aggregator = Scripted(Said(body=marks()))
    async with linked(aggregator, pod=Pod(namespace="n", name="n", uid="a b&c/d\u00e9")) as link:
        assert isinstance(await link.marks(), MarksAnswer)
    assert aggregator.paths[0].startswith("/v1/marks?pod=a+b%26c") or "a%20b%26c" in aggregator.paths[0]


# What is answered, code by code.


async def test_200_is_the_answer():
    async with linked(Said(body=STORED)) as link:
        assert await link.blocks(SENT) == STORED


async def test_421_is_a_marks_answer():
    async with linked(Said(421, marks("J2"))) as link:
        assert await link.blocks(SENT) == marks("J2")


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 408, 413, 426, 429, 500, 502, 503, 504, 307])
async def test_every_other_status_is_a_wait_that_says_so_and_an_answer_of_the_peer(status):
    async with linked(Said(status, b"<html>what a page</html>")) as link:
        answer = await link.blocks(SENT)
        assert isinstance(answer, Wait)
        assert (answer.reason, answer.answer, link.peers.silent_since) == (f"status_{status}", None, None)


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_waited_and_what_a_busy_peer_says_counts(status):
    told = BlocksAnswer(journal="J1", delivered=(Delivered("a", 0, 4),), until=9, error="the journal is full")
    async with linked(Said(status, told, {"Retry-After": "17"})) as link:
        answer = await link.blocks(SENT)
        assert (answer.delay_seconds >= 17.0, answer.error, answer.answer) == (True, "the journal is full", told)


@pytest.mark.parametrize("status", [500, 503])
async def test_without_retry_after_the_back_off_grows_to_10_seconds_and_an_answer_ends_it(status):
    refused = [Said(status)] * 40
    async with linked(Scripted(*refused, Said(body=STORED), Said(status))) as link:
        delays = [(await link.blocks(SENT)).delay_seconds for _ in refused]
        assert max(delays[:3]) <= 0.8
        assert 1.0 < max(delays) <= 10.0
        await link.blocks(SENT)
        assert (await link.blocks(SENT)).delay_seconds <= 0.2


async def test_a_leaving_peer_is_noted_and_one_that_stays_as_well():
    leaving = BlocksAnswer(journal="J1", leaving=True)
    async with linked(Scripted(Said(503, leaving), Said(200, leaving), Said(body=STORED))) as link:
        for noted in (1000.0, 1000.0, None):
            await link.blocks(SENT)
            assert link.peers.leaving_since == noted


# Tokens.


def secret(tmp_path, text):
    (tmp_path / "token").write_text(text)
    return Secret.from_file(tmp_path / "token")


async def test_the_token_is_a_bearer_token(tmp_path):
    aggregator = Scripted(Said(body=STORED))
    async with linked(aggregator, token=secret(tmp_path, "first\n")) as link:
        await link.blocks(SENT)
    assert aggregator.requests[0][2]["Authorization"] == "Bearer first"


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_read_again_and_the_request_sent_once_more(tmp_path, status):
    token = secret(tmp_path, "old")

    def rotate(_request, _body):
        (tmp_path / "token").write_text("fresh")
        return Said(status)

    aggregator = Scripted(rotate, Said(body=STORED))
    async with linked(aggregator, token=token) as link:
        assert await link.blocks(SENT) == STORED
    assert [headers["Authorization"] for _, _, headers, _ in aggregator.requests] == ["Bearer old", "Bearer fresh"]


async def test_a_refused_token_that_did_not_change_is_waited_for(tmp_path):
    aggregator = Scripted(Said(401))
    async with linked(aggregator, token=secret(tmp_path, "old")) as link:
        answer = await link.blocks(SENT)
    assert (answer.reason, len(aggregator.requests)) == ("status_401", 1)


async def test_a_token_never_stands_in_an_error(tmp_path):
    async with linked(None, token=secret(tmp_path, "very secret words")) as link:
        answer = await link.blocks(SENT)
        assert isinstance(answer, Wait)
        assert "very secret" not in repr(answer)


# Silence and rubbish.


@pytest.mark.parametrize("how", [HANG, CUT])
async def test_no_answer_is_silence(how):
    async with linked(how, timeout_seconds=0.1) as link:
        answer = await link.blocks(SENT)
        assert (answer.reason, link.peers.silent_since) == ("no_answer", 1000.0)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>hello</html>",
        b"[]",
        b"null",
        b"{}",
        b'{"journal": 5}',
        b'{"journal": "J1", "frames": [{"stream": "a"}], "rows": 1}',
        b'{"journal": "\xff"}',
        b'{"x": ' + b"[" * 100_000,
        b'{"journal": "' + b"x" * 1_000_000,
    ],
)
@pytest.mark.parametrize("status", [200, 421, 503])
async def test_rubbish_is_no_answer_under_200_and_421_and_nothing_more_than_its_status_else(status, body):
    async with linked(Said(status, body)) as link:
        answer = await link.blocks(SENT)
        expected = f"status_{status}" if status == 503 else "no_answer"
        assert (isinstance(answer, Wait), answer.reason) == (True, expected)
        assert (link.peers.silent_since is None) == (status == 503)


async def test_rubbish_does_not_end_silence():
    """Something that answers HTTP in the aggregator's place must not hold off fail-over."""
    async with linked(Scripted(CUT, Said(200, b"hello"))) as link:
        await link.blocks(SENT)
        link.clock.now += 60
        await link.blocks(SENT)
        assert link.peers.silent_since == 1000.0


async def test_a_name_that_does_not_resolve_any_more_changes_nothing_for_a_peer_that_answers():
    async with linked(Said(body=STORED)) as link:
        await link.blocks(SENT)
        link.client.addresses = ()
        assert await link.blocks(SENT) == STORED


# Several addresses.

BOTH = ("127.0.0.1", "127.0.0.2")


async def test_one_peer_is_kept_as_long_as_it_answers():
    first, second = Scripted(Said(body=STORED)), Scripted(Said(body=STORED))
    async with linked(first, second, addresses=BOTH) as link:
        for _ in range(5):
            await link.blocks(SENT)
    assert sorted([len(first.requests), len(second.requests)]) == [0, 5]


async def test_fail_over_comes_after_failover_seconds_of_silence_and_not_before():
    async with linked(CUT, Said(body=STORED), addresses=BOTH) as link:
        link.peers.take("127.0.0.1")
        for _ in range(12):
            assert isinstance(await link.blocks(SENT), Wait)
            link.clock.now += 10
        assert await link.blocks(SENT) == STORED
        assert link.peers.current == "127.0.0.2"


@pytest.mark.parametrize("status", [401, 403, 429, 503])
async def test_a_peer_that_refuses_is_never_left_for_that(status):
    async with linked(Said(status), Said(body=STORED), addresses=BOTH) as link:
        link.peers.take("127.0.0.1")
        for _ in range(12):
            assert (await link.blocks(SENT)).reason == f"status_{status}"
            link.clock.now += 60
        assert link.peers.current == "127.0.0.1"


async def test_in_a_drain_a_silent_peer_is_left_after_one_request():
    async with linked(CUT, Said(body=STORED), addresses=BOTH) as link:
        link.peers.take("127.0.0.1")
        link.draining = True
        assert (await link.blocks(SENT)).reason == "no_answer"
        assert await link.blocks(SENT) == STORED


async def test_in_a_drain_marks_do_not_wait_for_a_silent_address():
    async with linked(None, Said(body=marks("J2")), addresses=BOTH) as link:
        assert isinstance(await link.marks(), Wait)
        link.draining = True
        assert (await link.marks()).journal == "J2"
        assert link.peers.current == "127.0.0.2"


async def test_marks_of_addresses_that_are_all_silent_are_no_answer():
    async with linked(None, None, Said(), addresses=BOTH) as link:
        link.draining = True
        assert (await link.marks()).reason == "no_answer"
        assert link.peers.current == ""


async def test_of_peers_that_never_heard_of_the_pod_the_preferred_one_is_taken():
    async with linked(Said(body=marks("J1")), Said(body=marks("J2")), addresses=BOTH) as link:
        await link.marks()
        assert link.peers.current == link.peers.addresses[0]


# Snapshots.


@pytest.mark.parametrize(("status", "sequence"), [(200, 3), (400, 0), (409, 0), (413, 0), (421, 0)])
async def test_a_snapshot_s_answer_stands_under_every_status_that_speaks_of_snapshots(status, sequence):
    told = SnapshotAnswer(journal="J1", code=status, sequence=sequence)
    async with linked(Said(status, told)) as link:
        assert await link.snapshot(b"x") == told


@pytest.mark.parametrize("status", [401, 426, 429, 500, 503])
async def test_any_other_status_makes_a_snapshot_wait(status):
    async with linked(Said(status, SnapshotAnswer(journal="J1", code=status), {"Retry-After": "3"})) as link:
        answer = await link.snapshot(b"x")
        assert (answer.reason, answer.delay_seconds >= 3) == (f"status_{status}", True)


async def test_a_snapshot_refused_in_the_form_of_a_blocks_answer_waits():
    async with linked(Said(200, BlocksAnswer(journal="J1"))) as link:
        assert isinstance(await link.snapshot(b"x"), Wait)


@pytest.mark.parametrize("status", [400, 413])
async def test_a_snapshot_that_is_refused_at_the_door_is_refused_and_the_peer_is_not_silent(status):
    async with linked(Said(status, BlocksAnswer(journal="J1", error="too much"))) as link:
        assert await link.snapshot(b"x") == SnapshotAnswer(journal="J1", code=status, error="too much")


async def test_a_proxy_that_finds_a_snapshot_too_large_is_believed_that_and_no_more():
    async with linked(Said(413, b"<html>")) as link:
        assert await link.snapshot(b"x") == SnapshotAnswer(journal="", code=413)
