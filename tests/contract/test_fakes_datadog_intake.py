"""The Datadog counterpart as a server: a real client sees each refusal and each scripted failure."""

import gzip
import io
import json
import ssl
import zlib

import aiohttp
import pytest
from backports import zstd

from tests.fakes.datadog_intake import DatadogIntake, IntakeOptions
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
from tests.fakes.tls import self_signed

LOGS = "/api/v2/logs"
GOOD = [{"message": "hello", "service": "web"}]
HEADERS = {"DD-API-KEY": "test-api-key", "Content-Type": "application/json"}


@pytest.fixture
async def client():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def intake():
    async with DatadogIntake() as server:
        yield server


async def send(client, intake, body=None, *, path=LOGS, within_seconds=10.0, **headers) -> int:
    body = json.dumps(GOOD).encode() if body is None else body
    given = {name: value for name, value in (HEADERS | headers).items() if value is not None}
    timeouts = aiohttp.ClientTimeout(total=within_seconds)
    async with client.post(
        intake.url + path, data=io.BytesIO(body), headers=given, timeout=timeouts, allow_redirects=False
    ) as answer:
        await answer.read()
        return answer.status


async def test_a_good_body_is_answered_202_and_recorded_in_order(client, intake):
    for number in range(3):
        assert await send(client, intake, json.dumps([{"message": f"{number}"}]).encode()) == 202
    assert intake.messages == ["0", "1", "2"]
    assert [one.request for one in intake.accepted] == [1, 2, 3]
    assert intake.accepted[0].arrived_unix_ns <= intake.accepted[2].arrived_unix_ns


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress)]
)
async def test_a_compressed_body_is_known_by_both_its_sizes(client, intake, encoding, compress):
    raw = json.dumps([{"message": "x" * 10_000}]).encode()
    assert await send(client, intake, compress(raw), **{"Content-Encoding": encoding}) == 202
    seen = intake.requests[0]
    assert (seen.raw_bytes, seen.wire_bytes, seen.records) == (len(raw), len(compress(raw)), 1)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"DD-API-KEY": None}, 401),
        ({"DD-API-KEY": "wrong"}, 403),
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Encoding": "br"}, 415),
        ({"Content-Encoding": "zstd1"}, 415),
        ({"Content-Encoding": "gzip"}, 400),
        ({"Content-Type": "application/json; charset=utf-8"}, 202),
    ],
    ids=str,
)
async def test_headers_are_judged(client, intake, headers, status):
    assert await send(client, intake, **headers) == status
    assert len(intake.entries) == (1 if status == 202 else 0)


async def test_a_refusal_has_datadogs_form_and_is_remembered_with_its_reason(client, intake):
    async with client.post(intake.url + LOGS, data=b"[]", headers=HEADERS) as answer:
        body = await answer.json()
    assert body == {"errors": [{"status": "400", "title": "Bad Request", "detail": "an empty array"}]}
    assert (intake.requests[0].status, intake.requests[0].reason) == (400, "an empty array")


async def test_a_body_above_five_megabytes_is_refused_even_where_it_compresses_to_nothing(client, intake):
    raw = json.dumps([{"message": "x" * 500_000}] * 11).encode()
    assert await send(client, intake, zstd.compress(raw), **{"Content-Encoding": "zstd"}) == 413


async def test_an_intake_without_zstd_says_so(client):
    async with DatadogIntake(IntakeOptions(encodings=frozenset({"identity", "gzip"}))) as intake:
        assert await send(client, intake, zstd.compress(b"[]"), **{"Content-Encoding": "zstd"}) == 415


async def test_age_is_judged_by_the_intakes_own_clock(client):
    async with DatadogIntake(wall_clock_ns=lambda: 20 * 3600 * 10**9) as intake:
        await send(
            client, intake, b'[{"message": "old", "timestamp": 7199999}, {"message": "ok", "timestamp": 7200000}]'
        )
    assert [entry["message"] for entry in intake.flagged("too_old")] == ["old"]
    assert intake.messages == ["old", "ok"]


async def test_a_key_is_valid_until_it_is_rotated(client, intake):
    async def validate(key):
        async with client.get(intake.url + "/api/v1/validate", headers={"DD-API-KEY": key}) as answer:
            return answer.status, await answer.json()

    assert await validate("test-api-key") == (200, {"valid": True})
    intake.api_key = "rotated"
    assert (await validate("test-api-key"))[0] == 403
    assert await send(client, intake) == 403
    assert (await validate("rotated"))[0] == 200


async def test_validation_has_a_script_of_its_own(client, intake):
    intake.play(Answer(500))
    intake.validate_script = Script(Answer(503))
    async with client.get(intake.url + "/api/v1/validate", headers=HEADERS) as answer:
        assert answer.status == 503
    assert await send(client, intake) == 500


async def test_another_route_is_a_404_that_is_remembered(client, intake):
    assert await send(client, intake, path="/v1/input") == 404
    assert [(one.path, one.status) for one in intake.requests] == [("/v1/input", 404)]


async def test_series_are_taken_and_kept_apart_from_logs(client, intake):
    series = {"metric": "m", "type": 3, "points": [{"timestamp": 1, "value": 2}]}
    body = json.dumps({"series": [series]}).encode()
    assert (
        await send(client, intake, zstd.compress(body), path="/api/v2/series", **{"Content-Encoding": "zstd1"}) == 202
    )
    assert [one.entry for one in intake.accepted_series] == [series]
    assert intake.accepted_series[0].flags == ("too_old",)
    assert await send(client, intake, b'{"series": []}', path="/api/v2/series") == 400


async def test_an_openapi_file_refuses_what_it_does_not_allow(client, tmp_path):
    path = tmp_path / "openapi.yaml"
    path.write_text("components: {schemas: {HTTPLog: {type: array, maxItems: 1}}}")
    async with DatadogIntake(IntakeOptions(openapi=path)) as intake:
        assert await send(client, intake) == 202
        assert await send(client, intake, json.dumps(GOOD * 2).encode()) == 400
        assert intake.requests[1].reason.startswith("openapi: HTTPLog")


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


async def send_verified(client, tls, trusted) -> int:
    async with DatadogIntake(tls=tls) as intake:
        verify = ssl.create_default_context(cafile=trusted)
        body = json.dumps(GOOD).encode()
        async with client.post(intake.url + LOGS, data=body, headers=HEADERS, ssl=verify) as answer:
            return answer.status


async def test_a_client_that_verifies_trusts_a_good_certificate(client, tmp_path):
    certificate, tls = self_signed(tmp_path)
    assert await send_verified(client, tls, certificate) == 202


@pytest.mark.parametrize("fault", ["unknown", "expired", "other host"])
async def test_a_client_that_verifies_refuses_a_bad_certificate(client, tmp_path, fault):
    host = "other.example" if fault == "other host" else "127.0.0.1"
    certificate, tls = self_signed(tmp_path, host, expired=fault == "expired")
    with pytest.raises(aiohttp.ClientSSLError):
        await send_verified(client, tls, None if fault == "unknown" else certificate)


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
