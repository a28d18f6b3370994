"""The CloudWatch counterpart's limits and signatures, each at the boundary and one beyond, before anything is judged by them."""

from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials

from tests.fakes.aws import AwsRefusedError, Credentials, Scope, aws_error, verify_signature
from tests.fakes.cloudwatch_limits import Rejected, check_request, rejected_of

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
FULL_MESSAGE = 1_048_576 - 26


def event(message: str = "x", offset_ms: int = 0) -> dict:
    return {"timestamp": NOW_MS + offset_ms, "message": message}


def put(*events, **changes) -> dict:
    return {"logGroupName": "/app/web", "logStreamName": "pod-1", "logEvents": list(events)} | changes


def kind_of(operation: str, body, **limits) -> str:
    with pytest.raises(AwsRefusedError) as refused:
        check_request(operation, body, NOW_MS, **limits)
    return refused.value.kind


def test_a_batch_may_be_1048576_bytes_with_26_for_each_event_and_not_one_more():
    check_request("PutLogEvents", put(event("x" * (FULL_MESSAGE - 27)), event("y")), NOW_MS)
    check_request("PutLogEvents", put(event("x" * FULL_MESSAGE)), NOW_MS)
    assert kind_of("PutLogEvents", put(event("x" * (FULL_MESSAGE - 26)), event("y"))) == "InvalidParameterException"
    assert kind_of("PutLogEvents", put(event("x" * (FULL_MESSAGE + 1)))) == "InvalidParameterException"


def test_sizes_are_bytes_of_utf8_and_not_characters():
    check_request("PutLogEvents", put(event("é" * (FULL_MESSAGE // 2))), NOW_MS)
    assert kind_of("PutLogEvents", put(event("é" * (FULL_MESSAGE // 2 + 1)))) == "InvalidParameterException"


def test_an_older_region_may_take_256_kb_an_event():
    check_request("PutLogEvents", put(event("x" * (262_144 - 26))), NOW_MS, max_event_bytes=262_144)
    body = put(event("x" * (262_144 - 25)))
    assert kind_of("PutLogEvents", body, max_event_bytes=262_144) == "InvalidParameterException"


def test_ten_thousand_events_pass_and_one_more_does_not():
    check_request("PutLogEvents", put(*[event()] * 10_000), NOW_MS)
    assert kind_of("PutLogEvents", put(*[event()] * 10_001)) == "InvalidParameterException"


def test_a_batch_may_span_a_day_to_the_millisecond():
    check_request("PutLogEvents", put(event(offset_ms=-DAY_MS), event()), NOW_MS)
    assert kind_of("PutLogEvents", put(event(offset_ms=-DAY_MS - 1), event())) == "InvalidParameterException"


def test_events_that_are_rejected_anyway_do_not_count_in_the_span():
    check_request("PutLogEvents", put(event(offset_ms=-15 * DAY_MS), event(), event(offset_ms=3 * HOUR_MS)), NOW_MS)


def test_order_is_chronological_and_equal_times_are_in_order():
    check_request("PutLogEvents", put(event(), event(), event(offset_ms=1)), NOW_MS)
    assert kind_of("PutLogEvents", put(event(), event(offset_ms=-1))) == "InvalidParameterException"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ([], "SerializationException"),
        (put(), "InvalidParameterException"),
        (put(logEvents={}), "SerializationException"),
        (put("text"), "SerializationException"),
        (put(event("")), "InvalidParameterException"),
        (put({"message": "x"}), "InvalidParameterException"),
        (put({"timestamp": NOW_MS}), "InvalidParameterException"),
        (put(event() | {"ingestionTime": 1}), "InvalidParameterException"),
        (put({"timestamp": NOW_MS / 1000, "message": "x"}), "SerializationException"),
        (put({"timestamp": True, "message": "x"}), "SerializationException"),
        (put({"timestamp": -1, "message": "x"}), "InvalidParameterException"),
        (put({"timestamp": NOW_MS, "message": {"a": 1}}), "SerializationException"),
        (put(event(), logGroupName=1), "SerializationException"),
        (put(event(), logGroupName="with blank"), "InvalidParameterException"),
        (put(event(), logGroupName="naïve"), "InvalidParameterException"),
        (put(event(), logGroupName=""), "InvalidParameterException"),
        (put(event(), logStreamName="a:b"), "InvalidParameterException"),
        (put(event(), logStreamName="a*b"), "InvalidParameterException"),
        (put(event(), unknown=1), "InvalidParameterException"),
        (put(event(), entity={"keyAttributes": {"Type": 1}}), "SerializationException"),
        (put(event(), entity={"more": {}}), "InvalidParameterException"),
        (put(event(), entity=[]), "SerializationException"),
    ],
    ids=str,
)
def test_a_bad_put_is_refused_by_its_aws_name(body, kind):
    assert kind_of("PutLogEvents", body) == kind


def test_an_entity_and_a_sequence_token_are_allowed():
    entity = {"keyAttributes": {"Type": "Service", "Name": "web"}, "attributes": {"EKS.Cluster": "c"}}
    check_request("PutLogEvents", put(event(), entity=entity, sequenceToken="ignored"), NOW_MS)


@pytest.mark.parametrize(
    ("operation", "member"), [("CreateLogGroup", "logGroupName"), ("CreateLogStream", "logStreamName")]
)
def test_names_may_have_512_characters_and_not_one_more(operation, member):
    body = {"logGroupName": "g"} | ({"logStreamName": "s"} if operation == "CreateLogStream" else {})
    check_request(operation, body | {member: "a" * 512}, NOW_MS)
    assert kind_of(operation, body | {member: "a" * 513}) == "InvalidParameterException"
    assert kind_of(operation, body | {member: ""}) == "InvalidParameterException"


def test_a_group_takes_its_own_alphabet_and_a_stream_nearly_all():
    check_request("CreateLogGroup", {"logGroupName": "/aws-like/Web_1.2#x-y"}, NOW_MS)
    check_request("CreateLogStream", {"logGroupName": "g", "logStreamName": "pod/é [1] $"}, NOW_MS)


@pytest.mark.parametrize(
    "body",
    [
        {"logGroupName": "aws/lambda"},
        {"logGroupName": "a:b"},
        {"logGroupName": "g", "logGroupClass": "CHEAP"},
        {"logGroupName": "g", "retentionInDays": 1},
        {},
    ],
    ids=str,
)
def test_a_bad_group_is_refused(body):
    assert kind_of("CreateLogGroup", body) == "InvalidParameterException"


def test_retention_is_one_of_the_days_on_the_list():
    for days in (1, 3, 14, 365, 3653):
        check_request("PutRetentionPolicy", {"logGroupName": "g", "retentionInDays": days}, NOW_MS)
    for days in (0, 2, 15, 366, 3654):
        assert (
            kind_of("PutRetentionPolicy", {"logGroupName": "g", "retentionInDays": days}) == "InvalidParameterException"
        )
    assert kind_of("PutRetentionPolicy", {"logGroupName": "g", "retentionInDays": "7"}) == "SerializationException"


def test_what_is_too_old_expired_or_too_new_is_named_by_index():
    edges = [-14 * DAY_MS - 1, -14 * DAY_MS, -7 * DAY_MS - 1, -7 * DAY_MS, 2 * HOUR_MS, 2 * HOUR_MS + 1]
    stamps = [NOW_MS + edge for edge in edges]
    assert rejected_of(stamps, NOW_MS, None) == Rejected(too_old_end=1, expired_end=None, too_new_start=5)
    assert rejected_of(stamps, NOW_MS, 7) == Rejected(too_old_end=1, expired_end=3, too_new_start=5)
    assert rejected_of(stamps[3:5], NOW_MS, 7).as_json() == {}


def test_rejected_events_are_split_from_those_kept():
    events = [{"n": n} for n in range(6)]
    kept, refused = Rejected(too_old_end=1, expired_end=2, too_new_start=4).split(events)
    assert ([one["n"] for one in kept], [one["n"] for one in refused]) == ([2, 3], [0, 1, 4, 5])
    assert Rejected(None, None, None).split(events) == (events, [])
    assert Rejected(6, None, None).split(events) == ([], events)


BODY = b'{"logGroupName":"g"}'
OWNER = Credentials("AKIATEST", "secret")


def signed(
    body: bytes = BODY, *, token: str | None = None, service: str = "logs", key: str = "AKIATEST"
) -> dict[str, str]:
    headers = {"Host": "127.0.0.1:1", "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "T.Op"}
    request = AWSRequest("POST", "http://127.0.0.1:1/", headers=headers, data=body)
    SigV4Auth(BotoCredentials(key, "secret", token), service, "eu-central-1").add_auth(request)
    return dict(request.headers)


def refusal(
    headers: dict[str, str], *, body: bytes = BODY, owner: Credentials = OWNER, now: datetime | None = None
) -> str:
    with pytest.raises(AwsRefusedError) as refused:
        verify_signature(list(headers.items()), body, owner, Scope(), now or datetime.now(UTC))
    return refused.value.kind


def test_what_botocore_signs_is_verified_by_the_own_implementation():
    verify_signature(list(signed().items()), BODY, OWNER, Scope(), datetime.now(UTC))
    with_token = Credentials("AKIATEST", "secret", "session")
    verify_signature(list(signed(token="session").items()), BODY, with_token, Scope(), datetime.now(UTC))


def test_any_change_after_signing_is_found():
    assert refusal(signed(), body=BODY + b" ") == "InvalidSignatureException"
    assert refusal(signed() | {"X-Amz-Target": "T.Other"}) == "InvalidSignatureException"
    assert refusal(signed() | {"Host": "elsewhere"}) == "InvalidSignatureException"
    assert refusal(signed(), owner=Credentials("AKIATEST", "other")) == "InvalidSignatureException"


def test_a_header_that_aws_wants_signed_may_not_be_added_afterwards():
    assert refusal(signed() | {"X-Amz-Later": "x"}) == "InvalidSignatureException"


def test_a_signature_holds_for_one_service_and_region():
    assert refusal(signed(service="monitoring")) == "InvalidSignatureException"


def test_a_signature_holds_for_five_minutes():
    headers = signed()
    signed_at = datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    for seconds in (-300, 300):
        verify_signature(list(headers.items()), BODY, OWNER, Scope(), signed_at + timedelta(seconds=seconds))
    for seconds in (-301, 301):
        assert refusal(headers, now=signed_at + timedelta(seconds=seconds)) == "InvalidSignatureException"


def test_who_may_not_sign_is_told_apart():
    nobody = {name: value for name, value in signed().items() if name != "Authorization"}
    assert refusal(nobody) == "MissingAuthenticationTokenException"
    assert refusal(signed() | {"Authorization": "Bearer x"}) == "IncompleteSignatureException"
    assert refusal({n: v for n, v in signed().items() if n != "X-Amz-Date"}) == "IncompleteSignatureException"
    assert refusal(signed(key="AKIAOTHER")) == "UnrecognizedClientException"
    assert refusal(signed(token="old"), owner=Credentials("AKIATEST", "secret", "new")) == "ExpiredTokenException"


def test_errors_have_their_own_status():
    assert [aws_error(kind).status for kind in ("ThrottlingException", "ServiceUnavailableException")] == [400, 500]
    assert '"__type": "AccessDeniedException"' in aws_error("AccessDeniedException", "no").body
