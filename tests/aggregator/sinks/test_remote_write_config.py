"""What a remote write sink's options may be, and what is said of those that may not."""

import msgspec
import pytest

from aggregator.sinks.remote_write.config import RemoteWriteConfig
from aggregator.sinks.remote_write.sink import RemoteWriteSink
from tests.aggregator.sinks.batches import surroundings
from towline.plumbing.errors import ConfigError

URL = "http://vm:8428/api/v1/write"


def converted(**options):
    return msgspec.convert({"url": URL, **options}, RemoteWriteConfig)


def test_everything_has_a_default_but_the_address():
    assert converted() == RemoteWriteConfig(url=URL)
    with pytest.raises(
        ConfigError, match=r"^aggregator.yaml: sinks.out.url: is missing. Write the receiver's, such as"
    ):
        RemoteWriteSink.build(RemoteWriteConfig(), surroundings())


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"url": "vm:8428"}, "url: is not an http or https URL. Write http://host:port"),
        ({"url": "http://me:secret@vm/"}, "url: holds a user or password. Use a *_file option for secrets"),
        (
            {"bearer_token_file": "/t", "sigv4": {}},
            "sigv4: stands beside bearer_token_file. Keep one of the two",
        ),
        (
            {"basic_auth": {"username": "me", "password_file": "/p"}, "sigv4": {"region": "eu-west-1"}},
            "sigv4: stands beside basic_auth. Keep one of the two",
        ),
        (
            {"basic_auth": {"username": "", "password_file": "/p"}},
            "username: is empty or holds a colon. Write the user's name",
        ),
        (
            {"basic_auth": {"username": "me", "password_file": ""}},
            "password_file: is empty. Name the file that holds the password",
        ),
        ({"sigv4": {"region": "Ireland"}}, "region: is not the name of a region. Write it as in eu-west-1"),
        ({"sigv4": {"service": ""}}, "service: is empty. Write aps, or leave it out"),
        (
            {"headers": {"authorization": "Bearer x"}},
            "headers: authorization is not free. Remove it; for Authorization use bearer_token_file, basic_auth or sigv4",
        ),
        (
            {"headers": {"X-Y": "a\nb"}},
            "headers: holds what is no header. Write names of letters and -, values on one line",
        ),
        (
            {"headers": {"X Y": "a"}},
            "headers: holds what is no header. Write names of letters and -, values on one line",
        ),
        (
            {"external_labels": {"pod": "x"}},
            "external_labels: pod is set for each series anyway. Remove it",
        ),
        (
            {"external_labels": {"__replica__": "x"}},
            "external_labels: holds what is no label. Use letters, digits and _, not __ in front",
        ),
        (
            {"external_labels": {"cluster": ""}},
            "external_labels: cluster is empty, which is no label. Write a value, or remove it",
        ),
        ({"job": ""}, "job: is empty. Write a name, or leave it out"),
    ],
)
def test_what_cannot_work_is_refused(options, problem):
    with pytest.raises(msgspec.ValidationError) as raised:
        converted(**options)
    assert str(raised.value).split(" - at `")[0] == problem


@pytest.mark.parametrize("options", [{"lanes": 0}, {"timeout_seconds": 0}, {"max_age_seconds": -1}, {"tenant": "x"}])
def test_numbers_out_of_range_and_unknown_options_are_refused(options):
    with pytest.raises(msgspec.ValidationError):
        converted(**options)
