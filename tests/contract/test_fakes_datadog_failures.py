"""The Datadog counterpart as a server that fails: a real client sees each scripted failure."""

import json

import aiohttp
import pytest
from backports import zstd

from tests.contract.intake_client import HEADERS, LOGS, send
from tests.fakes.datadog_intake import DatadogIntake
from tests.fakes.script import (
    Answer,
    Endless,
    HalfRead,
    Hang,
    MaxBytes,
    Poison,
    RandomFaults,
    Recorded,
    Redirect,
    Reset,
    Rubbish,
    Script,
    Slow,
)


async def test_scripted_answers_come_in_order_and_record_nothing(client, intake):
    statuses = [429, 413, 400, 401, 403, 408, 500, 503]
    intake.play(*[Answer(status, {"Retry-After": "7"}) for status in statuses])
    assert [await send(client, intake) for _ in statuses] == statuses
    assert intake.entries == []
    assert await send(client, intake) == 202


async def test_a_scripted_429_carries_its_headers(client, intake):
    intake.play(Answer(429, {"Retry-After": "7", "X-Ratelimit-Reset": "3"}, '{"errors": []}'))
    async with client.post(intake.url + LOGS, data=b"[]", headers=HEADERS) as answer:
        assert (answer.headers["Retry-After"], answer.headers["X-Ratelimit-Reset"]) == ("7", "3")
        assert await answer.json() == {"errors": []}


async def test_none_in_a_script_means_behave(client, intake):
    intake.play(Answer(500), None, then=Answer(503))
    assert [await send(client, intake) for _ in range(4)] == [500, 202, 503, 503]


async def test_a_callable_chooses_by_what_it_sees(client, intake):
    intake.play(then=lambda seen: Answer(500) if seen.number % 2 and "dd-api-key" in seen.headers else None)
    assert [await send(client, intake) for _ in range(4)] == [500, 202, 500, 202]


@pytest.mark.parametrize("behaviour", [Hang(), Recorded("hang")])
async def test_a_hanging_intake_never_answers_and_closes_without_waiting(client, behaviour):
    async with DatadogIntake(script=Script(behaviour)) as intake:
        with pytest.raises(TimeoutError):
            await send(client, intake, within_seconds=0.2)
    assert len(intake.entries) == (1 if isinstance(behaviour, Recorded) else 0)


async def test_a_slow_intake_records_first_and_answers_late(client, intake):
    intake.play(Slow(30.0), Slow(0.01))
    with pytest.raises(TimeoutError):
        await send(client, intake, within_seconds=0.2)
    assert len(intake.entries) == 1
    assert await send(client, intake) == 202


@pytest.mark.parametrize("behaviour", [Reset(), HalfRead(1000), Recorded("reset")])
async def test_a_reset_reaches_the_client_as_one(client, intake, behaviour):
    intake.play(behaviour)
    body = json.dumps([{"message": "x" * 900_000}] * 5).encode()
    with pytest.raises(aiohttp.ClientOSError, match=r"reset by peer|Broken pipe|Cannot write"):
        await send(client, intake, body)
    assert len(intake.entries) == (5 if isinstance(behaviour, Recorded) else 0)
    assert intake.requests[0].status == 0


async def test_a_cut_after_recording_leaves_the_client_without_an_answer(client, intake):
    intake.play(Recorded("cut"))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await send(client, intake)
    assert (intake.messages, intake.requests[0].status) == (["hello"], 0)


async def test_recorded_then_another_status_is_answered_so(client, intake):
    intake.play(Recorded("answer", 503))
    assert await send(client, intake) == 503
    assert intake.messages == ["hello"]


async def test_what_is_refused_is_answered_honestly_even_where_the_script_would_hide_an_acceptance(client, intake):
    intake.play(Recorded("cut"))
    assert await send(client, intake, b"[]") == 400


async def test_rubbish_is_not_http(client, intake):
    intake.play(Rubbish())
    with pytest.raises((aiohttp.ClientResponseError, aiohttp.ServerDisconnectedError)):
        await send(client, intake)
    assert intake.entries == []


async def test_an_endless_answer_stops_when_the_client_leaves(client, intake):
    intake.play(Endless())
    async with client.post(intake.url + LOGS, data=b"[]", headers=HEADERS) as answer:
        assert answer.status == 200
        assert await answer.content.readexactly(100_000) == b"x" * 100_000
    assert await send(client, intake) == 202


async def test_a_redirect_points_elsewhere(client, intake):
    intake.play(Redirect("http://127.0.0.1:1/elsewhere"))
    async with client.post(intake.url + LOGS, data=b"[]", headers=HEADERS, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (307, "http://127.0.0.1:1/elsewhere")


async def test_poison_refuses_only_what_holds_it(client, intake):
    intake.play(then=Poison("BAD"))
    assert await send(client, intake) == 202
    assert await send(client, intake, b'[{"message": "good"}, {"message": "so BAD"}]') == 400
    assert intake.messages == ["hello"]


async def test_max_bytes_counts_what_is_uncompressed(client, intake):
    intake.play(then=MaxBytes(1000))
    fits, above = (json.dumps([{"message": "x" * (1000 - 17 + extra)}]).encode() for extra in (0, 1))
    assert await send(client, intake, zstd.compress(fits), **{"Content-Encoding": "zstd"}) == 202
    assert await send(client, intake, zstd.compress(above), **{"Content-Encoding": "zstd"}) == 413


def test_random_faults_come_at_their_rate_and_repeat_with_their_seed():
    def hand(seed):
        deal = RandomFaults(0.3, seed, (Reset(), Answer(500)))
        return [deal(None) for _ in range(1000)]

    assert hand(7) == hand(7)
    assert hand(7) != hand(8)
    assert 200 < sum(one is not None for one in hand(7)) < 400


async def test_a_script_can_be_given_from_outside(client, intake):
    text = {
        "steps": [{"kind": "answer", "status": 429, "headers": {"Retry-After": "1"}}, None],
        "then": {"kind": "reset"},
    }
    async with client.post(intake.url + "/_script", json=text) as answer:
        assert answer.status == 200
    assert [await send(client, intake), await send(client, intake)] == [429, 202]
    with pytest.raises(aiohttp.ClientOSError):
        await send(client, intake)
    assert [one.path for one in intake.requests] == [LOGS] * 3


async def test_a_script_from_outside_that_says_nothing_known_is_refused(client, intake):
    for bad in (b'{"steps": [{"kind": "explode"}]}', b'{"step": []}', b"{"):
        async with client.post(intake.url + "/_script", data=bad) as answer:
            assert answer.status == 400
    async with client.get(intake.url + "/_script") as answer:
        assert answer.status == 404
