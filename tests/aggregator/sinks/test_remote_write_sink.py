"""The remote write sink before a strict receiver: what it says who we are with, and what it makes of each answer."""

import asyncio
from collections import Counter

import pytest

from aggregator.metric_sink import MetricsOnly, metrics_of
from aggregator.sinks.remote_write.config import BasicAuth, RemoteWriteConfig, SigV4
from aggregator.sinks.remote_write.sink import RemoteWriteSink
from tests.aggregator.sinks.batches import surroundings
from tests.aggregator.sinks.to_remote_write import NOW, START_MS, family, gauges, send, sink_to, snapshot
from tests.fakes.aws import Credentials, Scope
from tests.fakes.remote_write_receiver import Demands, RemoteWriteReceiver
from tests.fakes.script import Answer, Hang, Redirect, Reset, Rubbish
from towline.plumbing.errors import (
    ConfigError,
    RejectedError,
    RetryableError,
    SecretAbsentError,
    TooLargeError,
    UnauthorizedError,
)
from towline.wire.identity import Pod

AMP = Demands(sigv4=Scope("eu-west-1", "aps"), path="/workspaces/ws-1/api/v1/remote_write")


@pytest.fixture
async def receiver():
    async with RemoteWriteReceiver() as receiver:
        yield receiver


@pytest.fixture
async def amp():
    async with RemoteWriteReceiver(AMP) as receiver:
        yield receiver


async def test_what_is_made_is_received(receiver, session):
    sink = sink_to(receiver, session)
    first = sink.make(gauges(0, a=1, b=2), None, NOW)
    assert await send(sink, first) == Counter()
    await send(sink, sink.make(gauges(15, a=3), first.state, NOW))
    assert receiver.samples("a", pod="web-0", namespace="shop") == [(START_MS, 1.0), (START_MS + 15_000, 3.0)]
    assert receiver.samples("b") == [(START_MS, 2.0), (START_MS + 15_000, None)]
    assert [dict(labels)["__name__"] for labels in receiver.alive] == ["a"]


async def test_the_same_payload_again_changes_nothing(receiver, session):
    sink = sink_to(receiver, session)
    made = sink.make(gauges(0, a=1), None, NOW)
    for _ in range(3):
        await send(sink, made)
    assert receiver.samples("a") == [(START_MS, 1.0)]


async def test_a_sink_of_metrics_alone_is_what_the_registry_builds(receiver, session):
    built = RemoteWriteSink.build(RemoteWriteConfig(url=receiver.write_url), surroundings(session))
    assert isinstance(built, MetricsOnly)
    assert isinstance(metrics_of(built), RemoteWriteSink)
    await built.close()


@pytest.mark.parametrize("status", [500, 502, 503, 429, 408, 404, 405, 307, 302])
async def test_is_tried_again_after(receiver, session, status):
    sink = sink_to(receiver, session)
    receiver.play(Answer(status, {"Retry-After": "7"}))
    with pytest.raises(RetryableError) as raised:
        await send(sink, sink.make(gauges(0, a=1), None, NOW))
    assert raised.value.retry_after_seconds == (7 if status in {500, 502, 503, 429, 408} else 0)


@pytest.mark.parametrize("behaviour", [Reset(), Rubbish(), Redirect("http://127.0.0.1:1/")])
async def test_no_answer_is_tried_again(receiver, session, behaviour):
    sink = sink_to(receiver, session)
    receiver.play(behaviour)
    with pytest.raises(RetryableError):
        await send(sink, sink.make(gauges(0, a=1), None, NOW))


async def test_silence_is_tried_again(receiver, session):
    sink = sink_to(receiver, session, timeout_seconds=0.05)
    receiver.play(Hang())
    with pytest.raises(RetryableError, match="no answer within"):
        await send(sink, sink.make(gauges(0, a=1), None, NOW))


async def test_a_login_page_is_no_yes(receiver, session):
    sink = sink_to(receiver, session)
    receiver.play(Answer(200, {"Content-Type": "text/html; charset=utf-8"}, "<html>sign in</html>"))
    with pytest.raises(RetryableError, match="Correct url"):
        await send(sink, sink.make(gauges(0, a=1), None, NOW))


@pytest.mark.parametrize(
    ("status", "text", "error"),
    [
        (413, "", TooLargeError),
        (400, "received a message larger than max (1 vs 2)", TooLargeError),
        (400, "too big packed request", TooLargeError),
        (400, "label name is too long", RejectedError),
        (422, "", RejectedError),
        (401, "", UnauthorizedError),
        (403, "", UnauthorizedError),
    ],
)
async def test_what_an_answer_means(receiver, session, status, text, error):
    sink = sink_to(receiver, session)
    receiver.play(Answer(status, body=text))
    with pytest.raises(error):
        await send(sink, sink.make(gauges(0, a=1), None, NOW))


MIMIR_FUTURE = (
    "the sample has been rejected because its timestamp is too far in the future (err-mimir-too-far-in-future)"
)
THANOS = "store locally: add 1 series: out-of-order samples"
AMAZON = '{"message":"maxFailure (quorum), rpc error: code = Code(400) desc = user=1_ws-1: err: out of order sample. timestamp=1"}'


@pytest.mark.parametrize(
    ("status", "text", "reason", "halves"),
    [
        (400, "out of order sample", "out_of_order", True),
        (400, "duplicate sample for timestamp", "duplicate", True),
        (400, "out of bounds", "too_old", True),
        (409, THANOS, "out_of_order", False),
        (400, MIMIR_FUTURE, "too_new", False),
        (400, AMAZON, "out_of_order", False),
        (400, "per-user series limit of 10 exceeded", "limit", False),
    ],
)
async def test_what_will_never_be_taken_is_counted_by_reason(receiver, session, status, text, reason, halves):  # noqa: PLR0917 - parameters
    sink = sink_to(receiver, session)
    receiver.play(then=Answer(status, body=text))
    one, two = (sink.make(gauges(0, **values), None, NOW) for values in ({"a": 1}, {"a": 1, "b": 2}))
    assert await send(sink, one) == {reason: 1}
    if halves:
        with pytest.raises(RejectedError, match=reason):
            await send(sink, two)
    else:
        assert await send(sink, two) == {reason: 2}


async def test_the_end_of_a_pod_that_speaks_elsewhere_costs_a_request_and_no_halving(receiver, session):
    sink = sink_to(receiver, session)
    values = {f"g{number}": 1 for number in range(400)}
    state = sink.make(gauges(0, **values), None, NOW).state
    elsewhere = sink_to(receiver, session)  # another aggregator
    await send(elsewhere, elsewhere.make(gauges(15, **values), None, NOW))
    over = sink.end("u0", state, (START_MS + 60_000) * 1_000_000)
    assert [(fragment.route, fragment.points) for fragment in over.fragments] == [("silenced", 400)]
    assert await send(sink, over) == Counter()
    assert len(receiver.alive) == 400
    assert [one.status for one in receiver.requests] == [204, 400]


async def test_a_bearer_token_is_read_again_from_its_file(session, tmp_path):
    token = tmp_path / "token"
    token.write_text("one\n")
    async with RemoteWriteReceiver(Demands(authorization="Bearer one")) as receiver:
        sink = sink_to(receiver, session, bearer_token_file=str(token))
        await sink.healthcheck()
        receiver.demands = Demands(authorization="Bearer two")
        with pytest.raises(UnauthorizedError, match="bearer_token_file"):
            await sink.healthcheck()
        token.write_text("two\n")
        await send(sink, sink.make(gauges(0, a=1), None, NOW))
        assert receiver.samples("a")


async def test_a_name_and_a_password_are_basic_authentication(session, tmp_path):
    password = tmp_path / "password"
    password.write_text("s3cret")
    async with RemoteWriteReceiver(Demands(authorization="Basic bWU6czNjcmV0")) as receiver:
        await sink_to(receiver, session, basic_auth=BasicAuth(username="me", password_file=str(password))).healthcheck()
        with pytest.raises(UnauthorizedError):
            await sink_to(receiver, session).healthcheck()


async def test_headers_of_the_configuration_go_with_each_request(session):
    async with RemoteWriteReceiver(Demands(headers={"X-Scope-OrgID": "shop"})) as receiver:
        sink = sink_to(receiver, session, headers={"X-Scope-OrgID": "shop"})
        await send(sink, sink.make(gauges(0, a=1), None, NOW))
        assert receiver.samples("a")


@pytest.mark.usefixtures("aws_environment")
async def test_requests_to_aws_are_signed_for_their_service(amp, session, monkeypatch):
    sink = sink_to(amp, session, sigv4=SigV4(region="eu-west-1"))
    await sink.healthcheck()
    await send(sink, sink.make(gauges(0, a=1), None, NOW))
    assert amp.samples("a") == [(START_MS, 1.0)]
    with pytest.raises(UnauthorizedError, match="sigv4"):
        await sink_to(amp, session, sigv4=SigV4(region="eu-west-2")).healthcheck()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(UnauthorizedError):
        await sink_to(amp, session, sigv4=SigV4(region="eu-west-1")).healthcheck()


@pytest.mark.usefixtures("aws_environment")
async def test_aws_credentials_that_were_rotated_are_found_after_the_refusal(amp, session, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    sink = sink_to(amp, session, sigv4=SigV4())
    await sink.healthcheck()
    new = Credentials("AKIANEW", "new-secret", "new-token")
    amp.demands = Demands(sigv4=AMP.sigv4, path=AMP.path, credentials=new)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", new.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", new.secret_key)
    monkeypatch.setenv("AWS_SESSION_TOKEN", new.session_token)
    with pytest.raises(RetryableError, match="renewed"):
        await sink.healthcheck()
    await sink.healthcheck()


@pytest.mark.usefixtures("aws_environment")
def test_a_region_that_nobody_names_stops_the_start():
    with pytest.raises(ConfigError, match=r"aggregator.yaml: sinks.out.sigv4.region: is missing"):
        RemoteWriteSink.build(RemoteWriteConfig(url="http://x/w", sigv4=SigV4()), surroundings())


def test_a_secret_that_is_not_there_stops_the_start(tmp_path):
    gone = str(tmp_path / "gone")
    with pytest.raises(SecretAbsentError, match=r"sinks.out.bearer_token_file: there is no file"):
        RemoteWriteSink.build(RemoteWriteConfig(url="http://x/w", bearer_token_file=gone), surroundings())
    basic = BasicAuth(username="me", password_file=gone)
    with pytest.raises(SecretAbsentError, match=r"sinks.out.basic_auth.password_file: there is no file"):
        RemoteWriteSink.build(RemoteWriteConfig(url="http://x/w", basic_auth=basic), surroundings())


async def test_types_and_helps_are_sent_now_and_then_each_once(receiver, session):
    now = [0.0]
    config = RemoteWriteConfig(url=receiver.write_url, metadata_seconds=60)
    built = RemoteWriteSink.build(config, surroundings(session)).metrics
    sink = RemoteWriteSink(config, surroundings(session), built._receiver._credentials, lambda: now[0])
    pods = [Pod(namespace="shop", name=f"web-{n}", uid=f"u{n}") for n in range(3)]

    async def tell(at_seconds):
        for pod in pods:
            said = family("x_total", ("", "1"), kind="counter", help="What x is.", unit="x")
            await send(sink, sink.make(snapshot(at_seconds, said, pod=pod), None, NOW))

    await tell(0)
    assert receiver.metadata == {"x_total": (1, "What x is.", "x")}
    assert [one.records for one in receiver.requests] == [1, 0, 1, 1]
    await tell(15)
    assert len(receiver.requests) == 7
    now[0] = 61.0
    await tell(61)
    assert len(receiver.requests) == 11


async def test_metadata_that_are_refused_harm_nothing(receiver, session):
    sink = sink_to(receiver, session, metadata_seconds=60)
    receiver.play(None, Answer(500))
    assert await send(sink, sink.make(gauges(0, a=1), None, NOW)) == Counter()


async def test_a_receiver_that_dislikes_an_empty_request_is_healthy(receiver, session):
    receiver.play(Answer(400), Answer(503), Hang())
    sink = sink_to(receiver, session, timeout_seconds=0.05)
    await sink.healthcheck()
    for _ in range(2):
        with pytest.raises(RetryableError):
            await sink.healthcheck()


async def test_pods_are_spread_over_lanes_by_name_and_stay_where_they_are(receiver, session):
    sink = sink_to(receiver, session, lanes=4)
    pods = [Pod(namespace="shop", name=f"web-{number}", uid=f"u{number}") for number in range(100)]
    lanes = [sink.lane(pod) for pod in pods]
    assert set(lanes) == {f"series-{number}" for number in range(4)}
    assert [sink.lane(Pod(namespace="shop", name=pod.name, uid="another")) for pod in pods] == lanes


async def test_a_payload_is_the_same_for_the_same_fragments(receiver, session):
    sink = sink_to(receiver, session)
    bodies = [fragment.body for fragment in sink.make(gauges(0, a=1, b=2), None, NOW).fragments]
    first = sink.pack("series", bodies)
    assert (first, first.parts) == (await asyncio.to_thread(sink.pack, "series", bodies), 2)
