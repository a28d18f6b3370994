"""The Datadog counterpart as a server: a real client sees each refusal."""

import gzip
import json
import ssl
import zlib

import aiohttp
import pytest
from backports import zstd

from tests.contract.intake_client import GOOD, HEADERS, LOGS, send
from tests.fakes.datadog_intake import DatadogIntake, IntakeOptions
from tests.fakes.script import Answer, Script
from tests.fakes.tls import self_signed


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
