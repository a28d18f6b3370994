"""After a mask no record says what it looks for, whatever was parsed before, in the form that each sink gives it."""

import json

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.sinks.cloudwatch.payload import make_payload
from aggregator.sinks.datadog.payload import PayloadMaker
from aggregator.sinks.file.payload import LineMaker
from tests.aggregator.routing import plans_from, reached, rules
from tests.aggregator.sinks.batches import batch_of, piece

SECRETS = ("x@example.com", "10.1.2.3", "4111111111111111", "AKIAIOSFODNN7EXAMPLE", "hunter2", "ssn=123")
MASKS = (
    "email",
    "ipv4",
    "credit_card",
    "aws_key",
    "{pattern: '^hunter2$'}",
    r"{pattern: 'ssn=\d+', replacement: 'ssn=*'}",
)
RULES = [f"mask: {one}" for one in MASKS]
STATIC = {"hostname", "ddtags", "ddsource", "timestamp", "pod", "namespace", "path", "container", "service", "source"}

values = st.recursive(
    st.sampled_from(SECRETS)
    | st.sampled_from([4111111111111111, 7, 1.5, True, None, "fine", 'a "quoted" text', "é\n"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=5,
)
objects = st.dictionaries(st.sampled_from(["message", "a", "status", "user", "evt_id"]), values, max_size=4)
writers = st.sampled_from([lambda one: json.dumps(one).encode(), orjson.dumps, lambda one: orjson.dumps(one) + b"\r"])
lines = st.builds(lambda write, one: write(one), writers, objects) | st.sampled_from(
    [*map(str.encode, SECRETS), b"fine"]
)


def texts_in(value):
    if isinstance(value, dict):
        return [text for one in value.values() for text in texts_in(one)]
    if isinstance(value, list):
        return [text for one in value for text in texts_in(one)]
    return [str(value)]


def sent(made, *, is_parsed):
    """The records of each sink, without what they say of the stream."""
    batch = batch_of(made)
    entries = orjson.loads(PayloadMaker(event_ids=False).make(batch, "identity").body)
    requests = make_payload(batch, "group", "stream", event_ids=False).requests
    messages = [event["message"] for request in requests for event in orjson.loads(request.body.content)["logEvents"]]
    filed = [orjson.loads(line) for line in LineMaker(event_ids=False).make(batch).splitlines()]
    return {
        "dd": [{name: value for name, value in entry.items() if name not in STATIC} for entry in entries],
        "out": [{name: value for name, value in entry.items() if name not in STATIC} for entry in filed],
        "cw": [orjson.loads(text) if is_parsed and text.startswith("{") else text for text in messages],
    }


@settings(max_examples=50, deadline=None)
@given(st.lists(lines, min_size=1, max_size=5), st.sampled_from(["[]", "json", "[json, logfmt]"]))
def test_no_record_holds_what_masks_look_for(given_lines, parse):
    made = piece(given_lines)
    made = plans_from(rules(*RULES, parse=parse)).of("dd", made.pod, made.origin).apply(made)
    for sink, records in sent(made, is_parsed=parse != "[]").items():
        assert len(records) == len(given_lines)
        for text in texts_in(records):
            assert not any(secret in text for secret in SECRETS if secret != "hunter2"), sink
            assert parse == "[]" or text.strip() != "hunter2", sink


@pytest.mark.parametrize(
    ("mask", "before", "after"),
    [
        ('\'"password": ?"[^"]*"\', replacement: \'"password":"*"\'', {"password": "p", "a": 1}, {"password": "*", "a": 1}),
        ('\'(?<key>"pin": ?)\\d+\', replacement: \'\\g<key>0\'', {"in": {"pin": 77}, "to": [1]}, {"in": {"pin": 0}, "to": [1]}),
        ("'user', replacement: 'u'", {"user": "a user", "users": 1}, {"user": "a u", "users": 1}),
        ("'a', replacement: 'aa'", {"x": "a"}, {"x": "aa"}),
        ('\'"pin": ?\\d+\', replacement: \'gone\'', {"pin": 77, "b": 1}, {"message": '{gone,"b":1}'}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("before_it", ["", "set: {team: web}"])
def test_what_stands_behind_a_name_is_masked_and_names_stay(mask, before, after, before_it):
    text = rules(*filter(None, [before_it, f"mask: {{pattern: {mask}}}", "remove: team"]), parse="json")
    line = orjson.dumps(before).decode()
    if "message" in after and before_it:
        after = {"message": '{gone,"b":1,"team":"web"}'}
    assert reached(text, [line]) == [after]


def test_a_secret_key_is_masked_in_the_field_that_is_called_so():
    line = '{"SecretAccessKey":"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY","b":"SecretAccessKey"}'
    assert reached(rules("mask: aws_key", parse="json"), [line]) == [
        {"SecretAccessKey": "[AWS_KEY]", "b": "SecretAccessKey"}
    ]
