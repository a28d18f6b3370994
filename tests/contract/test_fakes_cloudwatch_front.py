"""The CloudWatch counterpart as a server, before a real moto: a signing client sees each refusal and each scripted failure."""

import asyncio
import io
import json
import signal
import sys
import time

import aiohttp
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from tests.fakes.cloudwatch_front import CloudWatchFront, Credentials, FrontOptions, MotoThread, aws_error
from tests.fakes.script import Hang, MaxBytes, Poison, Recorded, Reset, Script

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
OWNER = Credentials()
PLACE = {"logGroupName": "/app/web", "logStreamName": "pod-1"}


class Client:
    """A client with botocore's signer and nothing else of botocore's."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session
        self.credentials = OWNER

    async def call(self, url: str, operation: str, body, *, within_seconds: float = 20.0, **headers):
        """(status, answer) of one signed call; `body` may be bytes."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"X-Amz-Target": f"Logs_20140328.{operation}", "Content-Type": "application/x-amz-json-1.1"} | headers
        request = AWSRequest("POST", url + "/", headers=given, data=data)
        who = BotoCredentials(
            self.credentials.access_key, self.credentials.secret_key, self.credentials.session_token or None
        )
        SigV4Auth(who, "logs", "eu-central-1").add_auth(request)
        timeout = aiohttp.ClientTimeout(total=within_seconds)
        sent = self._session.post(url + "/", data=io.BytesIO(data), headers=dict(request.headers), timeout=timeout)
        async with sent as answer:
            text = await answer.read()
            return answer.status, json.loads(text) if text else {}

    async def put(self, url: str, *messages: str, **more):
        now_ms = time.time_ns() // 1_000_000
        events = [{"timestamp": now_ms, "message": message} for message in messages or ("hello",)]
        return await self.call(url, "PutLogEvents", PLACE | {"logEvents": events}, **more)


@pytest.fixture
async def client():
    async with aiohttp.ClientSession() as session:
        yield Client(session)


@pytest.fixture(scope="module")
def moto():
    """One for all tests: it takes half a second to stop."""
    with MotoThread() as server:
        yield server


@pytest.fixture
async def front(client, moto):
    """A front with one group and one stream in it."""
    moto.reset()
    async with CloudWatchFront(FrontOptions(moto_url=moto.url)) as server:
        await create(client, server.url)
        yield server


async def create(client: Client, url: str) -> None:
    assert (await client.call(url, "CreateLogGroup", {"logGroupName": PLACE["logGroupName"]}))[0] == 200
    assert (await client.call(url, "CreateLogStream", PLACE))[0] == 200


async def test_what_is_valid_reaches_moto_and_is_recorded_in_order(client, front):
    assert (await client.put(front.url, "one", "two"))[0] == 200
    assert (await client.put(front.url, "three"))[0] == 200
    assert [one["message"] for one in front.accepted["/app/web", "pod-1"]] == ["one", "two", "three"]
    status, answer = await client.call(front.url, "GetLogEvents", PLACE | {"startFromHead": True})
    assert (status, [one["message"] for one in answer["events"]]) == (200, ["one", "two", "three"])
    assert [one.operation for one in front.requests][2:] == ["PutLogEvents", "PutLogEvents", "GetLogEvents"]


async def test_an_unknown_group_or_stream_is_motos_answer(client, front):
    body = {"logGroupName": "none", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "x"}]}
    assert (await client.call(front.url, "PutLogEvents", body))[1]["__type"] == "ResourceNotFoundException"
    status, answer = await client.call(front.url, "CreateLogStream", PLACE)
    assert (status, answer["__type"]) == (400, "ResourceAlreadyExistsException")
    assert front.entries == []


async def test_a_broken_limit_is_an_invalid_parameter_and_never_reaches_moto(client, front):
    status, answer = await client.put(front.url, "x" * (1_048_576 - 26), "y")
    assert (status, answer["__type"]) == (400, "InvalidParameterException")
    assert "Upload too large" in front.requests[-1].reason
    assert (await client.put(front.url, "x" * (1_048_576 - 26)))[0] == 200
    assert len(front.entries) == 1


@pytest.mark.parametrize("body", [b'{"a": NaN}', b'{"a": "\xff"}', b'{"a": 1, "a": 2}', b"", b"[]"])
async def test_what_is_not_strict_json_is_a_serialization_error(client, front, body):
    status, answer = await client.call(front.url, "PutLogEvents", body)
    assert (status, answer["__type"]) == (400, "SerializationException")


async def test_old_and_new_events_are_rejected_by_index_while_the_rest_is_taken(client, front):
    now_ms = time.time_ns() // 1_000_000
    offsets = [-16 * DAY_MS, -15 * DAY_MS, -1000, 0, 3 * HOUR_MS, 4 * HOUR_MS]
    events = [{"timestamp": now_ms + offset, "message": f"{offset}"} for offset in offsets]
    status, answer = await client.call(front.url, "PutLogEvents", PLACE | {"logEvents": events})
    assert (status, answer["rejectedLogEventsInfo"]) == (
        200,
        {"tooOldLogEventEndIndex": 2, "tooNewLogEventStartIndex": 4},
    )
    assert (front.messages, len(front.rejected)) == (["-1000", "0"], 4)
    stored = (await client.call(front.url, "GetLogEvents", PLACE))[1]["events"]
    assert [one["message"] for one in stored] == ["-1000", "0"]


async def test_a_batch_that_is_rejected_whole_is_still_a_200(client, front):
    event = {"timestamp": time.time_ns() // 1_000_000 - 15 * DAY_MS, "message": "old"}
    status, answer = await client.call(front.url, "PutLogEvents", PLACE | {"logEvents": [event]})
    assert (status, answer["rejectedLogEventsInfo"]) == (200, {"tooOldLogEventEndIndex": 1})
    assert (front.entries, front.rejected) == ([], [event])


async def test_what_is_older_than_the_retention_is_expired(client, front):
    policy = {"logGroupName": PLACE["logGroupName"], "retentionInDays": 3}
    assert (await client.call(front.url, "PutRetentionPolicy", policy))[0] == 200
    now_ms = time.time_ns() // 1_000_000
    event = {"timestamp": now_ms - 4 * DAY_MS, "message": "old"}
    status, answer = await client.call(front.url, "PutLogEvents", PLACE | {"logEvents": [event]})
    assert (status, answer["rejectedLogEventsInfo"]) == (200, {"expiredLogEventEndIndex": 1})
    assert front.retention == {"/app/web": 3}


async def test_credentials_expire_when_they_are_changed(client, front):
    front.credentials = Credentials(session_token="new")
    assert (await client.put(front.url))[1]["__type"] == "ExpiredTokenException"
    client.credentials = front.credentials
    assert (await client.put(front.url))[0] == 200


async def test_an_unsigned_request_is_refused(front):
    headers = {"X-Amz-Target": "Logs_20140328.PutLogEvents", "Content-Type": "application/x-amz-json-1.1"}
    async with aiohttp.ClientSession() as session, session.post(front.url, data=b"{}", headers=headers) as answer:
        assert (answer.status, json.loads(await answer.read())["__type"]) == (
            400,
            "MissingAuthenticationTokenException",
        )


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({"Content-Type": "application/json"}, "UnknownOperationException"),
        ({"Content-Type": "application/x-amz-json-1.0"}, "UnknownOperationException"),
        ({"X-Amz-Target": "Other.PutLogEvents"}, "UnknownOperationException"),
        ({"Content-Encoding": "gzip"}, "SerializationException"),
    ],
    ids=str,
)
async def test_the_protocol_is_json_1_1_and_nothing_else(client, front, headers, kind):
    assert (await client.call(front.url, "PutLogEvents", {}, **headers))[1]["__type"] == kind


async def test_streams_are_created_fifty_a_second_and_no_faster(client, moto):
    now = 100.0
    moto.reset()
    async with CloudWatchFront(FrontOptions(moto_url=moto.url), monotonic=lambda: now) as front:
        await client.call(front.url, "CreateLogGroup", {"logGroupName": "g"})

        async def one(number):
            return await client.call(front.url, "CreateLogStream", {"logGroupName": "g", "logStreamName": f"s{number}"})

        assert [(await one(number))[0] for number in range(50)] == [200] * 50
        assert (await one(50))[1]["__type"] == "ThrottlingException"
        now = 101.0
        assert (await one(50))[0] == 200


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("ThrottlingException", 400),
        ("ServiceUnavailableException", 500),
        ("ExpiredTokenException", 400),
        ("AccessDeniedException", 400),
    ],
)
async def test_a_scripted_error_has_its_name_and_status_and_is_not_recorded(client, front, kind, status):
    front.play(aws_error(kind))
    assert await client.put(front.url) == (status, {"__type": kind, "message": kind})
    assert front.entries == []
    assert (await client.put(front.url))[0] == 200


async def test_other_operations_have_scripts_of_their_own(client, front):
    front.play(aws_error("ThrottlingException"))
    front.scripts["CreateLogStream"] = Script(aws_error("ServiceUnavailableException"))
    assert (await client.call(front.url, "CreateLogStream", PLACE | {"logStreamName": "s2"}))[0] == 500
    assert (await client.call(front.url, "CreateLogStream", PLACE | {"logStreamName": "s2"}))[0] == 200
    assert (await client.put(front.url))[1]["__type"] == "ThrottlingException"


async def test_a_hanging_front_never_answers(client, front):
    front.play(Hang())
    with pytest.raises(TimeoutError):
        await client.put(front.url, within_seconds=0.2)
    assert front.entries == []


async def test_a_reset_front_has_recorded_nothing(client, front):
    front.play(Reset())
    with pytest.raises(aiohttp.ClientOSError):
        await client.put(front.url)
    assert front.entries == []


async def test_a_cut_after_recording_leaves_the_event_in_moto(client, front):
    front.play(Recorded("cut"))
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.put(front.url)
    assert (front.messages, front.requests[-1].status) == (["hello"], 0)
    assert len((await client.call(front.url, "GetLogEvents", PLACE))[1]["events"]) == 1


async def test_poison_and_a_lower_limit_refuse_what_breaks_them_only(client, front):
    front.play(Poison("BAD"), Poison("BAD"), MaxBytes(31), MaxBytes(31))
    assert [(await client.put(front.url, text))[0] for text in ("so BAD", "good", "sixsix", "five5")] == [
        400,
        200,
        400,
        200,
    ]
    assert front.messages == ["good", "five5"]


async def test_a_new_front_before_the_same_moto_knows_its_groups(client, front):
    async with CloudWatchFront(FrontOptions(moto_url=front.moto_url)) as second:
        assert (await client.put(second.url))[0] == 200
    assert (len(second.entries), len(front.entries)) == (1, 0)


async def test_as_a_process_it_records_what_it_answered_for(client, tmp_path):
    record = tmp_path / "record.jsonl"
    command = [sys.executable, "-m", "tests.fakes.cloudwatch_front", "--record", str(record), "--session-token", "t"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        url = (await process.stdout.readline()).decode().removeprefix("listening on ").strip()
        client.credentials = Credentials(session_token="t")
        await create(client, url)
        assert (await client.put(url, "one", "two"))[0] == 200
    finally:
        process.send_signal(signal.SIGKILL)
        await process.stdout.read()
        await process.wait()
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [(one["message"], one["group"], one["stream"]) for one in lines] == [
        (text, "/app/web", "pod-1") for text in ("one", "two")
    ]
