"""Files to CloudWatch Logs, behind a front that checks signatures and limits: groups and streams by template, order, refusals counted."""

import base64
import json
import os
import time
import urllib.parse
import urllib.request

import pytest
from moto.sts.models import sts_backends

from tests.e2e.judge import judge, parse_line
from tests.e2e.procs import wait_until
from tests.e2e.scratch import ARRIVAL_SECONDS, copies_of, written_by
from tests.e2e.writer import Plan, Writer
from tests.fakes.aws import aws_error
from tests.fakes.cloudwatch_front import CloudWatchFront, Credentials, FrontOptions, MotoThread
from tests.fakes.script import Recorded, Reset

pytestmark = pytest.mark.e2e

DAYS_15_SECONDS = 15 * 86_400


class FrontBehindSts(CloudWatchFront):
    """Takes whoever signs with what moto's STS, in this process, gave out last."""

    @property
    def credentials(self):
        roles = [role for one in sts_backends.values() for backend in one.values() for role in backend.assumed_roles]
        newest = roles[-1] if roles else None
        return newest and Credentials(newest.access_key_id, newest.secret_access_key, newest.session_token)

    @credentials.setter
    def credentials(self, _fixed):
        """STS decides."""


class CloudWatch:
    """A front and a moto in this process, and an aggregator that delivers there."""

    def __init__(self, stage, backstage, front=CloudWatchFront, **options):
        self.stage = stage
        moto = stage.stack.enter_context(MotoThread())
        self.moto_url = moto.url
        self.front = backstage.enter(front(FrontOptions(moto_url=moto.url)))
        sink = {"type": "cloudwatch", "region": "eu-central-1", "endpoint_url": self.front.url, "event_id": True}
        self.changes = {"sinks": {"cw": {**sink, "timeout_seconds": 3, **options}}, "routes": [{"to": ["cw"]}]}
        none = str(stage.folder / "none")
        self.environment = {
            "AWS_ACCESS_KEY_ID": Credentials.access_key,
            "AWS_SECRET_ACCESS_KEY": Credentials.secret_key,
            "AWS_CONFIG_FILE": none,
            "AWS_SHARED_CREDENTIALS_FILE": none,
        }

    def start(self, environment=None, **collector):
        both = self.stage.collector(**collector), self.stage.aggregator(**self.changes)
        both[1].environment |= self.environment if environment is None else environment
        for service in both:
            self.stage.run(service)
        for service in both:
            service.wait_ready()
        return both

    def wait_for(self, events, timeout_seconds=ARRIVAL_SECONDS):
        wait_until(lambda: len(self.front.entries) >= events, timeout_seconds, f"{events} events at CloudWatch")

    def records(self):
        """What was taken, as the judge reads it: with event ids the message is an object."""
        return [json.loads(entry["message"]) for entry in self.front.entries]


def write(stage, name, lines, folder=""):
    (stage.logs / folder).mkdir(exist_ok=True)
    writer = Writer(stage.logs / folder / f"{name}.log", Plan(lines=lines), name)
    writer.write_all()
    return writer


def test_groups_and_streams_follow_the_templates_and_every_stream_is_in_order(stage, backstage):
    cloudwatch = CloudWatch(
        stage, backstage, log_group="/eks/{namespace}/{container}", log_stream="{pod}/{service}", retention_days=7
    )
    logs = [
        {"path": f"{stage.logs}/{name}/*.log", "container": name, "service": f"{name}-svc"} for name in ("web", "db")
    ]
    cloudwatch.start(logs=logs)
    writers = [write(stage, "a", 800, "web"), write(stage, "b", 800, "web"), write(stage, "c", 800, "db")]
    cloudwatch.wait_for(2400)
    front = cloudwatch.front
    assert judge(written_by(*writers), cloudwatch.records()).clean
    assert {key: len(events) for key, events in front.accepted.items()} == {
        ("/eks/shop/web", "web-0/web-svc"): 1600,
        ("/eks/shop/db", "web-0/db-svc"): 800,
    }
    assert front.retention == {"/eks/shop/web": 7, "/eks/shop/db": 7}
    for events in front.accepted.values():
        lines = [parse_line(json.loads(event["message"])["message"]) for event in events]
        for name in ("a", "b", "c"):
            numbers = [line.sequence for line in lines if line.writer == name]
            assert numbers == sorted(numbers)
        times = [event["timestamp"] for event in events]
        assert max(times) <= time.time() * 1000
    expected = {"ResourceNotFoundException"}  # groups and streams are made when they turn out to be missing
    assert {one.reason for one in front.requests if one.reason} <= expected


def test_throttling_and_lost_answers_are_waited_out(stage, backstage):
    cloudwatch = CloudWatch(stage, backstage)
    _, aggregator = cloudwatch.start()
    throttled = aws_error("ThrottlingException", "Rate exceeded")
    cloudwatch.front.play(None, throttled, aws_error("ServiceUnavailableException"), Reset(), Recorded("cut"))
    writer = write(stage, "a", 500)
    stage.wait_delivered(writer.size_bytes)
    verdict = judge(written_by(writer), cloudwatch.records())
    assert verdict.clean_but_for_copies, verdict
    assert sum(copies_of(cloudwatch.records()).values()) == verdict.copies_same_id
    assert aggregator.metric("aggregator_send_failures_total") >= 4


def test_events_that_cloudwatch_rejects_behind_a_200_are_counted_and_kept_as_dead_letters(stage, backstage):
    cloudwatch = CloudWatch(stage, backstage)
    old = stage.append("old.log", b"too old to be taken\n")
    long_ago = time.time() - DAYS_15_SECONDS
    os.utime(old, (long_ago, long_ago))
    _, aggregator = cloudwatch.start()
    wait_until(lambda: aggregator.metric("aggregator_refused_records_total") == 1, 15, "the refusal")
    new = write(stage, "a", 50)
    cloudwatch.wait_for(50)
    assert judge(written_by(new), cloudwatch.records()).clean
    sink = stage.status()["sinks"]["cw"]
    assert (sink["refused"], sink["dead_letters"]) == ({"too_old": 1}, 1)
    stage.wait_delivered(new.size_bytes + old.stat().st_size)


def test_wrong_credentials_hold_the_lane_and_right_ones_release_it(stage, backstage):
    cloudwatch = CloudWatch(stage, backstage)
    cloudwatch.front.credentials = Credentials("AKIAOTHER", "other")
    cloudwatch.start()
    writer = write(stage, "a", 100)
    wait_until(lambda: any(one["state"] == "held" for one in stage.status()["sinks"]["cw"]["lanes"]), 15, "held")
    assert cloudwatch.front.entries == []
    cloudwatch.front.credentials = Credentials()
    cloudwatch.wait_for(100)
    assert judge(written_by(writer), cloudwatch.records()).clean


def test_a_service_accounts_web_identity_is_all_it_needs(stage, backstage):
    cloudwatch = CloudWatch(stage, backstage, FrontBehindSts)
    token = stage.folder / "web-identity-token"
    token.write_text(web_identity_token())
    cloudwatch.start(
        {
            "AWS_ROLE_ARN": make_role(cloudwatch.moto_url),
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
            "AWS_ENDPOINT_URL_STS": cloudwatch.moto_url,
            "AWS_CONFIG_FILE": str(stage.folder / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(stage.folder / "none"),
        }
    )
    writer = write(stage, "a", 200)
    cloudwatch.wait_for(200)
    assert judge(written_by(writer), cloudwatch.records()).clean
    assert cloudwatch.front.credentials.session_token


def web_identity_token():
    """A token as a cluster's issuer makes it, but for its signature: moto does not look at that."""
    parts = [{"alg": "RS256", "typ": "JWT"}, {"sub": "system:serviceaccount:towline:aggregator", "aud": "sts"}]
    coded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*coded, "c2ln"])


def make_role(moto_url):
    form = {"Action": "CreateRole", "Version": "2010-05-08", "RoleName": "towline", "AssumeRolePolicyDocument": "{}"}
    credential = "AKIAX/20260101/us-east-1/iam/aws4_request"
    head = {"Authorization": f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders=host, Signature=0"}
    request = urllib.request.Request(moto_url, urllib.parse.urlencode(form).encode(), head)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode().split("<Arn>")[1].split("</Arn>")[0]
